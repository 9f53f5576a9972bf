package audit

import "testing"

// A ring gives back what it was given in the same order, wherever it stood when it
// had to grow, and refuses only beyond its bound.
func TestRing_grows(t *testing.T) {
	t.Parallel()
	const most = 300
	for ahead := range firstSlots + 2 {
		r := newRing(most)
		next := int64(0)
		push := func() bool {
			next++
			return r.push(&Record{Ref: next})
		}
		for range ahead { // moves where the ring begins
			push()
			r.drain(nil, 1)
		}
		for i := range most {
			if !push() {
				t.Fatalf("%d ahead: record %d of %d was refused", ahead, i, most)
			}
		}
		if push() {
			t.Fatalf("%d ahead: %d records fit", ahead, most+1)
		}
		got := r.drain(nil, 2*most)
		for i := range got {
			if got[i].Ref != int64(ahead+i+1) {
				t.Fatalf("%d ahead: record %d is %d", ahead, i, got[i].Ref)
			}
		}
		if len(got) != most {
			t.Fatalf("%d ahead: %d records came back", ahead, len(got))
		}
	}
}

package jsonscan_test

import (
	"errors"
	"testing"

	"drawbridge/internal/jsonscan"
)

// feed writes b in pieces of the sizes that next gives, and after it a line feed,
// which ends a number. It returns how many bytes the value took.
func feed(b []byte, next func() int) (taken int, done bool, err error) {
	var s jsonscan.Stream
	for !done && err == nil {
		piece := b[:min(max(next(), 1), len(b))]
		b = b[len(piece):]
		last := len(piece) == 0
		if last {
			piece = []byte("\n")
		}
		var n int
		n, done, err = s.Write(piece)
		taken += n
		if last {
			break
		}
		if !done && err == nil && n != len(piece) {
			return taken, false, errors.New("the stream took less than it got")
		}
	}
	return taken, done, err
}

// sameAsValid holds the stream against Valid.
func sameAsValid(t *testing.T, in []byte, next func() int) {
	t.Helper()
	taken, done, err := feed(in, next)
	valid := jsonscan.Valid(in)
	var want, got *jsonscan.Error
	errors.As(valid, &want)
	errors.As(err, &got)
	switch {
	case err != nil && got == nil:
		t.Errorf("%q: %v", in, err)
	case want == nil && (!done || err != nil):
		t.Errorf("%q: stream %v, done %v; Valid accepts it", in, err, done)
	case want == nil || want.Reason == "something follows the value":
		if n, ok := jsonscan.Skip(in); !done || ok && want == nil && taken != n {
			t.Errorf("%q: stream took %d bytes, done %v, want %d", in, taken, done, n)
		}
	case want.Reason == "unexpected end":
		// The line feed stands where the input ended.
		if done || err != nil && got.Offset < len(in) {
			t.Errorf("%q: stream %v, done %v; Valid %v", in, err, done, valid)
		}
	case got == nil || got.Reason != want.Reason:
		t.Errorf("%q: stream %v, done %v; Valid %v", in, err, done, valid)
	}
}

func TestStream_sameAsValid(t *testing.T) {
	t.Parallel()
	for _, cases := range []map[string]string{accepted, refused, refusedByUs, ambiguous} {
		for _, in := range cases {
			for _, size := range []int{1, 2, 3, 7, 1 << 20} {
				sameAsValid(t, []byte(in), func() int { return size })
			}
		}
	}
	for _, in := range [][]byte{[]byte(request), tools(20_000), textResult(20_000, "plain text"), textResult(20_000, `Zwölf\n你好`)} {
		for _, size := range []int{1, 13, 4096, 1 << 20} {
			sameAsValid(t, in, func() int { return size })
		}
	}
}

func TestStream_takesOnlyItsValue(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in   string
		n    int
		done bool
	}{
		{`{"a":1},"id":1}`, 7, true},
		{`  [1] `, 5, true},
		{`"a"}`, 3, true},
		{`12,`, 2, true},
		{`12`, 2, false},
		{`-1.5e+3 `, 7, true},
		{`true1`, 4, true},
		{`{"a":`, 5, false},
		{``, 0, false},
		{` `, 1, false},
	}
	for _, tt := range tests {
		var s jsonscan.Stream
		if n, done, err := s.Write([]byte(tt.in)); n != tt.n || done != tt.done || err != nil {
			t.Errorf("%q: %d, %v, %v, want %d, %v", tt.in, n, done, err, tt.n, tt.done)
		}
	}
}

func TestStream_afterTheEnd(t *testing.T) {
	t.Parallel()
	var s jsonscan.Stream
	_, _, _ = s.Write([]byte(`{}`))
	if n, done, err := s.Write([]byte(`{}`)); n != 0 || !done || err != nil {
		t.Errorf("after the end: %d, %v, %v", n, done, err)
	}
	s = jsonscan.Stream{}
	_, _, _ = s.Write([]byte(`{"a":`))
	for range 2 {
		n, done, err := s.Write([]byte(` }`))
		var e *jsonscan.Error
		if done || !errors.As(err, &e) || e.Offset != 6 || n > 1 {
			t.Errorf("after an error: %d, %v, %v", n, done, err)
		}
	}
}

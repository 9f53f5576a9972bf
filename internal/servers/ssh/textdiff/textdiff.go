// Package textdiff shows how two texts differ, by lines, in the unified format of
// POSIX diff -u without its header.
//
// It is for people who look before they agree, and for models that check what they
// did: bounded in size, never needed for applying anything. The ssh server calls it.
package textdiff

import (
	"fmt"
	"strings"
)

const (
	around   = 3       // lines shown before and after a change
	maxCells = 4 << 20 // of the table; where texts differ in more, all of it is one change
)

// edit is a run of lines that a has and b has not, or the other way round.
type edit struct{ fromA, toA, fromB, toB int }

// Unified is the difference from a to b, at most maxLines lines of it; "" where
// there is none.
func Unified(a, b string, maxLines int) string {
	if a == b {
		return ""
	}
	la, lb := lines(a), lines(b)
	var out []string
	edits := compare(la, lb)
	for i := 0; i < len(edits); {
		j := i + 1
		for j < len(edits) && edits[j].fromA-edits[j-1].toA <= 2*around {
			j++
		}
		out = append(out, hunk(la, lb, edits[i:j])...)
		i = j
	}
	if len(out) > maxLines {
		out = append(out[:maxLines], fmt.Sprintf("[... %d more lines of difference ...]", len(out)-maxLines))
	}
	return strings.Join(out, "\n") + "\n"
}

func lines(s string) []string {
	if s == "" {
		return nil
	}
	all := strings.Split(s, "\n")
	if all[len(all)-1] == "" {
		return all[:len(all)-1]
	}
	all[len(all)-1] += "\n\\ No newline at end of file"
	return all
}

// compare finds the edits by the longest common subsequence between what is equal
// at both ends.
func compare(a, b []string) []edit {
	start := 0
	for start < len(a) && start < len(b) && a[start] == b[start] {
		start++
	}
	endA, endB := len(a), len(b)
	for endA > start && endB > start && a[endA-1] == b[endB-1] {
		endA, endB = endA-1, endB-1
	}
	n, m := endA-start, endB-start
	if n == 0 && m == 0 {
		return nil
	}
	if n == 0 || m == 0 || n > maxCells/m {
		return []edit{{start, endA, start, endB}}
	}
	// longest[i*(m+1)+j] is the length for a[start+i:] and b[start+j:].
	longest := make([]int32, (n+1)*(m+1))
	for i := n - 1; i >= 0; i-- {
		for j := m - 1; j >= 0; j-- {
			if a[start+i] == b[start+j] {
				longest[i*(m+1)+j] = longest[(i+1)*(m+1)+j+1] + 1
				continue
			}
			longest[i*(m+1)+j] = max(longest[(i+1)*(m+1)+j], longest[i*(m+1)+j+1])
		}
	}
	return walk(a[start:endA], b[start:endB], longest, start)
}

// walk reads the edits from the table.
func walk(a, b []string, longest []int32, offset int) (edits []edit) {
	n, m := len(a), len(b)
	for i, j := 0, 0; i < n || j < m; {
		if i < n && j < m && a[i] == b[j] {
			i, j = i+1, j+1
			continue
		}
		e := edit{fromA: i + offset, fromB: j + offset}
		for (i < n || j < m) && !(i < n && j < m && a[i] == b[j]) {
			if j >= m || i < n && longest[(i+1)*(m+1)+j] >= longest[i*(m+1)+j+1] {
				i++
			} else {
				j++
			}
		}
		e.toA, e.toB = i+offset, j+offset
		edits = append(edits, e)
	}
	return edits
}

// hunk shows edits that are close to each other.
func hunk(a, b []string, edits []edit) []string {
	first, last := edits[0], edits[len(edits)-1]
	fromA, toA := max(0, first.fromA-around), min(len(a), last.toA+around)
	fromB, toB := first.fromB-(first.fromA-fromA), last.toB+(toA-last.toA)
	out := []string{fmt.Sprintf("@@ -%s +%s @@", span(fromA, toA), span(fromB, toB))}
	at := fromA
	show := func(sign string, of []string) {
		for _, l := range of {
			out = append(out, sign+l)
		}
	}
	for _, e := range edits {
		show(" ", a[at:e.fromA])
		show("-", a[e.fromA:e.toA])
		show("+", b[e.fromB:e.toB])
		at = e.toA
	}
	show(" ", a[at:toA])
	return out
}

// span is a range of lines as diff -u writes it.
func span(from, to int) string {
	switch to - from {
	case 0:
		return fmt.Sprintf("%d,0", from)
	case 1:
		return fmt.Sprint(from + 1)
	}
	return fmt.Sprintf("%d,%d", from+1, to-from)
}

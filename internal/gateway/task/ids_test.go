package task_test

import (
	"bytes"
	"strings"
	"testing"

	"drawbridge/internal/gateway/task"
)

func newIds(t testing.TB, key byte) *task.Ids {
	t.Helper()
	ids, err := task.NewIds(bytes.Repeat([]byte{key}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func TestIds(t *testing.T) {
	t.Parallel()
	ids := newIds(t, 1)
	const owner = "anna\x00key_1"
	for _, id := range []string{"786512e2-9e0d-44bd-8f29-789f320fe840", "", "a\x00b", "ä\"\\", strings.Repeat("x", 1024)} {
		one, two := ids.Wrap("slow", owner, id), ids.Wrap("slow", owner, id)
		if one != two { // official clients compare it
			t.Errorf("%q has two names: %q %q", id, one, two)
		}
		if id != "" && strings.Contains(one, id) || one == ids.Wrap("slow", "bob", id) {
			t.Errorf("%q is not hidden: %q", id, one)
		}
		if backend, inner, ok := ids.Open(one, owner); !ok || backend != "slow" || inner != id {
			t.Errorf("%q opens as %q of %q, %v", id, inner, backend, ok)
		}
	}
}

// TestIds_strangers shows that a sealed id is of no use to anybody else. The owner is
// of no fixed length, so one must not be made to end where another's begins.
func TestIds_strangers(t *testing.T) {
	t.Parallel()
	ids, other := newIds(t, 1), newIds(t, 2)
	const owner = "anna\x00key_1"
	text := ids.Wrap("slow", owner, "id")
	altered := []byte(text)
	altered[len(altered)/2] ^= 1
	for name, c := range map[string]struct {
		ids         *task.Ids
		text, owner string
	}{
		"another owner":         {ids, text, "bob\x00key_2"},
		"another key of hers":   {ids, text, "anna\x00key_2"},
		"another profile":       {ids, text, owner + "\x00work"},
		"nobody":                {ids, text, ""},
		"another installation":  {other, text, owner},
		"altered":               {ids, string(altered), owner},
		"cut":                   {ids, text[:len(text)-2], owner},
		"the backend's own":     {ids, "id", owner},
		"empty":                 {ids, "", owner},
		"one that was too long": {ids, ids.Wrap("slow", owner, strings.Repeat("x", 1025)), owner},
	} {
		if backend, id, ok := c.ids.Open(c.text, c.owner); ok {
			t.Errorf("%s: it opens as %q of %q", name, id, backend)
		}
	}
}

func TestNewIds_refusesOtherKeys(t *testing.T) {
	t.Parallel()
	if _, err := task.NewIds(make([]byte, 16)); err == nil {
		t.Error("a short key is taken")
	}
}

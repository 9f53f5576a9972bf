package secret_test

import (
	"bytes"
	"errors"
	"testing"

	"drawbridge/internal/secret"
)

func TestBox(t *testing.T) {
	t.Parallel()
	box, err := secret.NewBox(secret.Derive([]byte("an installation"), "one"))
	if err != nil {
		t.Fatal(err)
	}
	other, err := secret.NewBox(secret.Derive([]byte("an installation"), "two"))
	if err != nil {
		t.Fatal(err)
	}
	text := box.Seal([]byte("plain"), []byte("anna"))
	if again := box.Seal([]byte("plain"), []byte("anna")); again == text {
		t.Error("the same value sealed twice looks the same")
	}
	if plain, err := box.Open(text, []byte("anna")); err != nil || !bytes.Equal(plain, []byte("plain")) {
		t.Errorf("opened: %q %v", plain, err)
	}
	last := text[:len(text)-1] + string(text[len(text)-1]^1)
	for name, c := range map[string]struct {
		box   *secret.Box
		text  string
		bound string
	}{
		"another key":            {other, text, "anna"},
		"bound to somebody else": {box, text, "bob"},
		"empty":                  {box, "", "anna"},
		"cut":                    {box, text[:len(text)-4], "anna"},
		"altered":                {box, last, "anna"},
		"with a line break":      {box, text[:8] + "\n" + text[8:], "anna"},
		"padded":                 {box, text + "=", "anna"},
		"not base64":             {box, "?" + text, "anna"},
	} {
		if plain, err := c.box.Open(c.text, []byte(c.bound)); !errors.Is(err, secret.ErrBroken) {
			t.Errorf("%s: opened as %q, %v", name, plain, err)
		}
	}
}

func TestNewBox_refusesOtherKeys(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 16, 31, 33} {
		if _, err := secret.NewBox(make([]byte, n)); err == nil {
			t.Errorf("a key of %d bytes was taken", n)
		}
	}
}

func TestSteady(t *testing.T) {
	t.Parallel()
	key := bytes.Repeat([]byte{7}, 32)
	box, err := secret.NewSteady(key)
	if err != nil {
		t.Fatal(err)
	}
	text := box.Seal([]byte("a task"), []byte("ann"))
	again, err := secret.NewSteady(key)
	if err != nil {
		t.Fatal(err)
	}
	if again.Seal([]byte("a task"), []byte("ann")) != text {
		t.Error("the same value has two texts")
	}
	for _, other := range []string{box.Seal([]byte("a tasl"), []byte("ann")), box.Seal([]byte("a task"), []byte("bob")), box.Seal([]byte("ka task"), []byte("ann a tas"))} {
		if other[:16] == text[:16] {
			t.Error("another value has the same nonce")
		}
	}
	if plain, err := again.Open(text, []byte("ann")); err != nil || string(plain) != "a task" {
		t.Errorf("opened %q, %v", plain, err)
	}
	plain, err := secret.NewBox(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][2]string{
		"another's":      {text, "bob"},
		"changed":        {text[:20] + "A" + text[21:], "ann"},
		"cut":            {text[:8], "ann"},
		"spelled anew":   {text + "\n", "ann"},
		"of a plain box": {plain.Seal([]byte("a task"), []byte("ann")), "ann"},
	} {
		if _, err := box.Open(bad[0], []byte(bad[1])); err == nil {
			t.Errorf("%s: it opened", name)
		}
	}
	if _, err := secret.NewSteady(key[1:]); err == nil {
		t.Error("a short key was taken")
	}
}

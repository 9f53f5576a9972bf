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

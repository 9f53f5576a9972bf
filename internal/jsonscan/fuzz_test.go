package jsonscan_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"testing"
	"unicode/utf8"

	"drawbridge/internal/jsonscan"
)

func seeds(f *testing.F, add func(in string)) {
	f.Helper()
	for _, cases := range []map[string]string{accepted, refused, refusedByUs, ambiguous} {
		for _, in := range cases {
			if len(in) < 2000 {
				add(in)
			}
		}
	}
	add(request)
}

// FuzzCheck holds Check and Valid against encoding/json: syntax against Valid of
// that package, duplicate keys and numbers against its tokens, and what Members,
// Elements and Unquote find against its values.
func FuzzCheck(f *testing.F) {
	seeds(f, func(in string) { f.Add([]byte(in)) })
	f.Fuzz(func(t *testing.T, in []byte) {
		strict, lax := reason(t, jsonscan.Check(in)), reason(t, jsonscan.Valid(in))
		if !json.Valid(in) {
			if strict == "" || lax == "" {
				t.Fatalf("Check %q, Valid %q; encoding/json refuses it", strict, lax)
			}
			return
		}
		switch lax {
		case "":
		case "invalid UTF-8":
			if utf8.Valid(in) {
				t.Errorf("Valid: %s", lax)
			}
			return
		case "lone surrogate escape", "NUL in a key", "nested too deep":
			return
		case "number too large for a float64":
			if _, finite := tokens(t, in); finite {
				t.Errorf("Valid: %s", lax)
			}
			return
		default:
			t.Fatalf("Valid: %s; encoding/json accepts it", lax)
		}
		repeated, finite := tokens(t, in)
		if !finite || !utf8.Valid(in) {
			t.Errorf("Valid accepts it; finite %v, UTF-8 %v", finite, utf8.Valid(in))
		}
		if strict != "nested too deep" && (strict == "duplicate key") != repeated || strict == "" && repeated {
			t.Errorf("Check %q, key repeated %v", strict, repeated)
		}
		if strict == "" {
			sameValue(t, in)
		}
	})
}

func reason(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var e *jsonscan.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v is no *Error", err)
	}
	return e.Reason
}

// tokens walks valid JSON with encoding/json and tells whether an object repeats
// a key and whether all numbers are finite.
func tokens(t *testing.T, in []byte) (repeated, finite bool) {
	t.Helper()
	type level struct {
		keys  map[string]bool // nil in an array
		value bool            // the next string is a value
	}
	finite = true
	var levels []level
	d := json.NewDecoder(bytes.NewReader(in))
	d.UseNumber()
	for {
		token, err := d.Token()
		if err != nil {
			return repeated, finite
		}
		if delim, ok := token.(json.Delim); ok && (delim == ']' || delim == '}') {
			levels = levels[:len(levels)-1]
			continue
		}
		if n := len(levels); n > 0 && levels[n-1].keys != nil {
			top := &levels[n-1]
			if !top.value {
				repeated = repeated || top.keys[token.(string)]
				top.keys[token.(string)] = true
				top.value = true
				continue
			}
			top.value = false
		}
		switch v := token.(type) {
		case json.Delim:
			l := level{}
			if v == '{' {
				l.keys = map[string]bool{}
			}
			levels = append(levels, l)
		case json.Number:
			if _, err := strconv.ParseFloat(v.String(), 64); err != nil {
				finite = false
			}
		}
	}
}

// sameValue holds the walk over one level against encoding/json, all the way down.
func sameValue(t *testing.T, in []byte) {
	t.Helper()
	n, ok := jsonscan.Skip(in)
	if !ok || len(bytes.TrimSpace(in[n:])) != 0 {
		t.Fatalf("%q: Skip %d, %v", in, n, ok)
	}
	var object map[string]json.RawMessage
	var array []json.RawMessage
	var text string
	switch trimmed := bytes.TrimSpace(in); trimmed[0] {
	case '{':
		if err := json.Unmarshal(in, &object); err != nil {
			t.Fatal(err)
		}
		n := 0
		for m := range jsonscan.Members(in) {
			n++
			key, ok := jsonscan.Unquote(in[m.Whole.From : m.Whole.From+len(m.Key)+2])
			if want, has := object[key]; !ok || !has || string(want) != string(m.Value.Of(in)) || !jsonscan.Is(m.Key, key) || !jsonscan.FoldIs(m.Key, key) {
				t.Fatalf("member %q is %q, want %q", key, m.Value.Of(in), want)
			}
			sameValue(t, m.Value.Of(in))
		}
		if n != len(object) {
			t.Errorf("%q: %d members, want %d", in, n, len(object))
		}
	case '[':
		if err := json.Unmarshal(in, &array); err != nil {
			t.Fatal(err)
		}
		n := 0
		for e := range jsonscan.Elements(in) {
			if n >= len(array) || string(array[n]) != string(e.Of(in)) {
				t.Fatalf("%q: element %d is %q", in, n, e.Of(in))
			}
			n++
			sameValue(t, e.Of(in))
		}
		if n != len(array) {
			t.Errorf("%q: %d elements, want %d", in, n, len(array))
		}
	case '"':
		got, ok := jsonscan.Unquote(trimmed)
		if err := json.Unmarshal(in, &text); err != nil || !ok || got != text {
			t.Errorf("Unquote(%s) = %q, %v, want %q", trimmed, got, ok, text)
		}
		again, ok := jsonscan.Unquote(jsonscan.AppendQuote(nil, got))
		if !ok || again != got {
			t.Errorf("%q quoted and unquoted is %q, %v", got, again, ok)
		}
	}
}

// FuzzStream proves that Stream says what Valid says, however its input is cut.
func FuzzStream(f *testing.F) {
	seeds(f, func(in string) { f.Add([]byte(in), uint32(len(in))) })
	f.Fuzz(func(t *testing.T, in []byte, seed uint32) {
		sameAsValid(t, in, func() int {
			seed = seed*1664525 + 1013904223
			return int(seed >> 29)
		})
	})
}

// FuzzWalk only asks that nothing crashes on what was never checked.
func FuzzWalk(f *testing.F) {
	seeds(f, func(in string) { f.Add([]byte(in)) })
	f.Fuzz(func(t *testing.T, in []byte) {
		for m := range jsonscan.Members(in) {
			_ = m.Value.Of(in)
			jsonscan.Is(m.Key, "name")
			jsonscan.FoldIs(m.Key, "name")
		}
		for e := range jsonscan.Elements(in) {
			_ = e.Of(in)
		}
		if n, ok := jsonscan.Skip(in); n < 0 || n > len(in) || ok != (n > 0) {
			t.Errorf("Skip %d, %v", n, ok)
		}
		jsonscan.Unquote(in)
		quoted := jsonscan.AppendQuote(nil, string(in))
		if got, ok := jsonscan.Unquote(quoted); !ok || got != string(bytes.ToValidUTF8(in, nil)) && utf8.Valid(in) {
			t.Errorf("AppendQuote gave %s", quoted)
		}
	})
}

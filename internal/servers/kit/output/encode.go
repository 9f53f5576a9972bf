// Package output writes what tools answer: JSON as JavaScript writes it, lists
// that are never null, and text from outside between marks that it cannot forge.
//
// Package kit renders results with it. It knows neither tools nor the protocol.
package output

import (
	"bytes"
	"encoding/json"
	"reflect"
)

// Compact is v as JavaScript's JSON.stringify(v) writes it.
func Compact(v any) ([]byte, error) { return Encode(v, "") }

// Encode is v as JavaScript's JSON.stringify(v, null, indent) writes it.
func Encode(v any, indent string) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return unescapeSeparators(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), nil
}

// unescapeSeparators writes U+2028 and U+2029 as themselves; encoding/json always
// escapes them, JavaScript never does.
func unescapeSeparators(b []byte) []byte {
	if !bytes.Contains(b, []byte(`\u202`)) {
		return b
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		switch {
		case b[i] != '\\':
			out = append(out, b[i])
		case bytes.HasPrefix(b[i:], []byte(`\u2028`)):
			out = append(out, "\u2028"...)
			i += len(`\u2028`) - 1
		case bytes.HasPrefix(b[i:], []byte(`\u2029`)):
			out = append(out, "\u2029"...)
			i += len(`\u2029`) - 1
		default: // an escape of two bytes, or the first two of another \u
			out = append(out, b[i], b[i+1])
			i++
		}
	}
	return out
}

// Texter is an output with a text of its own; others show their compact JSON.
type Texter interface{ Text() string }

// TextOf is the text of an output.
func TextOf(v reflect.Value) (string, error) {
	if t, ok := reflect.TypeAssert[Texter](v); ok {
		return t.Text(), nil
	}
	b, err := Compact(v.Interface())
	return string(b), err
}

// Filled is v without nil lists. The lists inside of v's own lists are filled in
// place.
func Filled(v any) any {
	p := reflect.New(reflect.TypeOf(v))
	p.Elem().Set(reflect.ValueOf(v))
	FillLists(p.Elem())
	return p.Interface()
}

// FillLists makes every nil slice below v an empty one, so that output never
// holds null where its schema says array.
func FillLists(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			FillLists(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			// The exported fields of an embedded struct can be set though it cannot.
			if f := v.Field(i); f.CanSet() || v.Type().Field(i).Anonymous && f.Kind() == reflect.Struct {
				FillLists(f)
			}
		}
	case reflect.Slice:
		if v.IsNil() {
			v.Set(reflect.MakeSlice(v.Type(), 0, 0))
			return
		}
		switch v.Type().Elem().Kind() {
		case reflect.Struct, reflect.Pointer, reflect.Slice:
			for i := range v.Len() {
				FillLists(v.Index(i))
			}
		}
	}
}

package mcpwire

import "drawbridge/internal/jsonscan"

// Member is the raw value of a member, or nil where obj is no object or has none
// of that name.
func Member(obj []byte, name string) []byte {
	if !IsObject(obj) {
		return nil
	}
	m, ok := jsonscan.Find(obj, name)
	if !ok {
		return nil
	}
	return m.Value.Of(obj)
}

// ObjectMember is a member that is an object, raw, or nil.
func ObjectMember(obj []byte, name string) []byte {
	if raw := Member(obj, name); IsObject(raw) {
		return raw
	}
	return nil
}

// TextMember is a member that is a string, decoded.
func TextMember(obj []byte, name string) (text string, ok bool) {
	raw := Member(obj, name)
	if raw == nil {
		return "", false
	}
	return jsonscan.Unquote(raw)
}

// Texts are the strings of an array. all is false where something else is in it,
// or raw is none.
func Texts(raw []byte) (list []string, all bool) {
	if first(raw) != '[' {
		return nil, false
	}
	all = true
	for e := range jsonscan.Elements(raw) {
		text, ok := jsonscan.Unquote(e.Of(raw))
		if !ok {
			all = false
			continue
		}
		list = append(list, text)
	}
	return list, all
}

// IsObject tells a raw value that is an object.
func IsObject(raw []byte) bool { return first(raw) == '{' }

// IsBatch tells a body that holds an array.
func IsBatch(body []byte) bool { return first(body) == '[' }

// Without is an object without some of its members; obj itself when it has none
// of them.
func Without(obj []byte, names ...string) []byte {
	found := false
	for m := range jsonscan.Members(obj) {
		found = found || isAny(m.Key, names)
	}
	if !found {
		return obj
	}
	w := editor{src: obj, dst: []byte{'{'}}
	for m := range jsonscan.Members(obj) {
		if !isAny(m.Key, names) {
			w.member(m.Whole)
		}
	}
	return append(w.dst, '}')
}

func isAny(key []byte, names []string) bool {
	for _, n := range names {
		if jsonscan.Is(key, n) {
			return true
		}
	}
	return false
}

// WithoutMeta is params without a member of _meta, and without _meta where
// nothing else is in it.
func WithoutMeta(params []byte, key string) []byte {
	meta := ObjectMember(params, "_meta")
	kept := meta
	if meta != nil {
		kept = Without(meta, key)
	}
	switch {
	case len(kept) == len(meta):
		return params
	case string(kept) == "{}":
		return Without(params, "_meta")
	}
	m, _ := jsonscan.Find(params, "_meta")
	out := append([]byte(nil), params[:m.Value.From]...)
	return append(append(out, kept...), params[m.Value.To:]...)
}

// first is the first byte of a raw value, white space skipped; 0 when empty.
func first(b []byte) byte {
	for _, c := range b {
		switch c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

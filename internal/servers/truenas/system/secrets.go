package system

import (
	"encoding/json"

	"drawbridge/internal/servers/kit/pattern"
)

// secretName matches the members that may hold a secret, or something to guess one from.
var secretName = pattern.New(`(?i)pass|secret|key|hash|token|credential|private|salt|otp|arguments|env$|environ|auth|vnc|(^|\.)raw($|\.)`)

// withoutSecrets is a value without the members that may be secret, at every level. The
// middleware masks some of them for keys with few roles, but not for an administrator's.
func withoutSecrets(raw json.RawMessage) (json.RawMessage, error) {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, err
	}
	return json.Marshal(strip(v))
}

func strip(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if secretName().MatchString(name) {
				if _, flag := member.(bool); !flag { // such as key_loaded
					delete(v, name)
					continue
				}
			}
			v[name] = strip(member)
		}
	case []any:
		for i := range v {
			v[i] = strip(v[i])
		}
	}
	return v
}

// asksSecret tells whether filters look at a member that may be secret: the rows that fit
// would tell what it is.
func asksSecret(filters []any) bool {
	for _, f := range filters {
		switch f := f.(type) {
		case string: // the member of [member, operator, value], or a word of it
			if secretName().MatchString(f) {
				return true
			}
		case []any:
			if len(f) == 3 { // its value is free
				if _, simple := f[0].(string); simple {
					f = f[:1]
				}
			}
			if asksSecret(f) {
				return true
			}
		}
	}
	return false
}

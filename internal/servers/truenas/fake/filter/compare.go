package filter

import (
	"cmp"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"drawbridge/internal/servers/truenas/fake/fail"
)

// compare looks a path up and applies the operator; a path with * in a list holds if it
// does for any item, and one that leads nowhere never holds.
func compare(at any, path, op string, want any) (bool, error) {
	for path != "" {
		var key string
		key, path = split(path)
		switch cur := at.(type) {
		case map[string]any:
			v, there := cur[key]
			if !there {
				return false, nil
			}
			at = v
		case []any:
			if key == "*" {
				for _, item := range cur {
					if ok, err := compare(item, path, op, want); ok || err != nil {
						return ok, err
					}
				}
				return false, nil
			}
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 {
				return false, fail.Crash("ValueError", key+": must be array index or wildcard character")
			}
			at = nil
			if i < len(cur) {
				at = cur[i]
			}
		default:
			return operate(at, op, want)
		}
	}
	return operate(at, op, want)
}

// split cuts the first key off a path; \. is a dot inside of a key.
func split(path string) (key, rest string) {
	for i := 0; i < len(path); i++ {
		if path[i] == '.' && (i == 0 || path[i-1] != '\\') {
			return strings.ReplaceAll(path[:i], `\.`, "."), path[i+1:]
		}
	}
	return strings.ReplaceAll(path, `\.`, "."), ""
}

func operate(x any, op string, y any) (bool, error) {
	if bare, folded := strings.CutPrefix(op, "C"); folded {
		x, y, op = fold(x), fold(y), bare
	}
	switch op {
	case "=":
		return same(x, y), nil
	case "!=":
		return !same(x, y), nil
	case "in":
		return contains(y, x)
	case "nin":
		ok, err := contains(y, x)
		return x != nil && !ok, err
	case "rin":
		if x == nil {
			return false, nil
		}
		return contains(x, y)
	case "rnin":
		if x == nil {
			return false, nil
		}
		ok, err := contains(x, y)
		return !ok, err
	case ">", ">=", "<", "<=":
		return ordered(x, op, y)
	}
	return textual(x, op, y)
}

func textual(x any, op string, y any) (bool, error) {
	pattern, ok := y.(string)
	s, isText := x.(string)
	if x == nil && op != "~" {
		return false, nil
	}
	if !ok || !isText && x != nil {
		return false, fail.Crash("AttributeError", fmt.Sprintf("%s is no operation for %v and %v", op, x, y))
	}
	switch op {
	case "~":
		re, err := regexp.Compile(`\A(?:` + pattern + `)`) // as Python's match: from the beginning
		if err != nil {
			return false, fail.Crash("error", "bad pattern: "+err.Error())
		}
		return re.MatchString(s), nil
	case "^":
		return strings.HasPrefix(s, pattern), nil
	case "!^":
		return !strings.HasPrefix(s, pattern), nil
	case "$":
		return strings.HasSuffix(s, pattern), nil
	}
	return !strings.HasSuffix(s, pattern), nil
}

func fold(v any) any {
	switch v := v.(type) {
	case string:
		return strings.ToLower(v)
	case []any:
		out := make([]any, len(v))
		for i, one := range v {
			out[i] = fold(one)
		}
		return out
	}
	return v
}

// number is what v counts for: numbers of any type, and times as their milliseconds.
func number(v any) (float64, bool) {
	switch r := reflect.ValueOf(v); {
	case !r.IsValid():
		return 0, false
	case r.CanInt():
		return float64(r.Int()), true
	case r.CanUint():
		return float64(r.Uint()), true
	case r.CanFloat():
		return r.Float(), true
	}
	return 0, false
}

func same(x, y any) bool {
	a, ok := number(x)
	if b, also := number(y); ok && also {
		return a == b
	}
	if at, err := moment(y); err == nil && ok {
		return a == float64(at.UnixMilli())
	}
	return reflect.DeepEqual(x, y)
}

func contains(list, v any) (bool, error) {
	switch l := list.(type) {
	case []any:
		return slices.ContainsFunc(l, func(one any) bool { return same(one, v) }), nil
	case map[string]any:
		s, _ := v.(string)
		_, there := l[s]
		return there, nil
	case string:
		if s, ok := v.(string); ok {
			return strings.Contains(l, s), nil
		}
	}
	return false, fail.Crash("TypeError", fmt.Sprintf("argument of type '%T' is not iterable", list))
}

func ordered(x any, op string, y any) (bool, error) {
	c, ok := rank(x, y)
	if !ok {
		return false, fail.Crash("TypeError", fmt.Sprintf("'%s' not supported between instances of '%T' and '%T'", op, x, y))
	}
	switch op {
	case ">":
		return c > 0, nil
	case ">=":
		return c >= 0, nil
	case "<":
		return c < 0, nil
	}
	return c <= 0, nil
}

// rank compares two numbers, two texts, or a time with its text.
func rank(x, y any) (int, bool) {
	a, ok := number(x)
	b, also := number(y)
	if at, err := moment(y); ok && err == nil {
		b, also = float64(at.UnixMilli()), true
	}
	if ok && also {
		return cmp.Compare(a, b), true
	}
	s, ok := x.(string)
	t, also := y.(string)
	if p, is := x.(bool); is {
		if q, is := y.(bool); is {
			return cmp.Compare(strconv.FormatBool(p), strconv.FormatBool(q)), true
		}
	}
	return strings.Compare(s, t), ok && also
}

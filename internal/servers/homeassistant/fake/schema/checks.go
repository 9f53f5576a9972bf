package schema

import (
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Str is a text and nothing else.
func Str(v any) (any, *Invalid) {
	if s, ok := v.(string); ok {
		return s, nil
	}
	return nil, Fail("expected str")
}

// Bool is true or false and nothing else.
func Bool(v any) (any, *Invalid) {
	if b, ok := v.(bool); ok {
		return b, nil
	}
	return nil, Fail("expected bool")
}

// Any takes everything.
func Any(v any) (any, *Invalid) { return v, nil }

// Int is an integer that was sent as one.
func Int(v any) (any, *Invalid) {
	if n, ok := v.(json.Number); ok {
		if i, err := strconv.Atoi(n.String()); err == nil {
			return i, nil
		}
	}
	return nil, Fail("expected int")
}

// Map is any object.
func Map(v any) (any, *Invalid) {
	if m, ok := v.(map[string]any); ok {
		return m, nil
	}
	return nil, Fail("expected dict")
}

// List is an array of what c takes.
func List(c Check) Check {
	return func(v any) (any, *Invalid) {
		l, ok := v.([]any)
		if !ok {
			return nil, Fail("expected a list")
		}
		return each(l, c)
	}
}

func each(l []any, c Check) (any, *Invalid) {
	out := make([]any, len(l))
	for i, v := range l {
		got, err := c(v)
		if err != nil {
			return nil, under(err, i, v, "")
		}
		out[i] = got
	}
	return out, nil
}

// Strings is List(Str) as []string.
func Strings(v any) (any, *Invalid) {
	l, err := List(Str)(v)
	if err != nil {
		return nil, err
	}
	return Texts(l), nil
}

// Texts makes a []string of a checked list.
func Texts(v any) []string {
	l, _ := v.([]any)
	out := make([]string, 0, len(l))
	for _, s := range l {
		if s, ok := s.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// OrNull also takes null.
func OrNull(c Check) Check {
	return func(v any) (any, *Invalid) {
		if v == nil {
			return nil, nil
		}
		return c(v)
	}
}

// OneOf takes one of some words.
func OneOf(words ...string) Check {
	slices.Sort(words)
	return func(v any) (any, *Invalid) {
		if s, ok := v.(string); ok && slices.Contains(words, s) {
			return s, nil
		}
		return nil, Fail("value must be one of %s", Repr(words))
	}
}

// Literal takes one word.
func Literal(word string) Check {
	return func(v any) (any, *Invalid) {
		if v == word {
			return v, nil
		}
		return nil, Fail("not a valid value")
	}
}

// Text is cv.string: numbers become text, nothing else does.
func Text(v any) (any, *Invalid) {
	switch v := v.(type) {
	case nil:
		return nil, Fail("string value is None")
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	case bool:
		return Repr(v), nil
	}
	return nil, Fail("value should be a string")
}

// Filled is Text that says something.
func Filled(v any) (any, *Invalid) {
	t, err := Text(v)
	if err == nil && strings.TrimSpace(t.(string)) == "" {
		return nil, Fail("length of value must be at least 1")
	}
	return t, err
}

// Number is a float in a range, from text, too.
func Number(lo, hi float64) Check {
	return func(v any) (any, *Invalid) {
		f, err := strconv.ParseFloat(strings.TrimSpace(plain(v)), 64)
		switch {
		case err != nil:
			return nil, Fail("expected float")
		case f < lo:
			return nil, Fail("value must be at least %s", short(lo))
		case f > hi:
			return nil, Fail("value must be at most %s", short(hi))
		}
		return f, nil
	}
}

// Whole is Number without a fraction.
func Whole(lo, hi int) Check {
	return func(v any) (any, *Invalid) {
		if _, err := strconv.Atoi(strings.TrimSpace(plain(v))); err != nil {
			if _, ferr := strconv.ParseFloat(plain(v), 64); ferr != nil || isText(v) {
				return nil, Fail("expected int")
			}
		}
		f, err := Number(float64(lo), float64(hi))(v)
		if err != nil {
			return nil, err
		}
		return int(f.(float64)), nil
	}
}

func isText(v any) bool { _, ok := v.(string); return ok }

// Truth is cv.boolean, which knows words.
func Truth(v any) (any, *Invalid) {
	switch strings.ToLower(plain(v)) {
	case "1", "true", "yes", "on", "enable":
		return true, nil
	case "0", "false", "no", "off", "disable":
		return false, nil
	}
	return nil, Fail("invalid boolean value %s", plain(v))
}

func plain(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	case int:
		return strconv.Itoa(v)
	case float64:
		return short(v)
	}
	return "?"
}

func short(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

var entityID = regexp.MustCompile(`^[a-z0-9]+(?:_[a-z0-9]+)*\.[a-z0-9]+(?:_[a-z0-9]+)*$`)

// ValidEntity says whether a text could name an entity (homeassistant/core.py).
func ValidEntity(id string) bool {
	domain, object, _ := strings.Cut(id, ".")
	clean := func(s string) string { return regexp.MustCompile(`_+`).ReplaceAllString(s, "_") }
	return entityID.MatchString(clean(domain) + "." + clean(object))
}

// Entity is the id of one entity.
func Entity(v any) (any, *Invalid) {
	s, ok := v.(string)
	if s = strings.ToLower(strings.TrimSpace(s)); ok && ValidEntity(s) {
		return s, nil
	}
	return nil, Fail("Entity ID %s is an invalid entity ID", plain(v))
}

// Entities are ids in a list or between commas.
func Entities(v any) (any, *Invalid) {
	l, ok := v.([]any)
	if s, isText := v.(string); isText {
		for part := range strings.SplitSeq(s, ",") {
			l = append(l, part)
		}
	} else if !ok {
		return nil, Fail("Entity IDs can not be None")
	}
	out := []string{}
	for _, e := range l {
		id, err := Entity(e)
		if err != nil {
			return nil, err
		}
		out = append(out, id.(string))
	}
	return out, nil
}

// Some is one text or a list of them.
func Some(v any) (any, *Invalid) {
	switch v := v.(type) {
	case nil:
		return []string{}, nil
	case string:
		return []string{v}, nil
	case []any:
		return Strings(v)
	}
	return nil, Fail("expected str")
}

// Targets is Entities, or the words all and none.
func Targets(v any) (any, *Invalid) {
	if s, ok := v.(string); ok && (strings.EqualFold(s, "all") || strings.EqualFold(s, "none")) {
		return []string{strings.ToLower(s)}, nil
	}
	return Entities(v)
}

// Target is what a target may consist of (cv.ENTITY_SERVICE_FIELDS).
var Target = Dict{
	"entity_id": May(Targets), "device_id": May(Some), "area_id": May(Some), "floor_id": May(Some), "label_id": May(Some),
}

// In checks an object by a Dict.
func In(d Dict) Check {
	return func(v any) (any, *Invalid) {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, Fail("expected a dictionary")
		}
		out, err := d.Apply(m)
		if bad, ok := errors.AsType[Many](err); ok {
			return nil, bad[0]
		}
		return out, nil
	}
}

// Moment is a date with a time.
func Moment(v any) (any, *Invalid) {
	if t, ok := ParseTime(plain(v), time.UTC); ok {
		return t, nil
	}
	return nil, Fail("Invalid datetime specified: %s", plain(v))
}

// Day is a date.
func Day(v any) (any, *Invalid) {
	if _, err := time.Parse(time.DateOnly, plain(v)); err != nil {
		return nil, Fail("Could not parse date")
	}
	return plain(v), nil
}

// ParseTime is dt_util.parse_datetime: without an offset a time is in the zone given.
func ParseTime(s string, zone *time.Location) (time.Time, bool) {
	s = strings.Replace(s, " ", "T", 1)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05Z0700"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	for _, layout := range []string{"2006-01-02T15:04:05.999999999", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

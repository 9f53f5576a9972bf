package sequentialthinking

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"

	"drawbridge/internal/fault"
)

// decoder reads arguments as the original's schema library (zod 4) does, and
// collects the same texts in the same order.
type decoder struct {
	args   map[string]json.RawMessage
	issues []string
}

type need bool

const (
	required need = true
	optional need = false
)

func (d *decoder) add(name, format string, args ...any) {
	d.issues = append(d.issues, fmt.Sprintf(format, args...)+" at "+name)
}

// err is the original's error for all issues.
func (d *decoder) err(tool string) error {
	if len(d.issues) == 0 {
		return nil
	}
	return fault.New(fault.Invalid, "MCP error -32602: Input validation error: Invalid arguments for tool %s: %s", tool, strings.Join(d.issues, "\n"))
}

// value decodes one argument; there is false where it is missing.
func (d *decoder) value(name string) (v any, there bool) {
	raw, there := d.args[name]
	if !there {
		return nil, false
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, false // a number beyond float64, which the door refuses already
	}
	return v, true
}

func (d *decoder) text(name string, n need) string {
	v, there := d.value(name)
	if !there && n == optional {
		return ""
	}
	s, ok := v.(string)
	if !ok {
		d.add(name, "Invalid input: expected string, received %s", typeName(v, there))
	}
	return s
}

func (d *decoder) flag(name string, n need) flag {
	v, there := d.value(name)
	if !there && n == optional {
		return false
	}
	switch v := v.(type) {
	case bool:
		return flag(v)
	case string:
		switch strings.ToLower(v) {
		case "true":
			return true
		case "false":
			return false
		}
		d.add(name, `Expected boolean or "true"/"false" string, received "%s"`, v)
	default:
		d.add(name, "Invalid input")
	}
	return false
}

func (d *decoder) count(name string, n need) count {
	v, there := d.value(name)
	if !there && n == optional {
		return 0
	}
	f := math.NaN()
	if there {
		f = toNumber(v)
	}
	switch {
	case math.IsNaN(f):
		d.add(name, "Invalid input: expected number, received NaN")
	case math.IsInf(f, 1):
		d.add(name, "Invalid input: expected number, received Infinity")
	case math.IsInf(f, -1):
		d.add(name, "Invalid input: expected number, received -Infinity")
	case f != math.Trunc(f):
		d.add(name, "Invalid input: expected int, received number")
	case f > maxSafeInteger:
		d.add(name, "Too big: expected int to be <=%d", int64(maxSafeInteger))
	case f < 1:
		if f < -maxSafeInteger {
			d.add(name, "Too small: expected int to be >=-%d", int64(maxSafeInteger))
		}
		d.add(name, "Too small: expected number to be >=1")
	default:
		return count(f)
	}
	return 0
}

func typeName(v any, there bool) string {
	if !there {
		return "undefined"
	}
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case float64:
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	}
	return "object"
}

// toNumber is JavaScript's Number(v).
func toNumber(v any) float64 {
	switch v := v.(type) {
	case nil:
		return 0
	case bool:
		if v {
			return 1
		}
		return 0
	case float64:
		return v
	case string:
		return stringToNumber(v)
	case []any:
		switch len(v) { // by way of Array's toString
		case 0:
			return 0
		case 1:
			if _, isBool := v[0].(bool); isBool {
				return math.NaN()
			}
			return toNumber(v[0])
		}
	}
	return math.NaN()
}

func stringToNumber(s string) float64 {
	s = strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) || r == '\uFEFF' })
	switch s {
	case "":
		return 0
	case "Infinity", "+Infinity":
		return math.Inf(1)
	case "-Infinity":
		return math.Inf(-1)
	}
	if len(s) > 2 && s[0] == '0' {
		if base, ok := map[byte]int{'x': 16, 'X': 16, 'o': 8, 'O': 8, 'b': 2, 'B': 2}[s[1]]; ok {
			n, err := strconv.ParseUint(s[2:], base, 64)
			if err != nil {
				return math.NaN()
			}
			return float64(n)
		}
	}
	// ParseFloat knows more forms than JavaScript: names, underscores, hexadecimal.
	if strings.Trim(s, "0123456789+-.eE") != "" {
		return math.NaN()
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(f, 0) {
		return math.NaN()
	}
	return f
}

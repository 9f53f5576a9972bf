package config

import (
	"encoding"
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"drawbridge/internal/secret"
)

// decoder fills typed values from nodes. It never stops at a fault, so that the
// user sees all of them, and remembers where each value came from for Dump.
type decoder struct {
	faults  []*Fault
	notices []Notice
	entries []entry
}

// entry is one effective value as it may be shown.
type entry struct {
	path, shown string
	at          Place
}

func (d *decoder) failf(at Place, path, format string, args ...any) {
	d.faults = append(d.faults, &Fault{At: at, Path: path, Text: fmt.Sprintf(format, args...)})
}

func (d *decoder) notef(at Place, path, format string, args ...any) {
	d.notices = append(d.notices, Notice{At: at, Path: path, Text: fmt.Sprintf(format, args...)})
}

// fields calls f for each field of a struct type that a user may set.
func fields(t reflect.Type, f func(index int, key string, field reflect.StructField)) {
	for i := range t.NumField() {
		field := t.Field(i)
		if key := field.Tag.Get("json"); key != "" && key != "-" {
			f(i, key, field)
		}
	}
}

// structure fills the struct v from the mapping n and reports keys that v does
// not know; ignored ones are passed over in silence.
func (d *decoder) structure(v reflect.Value, n *node, path string, ignored ...string) {
	if n != nil && n.kind == nullKind {
		n = nil
	}
	if n != nil && n.kind != mapKind {
		d.failf(n.at, path, "this is %s, but it takes a mapping of settings", n.kind)
		return
	}
	var keys []string
	fields(v.Type(), func(i int, key string, field reflect.StructField) {
		keys = append(keys, key)
		child := n.get(key)
		if alias := field.Tag.Get("alias"); alias != "" {
			ignored = append(ignored, alias)
			if other := n.get(alias); child == nil && other != nil {
				child = other
			}
		}
		at := under(path, key)
		if field.Type.Kind() == reflect.Struct && !texty(field.Type) {
			d.structure(v.Field(i), child, at)
			return
		}
		if child == nil || child.kind == nullKind {
			def, ok := field.Tag.Lookup("default")
			if !ok {
				return
			}
			child = textNode(def, Place{Layer: LayerDefault})
		}
		d.value(v.Field(i), child, at, field.Tag.Get("enum"))
	})
	d.unknown(n, path, keys, ignored)
}

// unknown warns of keys nobody reads.
func (d *decoder) unknown(n *node, path string, keys, ignored []string) {
	if n == nil {
		return
	}
	for _, m := range n.members {
		if slices.Contains(keys, m.name) || slices.Contains(ignored, m.name) {
			continue
		}
		d.notef(m.at, under(path, m.name), "unknown setting%s; it is ignored", didYouMean(m.name, keys))
	}
}

func under(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

var (
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	secretType      = reflect.TypeFor[secret.String]()
	durationType    = reflect.TypeFor[time.Duration]()
	prefixType      = reflect.TypeFor[netip.Prefix]()
)

// texty types are read from one text although their kind says otherwise.
func texty(t reflect.Type) bool {
	return t == secretType || t == durationType || t == prefixType || reflect.PointerTo(t).Implements(textUnmarshaler)
}

// value fills v from n by the type of v.
func (d *decoder) value(v reflect.Value, n *node, path, enum string) {
	if n.fault != "" {
		d.failf(n.at, path, "%s", n.fault)
		return
	}
	switch {
	case texty(v.Type()) || v.Kind() < reflect.Array || v.Kind() == reflect.String:
		d.scalar(v, n, path, enum)
	case v.Kind() == reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		d.value(p.Elem(), n, path, enum)
		v.Set(p)
	case v.Kind() == reflect.Slice:
		d.list(v, n, path)
	case v.Kind() == reflect.Map:
		d.mapping(v, n, path)
	default:
		panic("config: no way to read a " + v.Type().String())
	}
}

func (d *decoder) list(v reflect.Value, n *node, path string) {
	items := n.items
	if n.kind == textKind && n.at.Layer != LayerFile {
		for part := range strings.FieldsFuncSeq(n.text, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' }) {
			items = append(items, textNode(part, n.at))
		}
	} else if n.kind != listKind {
		d.failf(n.at, path, "this is %s, but it takes a list; write [a, b]", n.kind)
		return
	}
	out := reflect.MakeSlice(v.Type(), 0, len(items))
	for i, item := range items {
		e := reflect.New(v.Type().Elem()).Elem()
		d.value(e, item, path+"["+strconv.Itoa(i)+"]", "")
		out = reflect.Append(out, e)
	}
	v.Set(out)
}

func (d *decoder) mapping(v reflect.Value, n *node, path string) {
	if n.kind != mapKind {
		d.failf(n.at, path, "this is %s, but it takes a mapping; write name: value lines", n.kind)
		return
	}
	out := reflect.MakeMapWithSize(v.Type(), len(n.members))
	for _, m := range n.members {
		if m.value.kind == nullKind {
			continue
		}
		e := reflect.New(v.Type().Elem()).Elem()
		d.value(e, m.value, under(path, m.name), "")
		out.SetMapIndex(reflect.ValueOf(m.name), e)
	}
	v.Set(out)
}

func (d *decoder) scalar(v reflect.Value, n *node, path, enum string) {
	if n.kind != textKind {
		d.failf(n.at, path, "this is %s, but it takes a single value", n.kind)
		return
	}
	if v.Type() == secretType {
		v.Set(reflect.ValueOf(secret.New(n.text)))
		d.entries = append(d.entries, entry{path, secret.Mask, n.at})
		return
	}
	d.entries = append(d.entries, entry{path, showable(n), n.at})
	if problem := setScalar(v, n.text); problem != "" {
		d.failf(n.at, path, "%q %s", showable(n), problem)
		return
	}
	if enum != "" && n.text != "" && !slices.Contains(strings.Split(enum, ","), n.text) {
		d.failf(n.at, path, "%q is not known%s; use one of %s", showable(n),
			didYouMean(n.text, strings.Split(enum, ",")), strings.ReplaceAll(enum, ",", ", "))
	}
}

// setScalar sets v from text, or says what is wrong with the text.
func setScalar(v reflect.Value, text string) string {
	switch {
	case v.Type() == durationType:
		dur, problem := duration(text)
		v.SetInt(int64(dur))
		return problem
	case v.Type() == prefixType:
		p, err := network(text)
		v.Set(reflect.ValueOf(p))
		if err != nil {
			return "is no address or network; write for example 10.0.0.0/8"
		}
		return ""
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if err := u.UnmarshalText([]byte(text)); err != nil {
			return err.Error()
		}
		return ""
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		b, ok := boolean(text)
		v.SetBool(b)
		if !ok {
			return "is neither true nor false"
		}
	case reflect.Int:
		i, err := strconv.Atoi(text)
		v.SetInt(int64(i))
		if err != nil {
			return "is not a whole number"
		}
	default:
		panic("config: no way to read a " + v.Type().String())
	}
	return ""
}

func boolean(text string) (value, ok bool) {
	switch strings.ToLower(text) {
	case "true", "yes", "on", "1":
		return true, true
	case "false", "no", "off", "0":
		return false, true
	}
	return false, false
}

// duration reads 90s, 1h30m, 30d, and bare numbers as seconds.
func duration(text string) (time.Duration, string) {
	const problem = "is not a length of time; write for example 90s, 15m, 24h or 30d"
	if n, err := strconv.ParseFloat(strings.TrimSuffix(text, "d"), 64); err == nil {
		unit := time.Second
		if strings.HasSuffix(text, "d") {
			unit = 24 * time.Hour
		}
		if f := n * float64(unit); f >= 0 && f < math.MaxInt64/2 {
			return time.Duration(f), ""
		}
		return 0, problem
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, problem
	}
	return d, ""
}

func network(text string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(a, a.BitLen()), nil
}

var sizeText = regexp.MustCompile(`^([0-9]{1,12}) ?(?i:([KMGT]?)i?B?)$`)

// UnmarshalText reads 8388608, 8MiB or 8 MB. Both kinds of unit count in 1024s.
func (b *Bytes) UnmarshalText(text []byte) error {
	m := sizeText.FindStringSubmatch(string(text))
	if m == nil {
		return fmt.Errorf("is not a size; write for example 8MiB")
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		return fmt.Errorf("is not a size; write for example 8MiB")
	}
	shift := 10 * (strings.Index("KMGT", strings.ToUpper(m[2])) + 1)
	if m[2] == "" {
		shift = 0
	}
	if n > math.MaxInt64>>shift {
		return fmt.Errorf("is more than any machine has; write for example 8MiB")
	}
	*b = Bytes(n << shift)
	return nil
}

// showable is the text of a value that is not secret by its type: what the file
// says before ${...} was replaced, since that may have brought a secret in, and
// never the password or the query of a URL.
func showable(n *node) string {
	text := n.text
	if n.written != "" {
		text = n.written
	}
	if !strings.Contains(text, "://") {
		return text
	}
	u, err := url.Parse(text)
	if err != nil {
		return text[:strings.Index(text, "://")] + "://" + secret.Mask
	}
	if u.User != nil {
		u.User = url.User("redacted")
	}
	if u.RawQuery != "" {
		u.RawQuery = "redacted"
	}
	return u.String()
}

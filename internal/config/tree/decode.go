package tree

import (
	"cmp"
	"encoding"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"drawbridge/internal/secret"
)

// Decoder fills typed values from nodes. It never stops at a fault, so that the
// user sees all of them, and remembers where each value came from for Dump.
type Decoder struct {
	Faults  []*Fault
	Notices []Notice
	Entries []Entry
}

// Entry is one effective value as it may be shown.
type Entry struct {
	Path, Shown string
	At          Place
}

// Failf reports a fault.
func (d *Decoder) Failf(at Place, path, format string, args ...any) {
	d.Faults = append(d.Faults, &Fault{At: at, Path: path, Text: fmt.Sprintf(format, args...)})
}

// Said are the notices in the order of their places.
func (d *Decoder) Said() []Notice {
	slices.SortStableFunc(d.Notices, func(a, b Notice) int {
		return cmp.Or(a.At.compare(b.At), cmp.Compare(a.Path, b.Path))
	})
	return d.Notices
}

// Notef reports a notice.
func (d *Decoder) Notef(at Place, path, format string, args ...any) {
	d.Notices = append(d.Notices, Notice{At: at, Path: path, Text: fmt.Sprintf(format, args...)})
}

// Fields calls f for each field of a struct type that a user may set.
func Fields(t reflect.Type, f func(index int, key string, field reflect.StructField)) {
	for i := range t.NumField() {
		field := t.Field(i)
		if key := field.Tag.Get("json"); key != "" && key != "-" {
			f(i, key, field)
		}
	}
}

// Struct fills the struct v from the mapping n and reports keys that v does
// not know; ignored ones are passed over in silence.
func (d *Decoder) Struct(v reflect.Value, n *Node, path string, ignored ...string) {
	if n != nil && n.Kind == Null {
		n = nil
	}
	if n != nil && n.Kind != Map {
		d.Failf(n.At, path, "this is %s, but it takes a mapping of settings", n.Kind)
		return
	}
	var keys []string
	Fields(v.Type(), func(i int, key string, field reflect.StructField) {
		keys = append(keys, key)
		child := n.Get(key)
		if alias := field.Tag.Get("alias"); alias != "" {
			ignored = append(ignored, alias)
			if other := n.Get(alias); child == nil && other != nil {
				child = other
			}
		}
		at := Under(path, key)
		if field.Type.Kind() == reflect.Struct && !texty(field.Type) {
			d.Struct(v.Field(i), child, at)
			return
		}
		if child == nil || child.Kind == Null {
			def, ok := field.Tag.Lookup("default")
			if !ok {
				return
			}
			child = NewText(def, Place{Layer: LayerDefault})
		}
		d.Value(v.Field(i), child, at, field.Tag.Get("enum"))
	})
	d.unknown(n, path, keys, ignored)
}

// unknown warns of keys nobody reads.
func (d *Decoder) unknown(n *Node, path string, keys, ignored []string) {
	if n == nil {
		return
	}
	for _, m := range n.Members {
		if slices.Contains(keys, m.Name) || slices.Contains(ignored, m.Name) {
			continue
		}
		d.Notef(m.At, Under(path, m.Name), "unknown setting%s; it is ignored", DidYouMean(m.Name, keys))
	}
}

// Under is the path of key below path.
func Under(path, key string) string {
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

// Value fills v from n by the type of v.
func (d *Decoder) Value(v reflect.Value, n *Node, path, enum string) {
	if n.Fault != "" {
		d.Failf(n.At, path, "%s", n.Fault)
		return
	}
	switch {
	case texty(v.Type()) || v.Kind() < reflect.Array || v.Kind() == reflect.String:
		d.scalar(v, n, path, enum)
	case v.Kind() == reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		d.Value(p.Elem(), n, path, enum)
		v.Set(p)
	case v.Kind() == reflect.Slice:
		d.list(v, n, path)
	case v.Kind() == reflect.Map:
		d.mapping(v, n, path)
	default:
		panic("config: no way to read a " + v.Type().String())
	}
}

func (d *Decoder) list(v reflect.Value, n *Node, path string) {
	items := n.Items
	if n.Kind == Scalar && n.At.Layer != LayerFile {
		for part := range strings.FieldsFuncSeq(n.Text, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' }) {
			items = append(items, NewText(part, n.At))
		}
	} else if n.Kind != List {
		d.Failf(n.At, path, "this is %s, but it takes a list; write [a, b]", n.Kind)
		return
	}
	out := reflect.MakeSlice(v.Type(), 0, len(items))
	for i, item := range items {
		e := reflect.New(v.Type().Elem()).Elem()
		d.Value(e, item, path+"["+strconv.Itoa(i)+"]", "")
		out = reflect.Append(out, e)
	}
	v.Set(out)
}

func (d *Decoder) mapping(v reflect.Value, n *Node, path string) {
	if n.Kind != Map {
		d.Failf(n.At, path, "this is %s, but it takes a mapping; write name: value lines", n.Kind)
		return
	}
	out := reflect.MakeMapWithSize(v.Type(), len(n.Members))
	for _, m := range n.Members {
		if m.Value.Kind == Null {
			continue
		}
		e := reflect.New(v.Type().Elem()).Elem()
		d.Value(e, m.Value, Under(path, m.Name), "")
		out.SetMapIndex(reflect.ValueOf(m.Name), e)
	}
	v.Set(out)
}

func (d *Decoder) scalar(v reflect.Value, n *Node, path, enum string) {
	if n.Kind != Scalar {
		d.Failf(n.At, path, "this is %s, but it takes a single value", n.Kind)
		return
	}
	if v.Type() == secretType {
		v.Set(reflect.ValueOf(secret.New(n.Text)))
		d.Entries = append(d.Entries, Entry{path, secret.Mask, n.At})
		return
	}
	d.Entries = append(d.Entries, Entry{path, Showable(n), n.At})
	if problem := setScalar(v, n.Text); problem != "" {
		d.Failf(n.At, path, "%q %s", Showable(n), problem)
		return
	}
	if enum != "" && n.Text != "" && !slices.Contains(strings.Split(enum, ","), n.Text) {
		d.Failf(n.At, path, "%q is not known%s; use one of %s", Showable(n),
			DidYouMean(n.Text, strings.Split(enum, ",")), strings.ReplaceAll(enum, ",", ", "))
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
	if u, ok := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr()); ok {
		if err := u.UnmarshalText([]byte(text)); err != nil {
			return err.Error()
		}
		return ""
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		b, ok := Boolean(text)
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

// Boolean reads true and false in the words people use.
func Boolean(text string) (value, ok bool) {
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

// Showable is the text of a value that is not secret by its type: what the file
// says before ${...} was replaced, since that may have brought a secret in, and
// never the password or the query of a URL.
func Showable(n *Node) string {
	text := n.Text
	if n.Written != "" {
		text = n.Written
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

// Err joins the faults in the order of their places.
func (d *Decoder) Err() error {
	if len(d.Faults) == 0 {
		return nil
	}
	slices.SortStableFunc(d.Faults, func(a, b *Fault) int {
		return cmp.Or(a.At.compare(b.At), cmp.Compare(a.Path, b.Path))
	})
	errs := make([]error, len(d.Faults))
	for i, f := range d.Faults {
		errs[i] = f
	}
	return errors.Join(errs...)
}

package query

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"drawbridge/internal/servers/erpnext/fake/exc"
	"drawbridge/internal/servers/erpnext/fake/meta"
	"drawbridge/internal/servers/erpnext/fake/site"
)

// condition is one filter.
type condition struct {
	at   ref
	op   string
	want any
	tree *meta.DocType // of "descendants of" and the like
}

// operators are those of get_filter in frappe/utils/data.py.
func operators() []string {
	return []string{"=", "!=", ">", "<", ">=", "<=", "like", "not like", "in", "not in", "is", "between", "timespan",
		"previous", "next", "descendants of", "ancestors of", "not descendants of", "not ancestors of", "descendants of (inclusive)"}
}

// conditions reads filters in each of their forms: {f: v}, {f: [op, v]}, [[f, op, v]],
// [[doctype, f, op, v]], [{...}].
func (r *run) conditions(ss *site.Session, filters any) ([]condition, error) {
	switch f := filters.(type) {
	case nil:
		return nil, nil
	case string:
		if f == "" {
			return nil, nil
		}
		return r.conditions(ss, site.Obj{"name": f})
	case site.Obj:
		var all []condition
		names := []string{}
		for name := range f {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			op, want := "=", f[name]
			if pair, is := want.([]any); is && len(pair) == 2 {
				op, want = fmt.Sprint(pair[0]), pair[1]
			}
			c, err := r.condition(ss, "", name, op, want)
			if err != nil {
				return nil, err
			}
			all = append(all, c)
		}
		return all, nil
	case []any:
		return r.listed(ss, f)
	}
	return nil, exc.Raise(exc.Type, "'%T' object is not iterable", filters)
}

func (r *run) listed(ss *site.Session, f []any) ([]condition, error) {
	var all []condition
	for _, item := range f {
		switch item := item.(type) {
		case site.Obj:
			more, err := r.conditions(ss, item)
			if err != nil {
				return nil, err
			}
			all = append(all, more...)
		case []any:
			doctype, rest := "", item
			if len(item) >= 4 {
				doctype, rest = fmt.Sprint(item[0]), item[1:4]
			}
			if len(rest) != 3 {
				return nil, exc.Throw(exc.Validation, "", "Filter must have 4 values (doctype, fieldname, operator, value): %v", item)
			}
			c, err := r.condition(ss, doctype, fmt.Sprint(rest[0]), fmt.Sprint(rest[1]), rest[2])
			if err != nil {
				return nil, err
			}
			all = append(all, c)
		default:
			return nil, exc.Throw(exc.Validation, "", "Filter must be a tuple or list (in a list)")
		}
	}
	return all, nil
}

func (r *run) condition(ss *site.Session, doctype, name, op string, want any) (condition, error) {
	c := condition{op: strings.ToLower(strings.TrimSpace(op)), want: want}
	if c.op == "" {
		c.op = "="
	}
	if !slices.Contains(operators(), c.op) {
		return c, exc.Throw(exc.Validation, "", "Operator must be one of %s", strings.Join(operators(), ", "))
	}
	if doctype != "" && doctype != r.d.Name {
		if r.s.Reg.Get(doctype) == nil {
			return c, exc.Missing("DocType", doctype)
		}
		name = "tab" + doctype + "." + name
	}
	at, d, ok := r.locate(name)
	if !ok {
		return c, r.stranger(ss, strings.TrimPrefix(name, "tab"), "where clause")
	}
	f := d.Field(at.column)
	if f != nil && !r.args.Free && !r.s.Readable(ss.User, d, f, "read") && r.s.Version >= 16 {
		return c, closed(d.Name, f.Name)
	}
	c.at = at
	if strings.Contains(c.op, "cendants") || strings.Contains(c.op, "ancestors") {
		c.tree = d
		if f != nil && f.Type == "Link" {
			c.tree = r.s.Reg.Get(f.Options)
		}
		if c.tree.TreeOf == "" {
			return c, unknownColumn("lft", "field list")
		}
	}
	return c, nil
}

func (c condition) holds(r *run, rec record) bool {
	have := r.value(c.at, rec)
	switch c.op {
	case "=":
		return compare(have, c.want) == 0
	case "!=":
		return compare(have, c.want) != 0
	case ">":
		return have != nil && compare(have, c.want) > 0
	case "<":
		return compare(have, c.want) < 0
	case ">=":
		return have != nil && compare(have, c.want) >= 0
	case "<=":
		return compare(have, c.want) <= 0
	case "like":
		return like(words(have), words(c.want))
	case "not like":
		return !like(words(have), words(c.want))
	case "in":
		return among(have, c.want)
	case "not in":
		return !among(have, c.want)
	case "is":
		return (words(have) == "") == (words(c.want) == "not set")
	case "between":
		pair, _ := c.want.([]any)
		return len(pair) == 2 && have != nil && compare(day(have), pair[0]) >= 0 && compare(day(have), pair[1]) <= 0
	case "timespan", "previous", "next":
		from, to := span(r.s.Now(), words(c.want))
		return have != nil && words(day(have)) >= from && words(day(have)) <= to
	}
	return c.inTree(r, words(have)) != strings.HasPrefix(c.op, "not ")
}

// inTree follows parents: of the value for descendants, of what was asked for ancestors.
func (c condition) inTree(r *run, have string) bool {
	from, to := have, words(c.want)
	if strings.Contains(c.op, "ancestors") {
		from, to = to, from
	}
	if from == to {
		return strings.Contains(c.op, "inclusive")
	}
	for range 100 {
		doc := r.s.Get(c.tree.Name, from)
		if doc == nil {
			return false
		}
		if from = site.Text(doc, c.tree.TreeOf); from == to {
			return true
		}
	}
	return false
}

func words(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// day cuts a time of day off what is compared with dates.
func day(v any) any {
	if text, is := v.(string); is && len(text) > 10 && text[4] == '-' && text[7] == '-' {
		return text[:10]
	}
	return v
}

// compare is MariaDB's with a collation that ignores case, and null as nothing.
func compare(a, b any) int {
	if number(a) || number(b) {
		x, y := site.ToFloat(a), site.ToFloat(b)
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	}
	return strings.Compare(strings.ToLower(words(a)), strings.ToLower(words(b)))
}

func number(v any) bool {
	switch v.(type) {
	case int, float64, meta.Float, bool:
		return true
	}
	return false
}

func among(have, want any) bool {
	list, is := want.([]any)
	if !is {
		for part := range strings.SplitSeq(words(want), ",") {
			list = append(list, strings.TrimSpace(part))
		}
	}
	return slices.ContainsFunc(list, func(w any) bool { return compare(have, w) == 0 })
}

// like knows % and _.
func like(text, pattern string) bool {
	t, p := []rune(strings.ToLower(text)), []rune(strings.ToLower(pattern))
	var match func(i, j int) bool
	match = func(i, j int) bool {
		for ; j < len(p); j++ {
			if p[j] == '%' {
				for k := i; k <= len(t); k++ {
					if match(k, j+1) {
						return true
					}
				}
				return false
			}
			if i >= len(t) || p[j] != '_' && p[j] != t[i] {
				return false
			}
			i++
		}
		return i == len(t)
	}
	return match(0, 0)
}

// span is get_timespan_date_range for the ones people use.
func span(now time.Time, name string) (from, to string) {
	const layout = "2006-01-02"
	y, m, d := now.Date()
	start := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }
	a, b := start(y, m, d), start(y, m, d)
	switch strings.ToLower(name) {
	case "yesterday":
		a, b = a.AddDate(0, 0, -1), b.AddDate(0, 0, -1)
	case "tomorrow":
		a, b = a.AddDate(0, 0, 1), b.AddDate(0, 0, 1)
	case "last 7 days":
		a = a.AddDate(0, 0, -7)
	case "last 30 days":
		a = a.AddDate(0, 0, -30)
	case "this month":
		a, b = start(y, m, 1), start(y, m+1, 0)
	case "last month":
		a, b = start(y, m-1, 1), start(y, m, 0)
	case "this year":
		a, b = start(y, 1, 1), start(y, 12, 31)
	case "last year":
		a, b = start(y-1, 1, 1), start(y-1, 12, 31)
	case "today":
	default:
		return "9", "0" // nothing is in it
	}
	return a.Format(layout), b.Format(layout)
}

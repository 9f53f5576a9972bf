package query

import (
	"regexp"
	"slices"
	"strings"

	"drawbridge/internal/servers/erpnext/fake/exc"
	"drawbridge/internal/servers/erpnext/fake/meta"
	"drawbridge/internal/servers/erpnext/fake/site"
)

// pick is one column of the answer.
type pick struct {
	at    ref
	all   bool   // COUNT(*)
	fn    string // of a group, "" for none
	alias string
}

// picks reads fields. What somebody may not read, or what is not there, is left out
// without a word (apply_fieldlevel_read_permissions of db_query.py).
func (r *run) picks(ss *site.Session) ([]pick, error) {
	if text, is := r.args.Fields.(string); is && text != "" {
		r.args.Fields = []any{text}
	}
	fields, is := r.args.Fields.([]any)
	if r.args.Fields != nil && r.args.Fields != "" && !is {
		return nil, exc.Raise(exc.Type, "'fields' must be a list")
	}
	if len(fields) == 0 {
		fields = []any{"name"}
	}
	var picks []pick
	for _, f := range fields {
		switch f := f.(type) {
		case string:
			more, err := r.text(ss, f)
			if err != nil {
				return nil, err
			}
			picks = append(picks, more...)
		case site.Obj:
			p, err := r.dict(f)
			if err != nil {
				return nil, err
			}
			picks = append(picks, p)
		default:
			return nil, exc.Raise(exc.Attribute, "'int' object has no attribute 'lower'")
		}
	}
	if picks == nil {
		return nil, exc.Raise(exc.Programming, `(1064, "You have an error in your SQL syntax near 'from `+"`tab%s`"+`'")`, r.d.Name)
	}
	return picks, nil
}

func (r *run) text(ss *site.Session, text string) ([]pick, error) {
	if strings.TrimSpace(text) == "*" {
		return r.star(ss), nil
	}
	name := bare(text)
	if strings.Contains(name, "(") {
		p, err := r.function(text, name)
		return []pick{p}, err
	}
	if strings.ContainsAny(name, ";,'") {
		return nil, exc.Throw(exc.Data, "", "Illegal SQL Query")
	}
	at, d, ok := r.locate(name)
	if !ok {
		return nil, nil
	}
	if f := d.Field(at.column); f != nil && !r.s.Readable(ss.User, d, f, "read") {
		return nil, nil
	}
	alias := at.column
	if len(name) < len(text) {
		alias = strings.Trim(text[len(name)+4:], " `'\"")
	}
	return []pick{{at: at, alias: alias}}, nil
}

func (r *run) star(ss *site.Session) []pick {
	var picks []pick
	names := meta.Standard()
	if r.d.Table {
		names = append(names, meta.Child()...)
	}
	for _, f := range r.d.Columns() {
		if r.s.Readable(ss.User, r.d, f, "read") {
			names = append(names, f.Name)
		}
	}
	for _, n := range names {
		picks = append(picks, pick{at: ref{column: n}, alias: n})
	}
	return picks
}

// function reads sum(x) as y, which up to version 15 is the way and after it is not.
func (r *run) function(text, name string) (pick, error) {
	if r.s.Version >= 16 {
		return pick{}, exc.Throw(exc.Validation, "", "SQL functions are not allowed as strings in SELECT: %s. Use dict syntax like {'COUNT': '*'} instead.", text)
	}
	m := regexp.MustCompile(`(?i)^\s*(count|sum|avg|min|max)\(\s*(?:distinct\s+)?(.+?)\s*\)\s*$`).FindStringSubmatch(name)
	if m == nil {
		return pick{}, exc.Throw(exc.Data, "", "Use of sub-query or function is restricted")
	}
	p := pick{fn: strings.ToUpper(m[1]), alias: strings.TrimSpace(name)}
	if len(name) < len(text) {
		p.alias = strings.Trim(text[len(name)+4:], " `'\"")
	}
	return r.over(p, m[2])
}

// dict reads {"SUM": "x", "as": "y"}, the other way round.
func (r *run) dict(o site.Obj) (pick, error) {
	if r.s.Version < 16 {
		return pick{}, exc.Raise(exc.Type, "unhashable type: 'dict'")
	}
	p := pick{}
	p.alias, _ = o["as"].(string)
	for fn, column := range o {
		if fn == "as" {
			continue
		}
		if !slices.Contains([]string{"COUNT", "SUM", "AVG", "MIN", "MAX"}, fn) {
			return p, exc.Throw(exc.Validation, "", "Unsupported function or invalid field name: %s", fn)
		}
		name, _ := column.(string)
		p.fn = fn
		if p.alias == "" {
			p.alias = fn + "(" + name + ")"
		}
		return r.over(p, name)
	}
	return p, exc.Throw(exc.Validation, "", "Invalid field format in SELECT")
}

func (r *run) over(p pick, column string) (pick, error) {
	if p.all = column == "*"; p.all {
		return p, nil
	}
	at, _, ok := r.locate(column)
	if !ok {
		return p, unknownColumn(column, "field list")
	}
	p.at = at
	return p, nil
}

// group puts records together that a query groups; without one each is its own.
func (r *run) group(ss *site.Session, found []record, picks []pick) ([][]record, error) {
	var groups [][]record
	grouped := slices.ContainsFunc(picks, func(p pick) bool { return p.fn != "" })
	if r.args.GroupBy == "" {
		if grouped {
			return [][]record{found}, nil
		}
		for _, rec := range found {
			groups = append(groups, []record{rec})
		}
		return groups, nil
	}
	var by []ref
	for name := range strings.SplitSeq(r.args.GroupBy, ",") {
		at, _, ok := r.locate(name)
		if !ok {
			return nil, r.stranger(ss, name, "group statement")
		}
		by = append(by, at)
	}
	index := map[string]int{}
	for _, rec := range found {
		key := ""
		for _, at := range by {
			key += plain(r.value(at, rec)) + "\x00"
		}
		i, known := index[key]
		if !known {
			i = len(groups)
			index[key] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], rec)
	}
	return groups, nil
}

func (r *run) show(picks []pick, group []record) any {
	o, list := site.Obj{}, []any{}
	for _, p := range picks {
		v := r.shown(p, group)
		o[p.alias] = v
		list = append(list, v)
	}
	if r.args.AsList {
		return list
	}
	return o
}

func (r *run) shown(p pick, group []record) any {
	if p.fn == "" {
		if len(group) == 0 {
			return nil
		}
		return r.value(p.at, group[0])
	}
	if p.fn == "COUNT" {
		n := 0
		for _, rec := range group {
			if p.all || r.value(p.at, rec) != nil {
				n++
			}
		}
		return n
	}
	if len(group) == 0 {
		return nil
	}
	sum, low, high := 0.0, any(nil), any(nil)
	for i, rec := range group {
		v := r.value(p.at, rec)
		sum += site.ToFloat(v)
		if i == 0 || compare(v, low) < 0 {
			low = v
		}
		if i == 0 || compare(v, high) > 0 {
			high = v
		}
	}
	switch p.fn {
	case "SUM":
		return decimal(sum)
	case "AVG":
		return decimal(sum / float64(len(group)))
	case "MIN":
		return low
	}
	return high
}

// sort orders records by order_by; without one the last changed comes first, as the
// doctypes here have it.
func (r *run) sort(ss *site.Session, found []record, picks []pick) ([]record, error) {
	order := r.args.OrderBy
	if order == "" || strings.Contains(order, "KEEP_DEFAULT_ORDERING") {
		order = "modified desc"
	}
	type key struct {
		at   ref
		desc bool
	}
	var keys []key
	for part := range strings.SplitSeq(order, ",") {
		words := strings.Fields(strings.TrimSpace(part))
		if len(words) == 0 {
			continue
		}
		desc := len(words) > 1 && strings.EqualFold(words[len(words)-1], "desc")
		if len(words) > 1 && (desc || strings.EqualFold(words[len(words)-1], "asc")) {
			words = words[:len(words)-1]
		}
		name := strings.Join(words, " ")
		if slices.ContainsFunc(picks, func(p pick) bool { return p.fn != "" && p.alias == strings.Trim(name, "`") }) {
			continue // by a result: groups stay in the order they were met in
		}
		at, _, ok := r.locate(name)
		if !ok {
			return nil, r.stranger(ss, name, "order clause")
		}
		keys = append(keys, key{at, desc})
	}
	slices.SortStableFunc(found, func(a, b record) int {
		for _, k := range keys {
			c := compare(r.value(k.at, a), r.value(k.at, b))
			if k.desc {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return 0
	})
	return found, nil
}

// stranger is a column that is not there, outside of fields.
func (r *run) stranger(ss *site.Session, name, where string) error {
	if r.s.Version >= 16 && !r.args.Free {
		return closed(r.d.Name, strings.Trim(name, "` "))
	}
	return unknownColumn(strings.Trim(name, "` "), where)
}

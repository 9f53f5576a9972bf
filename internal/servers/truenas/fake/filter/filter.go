// Package filter is the engine behind every query method: filters and options over rows
// (ref 2.2 "Query methods"; truenas/middleware utils/filter_list.py, filter_ops.py,
// api/base/validators). Only the fake uses it.
package filter

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"drawbridge/internal/servers/truenas/fake/fail"
	"drawbridge/internal/servers/truenas/fake/model"
)

// Row is one entry. Its values are as decoded from JSON, but numbers may be of any Go type.
type Row = map[string]any

// Args are the parameters of a query method.
var Args = []model.Arg{model.May("filters", filters{}, []any{}), model.May("options", Options, nil)}

// Options are the second one.
var Options = model.Object{Name: "QueryOptions", Fields: []model.Arg{
	model.May("extra", model.Map, map[string]any{}),
	model.May("order_by", model.List{Of: model.Text}, []any{}),
	model.May("select", model.List{Of: model.Either{model.Text, model.List{Of: model.Any}}}, []any{}),
	model.May("count", model.Bool, false), model.May("get", model.Bool, false),
	model.May("offset", model.Int, int64(0)), model.May("limit", limit{}, int64(0)),
	model.May("force_sql_filters", model.Bool, false),
}}

// maxLimit is the most that may be asked for at once.
const maxLimit = 10000

type limit struct{}

func (limit) Check(at string, v any, p *fail.Problems) any {
	before := len(*p)
	model.Int.Check(at, v, p)
	if n, _ := v.(int64); len(*p) == before && n > maxLimit {
		p.Add(strings.TrimSuffix(at, ".limit"), fmt.Sprintf("Value error, Options limit must be between 1 and %d", maxLimit), 0)
	}
	return v
}

type filters struct{}

func (filters) Check(at string, v any, p *fail.Problems) any {
	rows, ok := v.([]any)
	if !ok {
		p.Add(at, "Input should be a valid list", 0)
		return v
	}
	if err := valid(rows, 0); err != nil {
		p.Add(at, "Value error, "+err.Error(), 0)
	}
	return v
}

var operators = []string{"=", "!=", ">", ">=", "<", "<=", "~", "in", "nin", "rin", "rnin", "^", "!^", "$", "!$"}

// refusal is what is wrong with filters, in the words of the real one.
type refusal string

func (r refusal) Error() string { return string(r) }

func wrong(format string, args ...any) error { return refusal(fmt.Sprintf(format, args...)) }

// valid checks the form of filters, three ORs deep at most.
func valid(rows []any, depth int) error {
	if depth > 3 {
		return wrong("query-filters max recursion depth exceeded")
	}
	for _, row := range rows {
		f, ok := row.([]any)
		if !ok || len(f) != 2 && len(f) != 3 {
			return wrong("Invalid filter %v", row)
		}
		var err error
		if len(f) == 2 {
			err = validOr(f, depth)
		} else {
			err = validOne(f)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func validOr(f []any, depth int) error {
	branches, ok := f[1].([]any)
	if f[0] != "OR" || !ok {
		return wrong("Invalid operation: %v", f[0])
	}
	if len(branches) == 0 {
		return wrong("OR filter requires at least one branch.")
	}
	for _, b := range branches {
		if err := valid(conjunction(b), depth+1); err != nil {
			return err
		}
	}
	return nil
}

// conjunction is the conditions of one branch of an OR: a condition, or a list of them.
func conjunction(branch any) []any {
	list, _ := branch.([]any)
	if len(list) > 0 {
		if _, many := list[0].([]any); many {
			return list
		}
	}
	return []any{branch}
}

func validOne(f []any) error {
	name, isText := f[0].(string)
	op, _ := f[1].(string)
	bare, folded := strings.CutPrefix(op, "C")
	if folded && bare == "~" {
		return wrong("Invalid case-insensitive operation: %s", op)
	}
	if !isText || !slices.Contains(operators, bare) {
		return wrong("Invalid operation: %v", f[1])
	}
	if strings.HasSuffix(name, ".$date") {
		if _, err := moment(f[2]); err != nil || !slices.Contains(operators[:6], bare) {
			return wrong("%v: must be an ISO-8601 formatted timestamp string", f[2])
		}
	}
	return nil
}

func moment(v any) (time.Time, error) {
	s, ok := v.(string)
	if !ok {
		return time.Time{}, wrong("no text")
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", time.DateOnly} {
		if at, err := time.Parse(layout, s); err == nil {
			return at, nil
		}
	}
	return time.Time{}, wrong("no time")
}

// Query filters, selects, orders and cuts rows. args are checked against Args.
func Query(rows []Row, args []any) (any, error) {
	conditions, options := args[0].([]any), args[1].(map[string]any)
	found := make([]Row, 0, len(rows))
	for _, row := range rows {
		ok, err := all(row, conditions)
		if err != nil {
			return nil, err
		}
		if ok {
			found = append(found, row)
		}
	}
	if options["count"] == true {
		return len(found), nil
	}
	// In this order, as the real one: a field to order by must be among those selected.
	found = selected(found, options["select"].([]any))
	if err := order(found, options["order_by"].([]any)); err != nil {
		return nil, err
	}
	if options["get"] == true {
		if len(found) == 0 {
			return nil, fail.NoMatch()
		}
		return found[0], nil
	}
	found = found[min(len(found), max(0, int(options["offset"].(int64)))):]
	if n := int(options["limit"].(int64)); n > 0 {
		found = found[:min(n, len(found))]
	}
	return found, nil
}

func all(row Row, conditions []any) (bool, error) {
	for _, c := range conditions {
		ok, err := holds(row, c.([]any))
		if !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

func holds(row Row, f []any) (bool, error) {
	if len(f) == 2 {
		for _, b := range f[1].([]any) {
			if ok, err := all(row, conjunction(b)); ok || err != nil {
				return ok, err
			}
		}
		return false, nil
	}
	return compare(row, f[0].(string), f[1].(string), f[2])
}

func get(row any, path string) any {
	for path != "" {
		var key string
		key, path = split(path)
		switch cur := row.(type) {
		case map[string]any:
			row = cur[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i >= len(cur) {
				return nil
			}
			row = cur[i]
		}
	}
	return row
}

// order sorts by each field in turn, the last one deciding first, as the real one does.
func order(rows []Row, by []any) error {
	for _, o := range by {
		field := o.(string)
		asked := field
		field, first := strings.CutPrefix(field, "nulls_first:")
		field, last := strings.CutPrefix(field, "nulls_last:")
		field, reverse := strings.CutPrefix(field, "-")
		var err error
		slices.SortStableFunc(rows, func(a, b Row) int {
			x, y := get(a, field), get(b, field)
			if x == nil || y == nil {
				if !first && !last {
					err = fail.Crash("ValueError", fmt.Sprintf("Cannot sort by %q because the field contains null values. Please use \"nulls_first:%s\" or \"nulls_last:%s\" to specify null placement.", asked, asked, asked))
				}
				switch {
				case x == nil && y == nil:
					return 0
				case (x == nil) == first:
					return -1
				}
				return 1
			}
			c, _ := rank(x, y)
			if reverse {
				c = -c
			}
			return c
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// selected keeps the asked fields; [path, name] renames one.
func selected(rows []Row, fields []any) []Row {
	if len(fields) == 0 {
		return rows
	}
	out := make([]Row, len(rows))
	for i, row := range rows {
		out[i] = Row{}
		for _, f := range fields {
			path, name := "", ""
			if pair, is := f.([]any); is && len(pair) == 2 {
				path, _ = pair[0].(string)
				name, _ = pair[1].(string)
			} else {
				path, _ = f.(string)
			}
			pick(row, out[i], path, name)
		}
	}
	return out
}

func pick(row, into Row, path, name string) {
	var cur any = row
	for rest := path; rest != ""; {
		var key string
		key, rest = split(rest)
		m, is := cur.(map[string]any)
		if !is {
			return
		}
		v, there := m[key]
		if !there {
			return
		}
		if name == "" && rest != "" {
			next, ok := into[key].(map[string]any)
			if !ok {
				next = Row{}
				into[key] = next
			}
			into = next
		} else if name == "" {
			into[key] = v
		}
		cur = v
	}
	if name != "" {
		into[name] = cur
	}
}

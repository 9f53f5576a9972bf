package filter_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/servers/truenas/fake/filter"
	"drawbridge/internal/servers/truenas/fake/model"
	"drawbridge/internal/servers/truenas/fake/wire"
)

var rows = []filter.Row{
	{"id": 1, "name": "sda", "type": "HDD", "size": int64(8), "pool": "tank", "gone": nil, "tags": []any{"a", "b"}, "at": map[string]any{"$date": int64(1700000000000)}, "a.b": 1},
	{"id": 2, "name": "SDB", "type": "HDD", "size": int64(4), "pool": nil, "gone": nil, "parts": []any{map[string]any{"n": 1}, map[string]any{"n": 7}}, "at": map[string]any{"$date": int64(1800000000000)}},
	{"id": 3, "name": "nvme0", "type": "SSD", "size": int64(1), "pool": "fast", "gone": nil, "deep": map[string]any{"er": map[string]any{"x": true}}},
}

// run queries with filters and options as JSON.
func run(t *testing.T, filters, options string) (any, error) {
	t.Helper()
	var params []any
	for _, text := range []string{filters, options} {
		v, err := wire.Decode([]byte(text))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		params = append(params, v)
	}
	args, err := model.Accept(filter.Args, params)
	if err != nil {
		return nil, err
	}
	return filter.Query(rows, args)
}

// TestOperators follows the table in truenas/middleware src/middlewared_docs/docs/query_methods.rst.
func TestOperators(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ filters, ids string }{
		{`[]`, "1 2 3"},
		{`[["type","=","HDD"]]`, "1 2"}, {`[["type","!=","HDD"]]`, "3"}, {`[["size",">",1]]`, "1 2"}, {`[["size",">=",4]]`, "1 2"}, {`[["size","<",4]]`, "3"}, {`[["size","<=",4]]`, "2 3"},
		{`[["name","~","sd"]]`, "1"}, {`[["name","~","da"]]`, ""}, {`[["pool","~",""]]`, "1 2 3"},
		{`[["name","in",["sda","nvme0"]]]`, "1 3"}, {`[["name","nin",["sda"]]]`, "2 3"}, {`[["pool","nin",["tank"]]]`, "3"},
		{`[["tags","rin","a"]]`, "1"}, {`[["name","rnin","d"]]`, "2 3"}, {`[["name","^","sd"]]`, "1"}, {`[["name","!^","sd"]]`, "2 3"}, {`[["name","$","0"]]`, "3"}, {`[["name","!$","0"]]`, "1 2"}, {`[["pool","^","t"]]`, "1"},
		{`[["name","C=","SDA"]]`, "1"}, {`[["name","C^","sd"]]`, "1 2"}, {`[["name","Cin",["sdb"]]]`, "2"},
		{`[["OR",[["id","=",1],["id","=",3]]]]`, "1 3"}, {`[["OR",[[["type","=","HDD"],["size","<",5]],["id","=",3]]]]`, "2 3"}, {`[["OR",[["id","=",1],["id","=",2]]],["size","=",8]]`, "1"},
		{`[["deep.er.x","=",true]]`, "3"}, {`[["parts.*.n","=",7]]`, "2"}, {`[["parts.0.n","=",7]]`, ""}, {`[["tags.1","=","b"]]`, "1"}, {`[["a\\.b","=",1]]`, "1"},
		{`[["nothing","!=",5]]`, ""}, {`[["pool","=",null]]`, "2"}, {`[["at.$date",">","2024-01-01T00:00:00+00:00"]]`, "2"}, {`[["size","=",8.0]]`, "1"},
	} {
		got, err := run(t, c.filters, `{}`)
		if err != nil {
			t.Errorf("%s: %v", c.filters, err)
			continue
		}
		var ids []string
		for _, r := range got.([]filter.Row) {
			ids = append(ids, fmt.Sprint(r["id"]))
		}
		if s := strings.Join(ids, " "); s != c.ids {
			t.Errorf("%s: %q, want %q", c.filters, s, c.ids)
		}
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ options, want string }{
		{`{"count":true}`, `3`},
		{`{"select":["name","deep.er.x"],"offset":2}`, `[{"deep":{"er":{"x":true}},"name":"nvme0"}]`},
		{`{"select":[["deep.er.x","x"],"id"],"offset":2}`, `[{"id":3,"x":true}]`},
		{`{"select":["id","size"],"order_by":["size"],"limit":1}`, `[{"id":3,"size":1}]`},
		{`{"select":["id","size"],"order_by":["-size"],"limit":1}`, `[{"id":1,"size":8}]`},
		{`{"select":["id","pool"],"order_by":["nulls_last:pool"]}`, `[{"id":3,"pool":"fast"},{"id":1,"pool":"tank"},{"id":2,"pool":null}]`},
		{`{"select":["id","pool"],"order_by":["nulls_first:-pool"]}`, `[{"id":2,"pool":null},{"id":1,"pool":"tank"},{"id":3,"pool":"fast"}]`},
		{`{"select":["id"],"get":true}`, `{"id":1}`},
		{`{"select":["id"],"offset":1,"limit":1}`, `[{"id":2}]`},
		{`{"select":["id"],"offset":9}`, `[]`},
	} {
		got, err := run(t, `[]`, c.options)
		if err != nil {
			t.Errorf("%s: %v", c.options, err)
			continue
		}
		text, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, string(text)); diff != "" {
			t.Errorf("%s:\n%s", c.options, diff)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ filters, options, says string }{
		{`{}`, `{}`, "filters: Input should be a valid list"},
		{`[["id","=="]]`, `{}`, "Invalid operation"},
		{`[["id","==",1]]`, `{}`, "Invalid operation: =="},
		{`[["id","C~","x"]]`, `{}`, "Invalid case-insensitive operation: C~"},
		{`[["id"]]`, `{}`, "Invalid filter"},
		{`[["AND",[["id","=",1]]]]`, `{}`, "Invalid operation: AND"},
		{`[["OR",[]]]`, `{}`, "OR filter requires at least one branch."},
		{`[["OR",[[["OR",[[["OR",[[["OR",[["a","=",1]]]]]]]]]]]]]`, `{}`, "max recursion depth"},
		{`[["at.$date",">","soon"]]`, `{}`, "must be an ISO-8601 formatted timestamp string"},
		{`[["name",">",5]]`, `{}`, "not supported between instances"},
		{`[["tags.x","=",5]]`, `{}`, "must be array index or wildcard"},
		{`[]`, `{"limit":10001}`, "Options limit must be between 1 and 10000"},
		{`[]`, `{"limit":"5"}`, "options.limit: Input should be a valid integer"},
		{`[]`, `{"order":["id"]}`, "options.order: Extra inputs are not permitted"},
		{`[]`, `{"order_by":["pool"]}`, "Cannot sort by"},
		{`[]`, `{"select":["id"],"order_by":["size"]}`, "Cannot sort by"}, // it must be selected as well
		{`[["id","=",9]]`, `{"get":true}`, "MatchNotFound()"},
	} {
		if _, err := run(t, c.filters, c.options); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s %s: %v, want %q", c.filters, c.options, err, c.says)
		}
	}
}

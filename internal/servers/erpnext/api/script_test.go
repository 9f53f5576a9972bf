package api_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/servers/erpnext/api"
)

// Filters are read from the scripts of reports, whatever stands around them.
func TestRequires(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		name, script string
		want         []api.Filter
		whole        bool
	}{
		{"quoted keys, translated labels, a tick", `frappe.query_reports["Stock Ledger"] = {
			"filters": [
				{"fieldname":"company","label": __("Company"),"fieldtype":"Link","options":"Company","default": frappe.defaults.get_user_default("Company"),"reqd": 1},
				{"fieldname":"from_date","label": __("From Date"),"fieldtype":"Date","default": frappe.datetime.add_months(frappe.datetime.get_today(), -1),"reqd": 1},
				{"fieldname":"show_all","label": __("Show all"),"fieldtype":"Check","default": 1},
			],
			"formatter": function (value, row) { if (value == "{") { return "filters: [{"; } return value; }
		}`, []api.Filter{{Field: "company", Label: "Company", Type: "Link", Options: "Company", Required: true}, {Field: "from_date", Label: "From Date", Type: "Date", Required: true}, {Field: "show_all", Label: "Show all", Type: "Check", Default: "1"}}, true},
		{"bare keys, functions inside, comments", `// filters: [{fieldname: "no"}]
		frappe.query_reports['X'] = {
			onload: function(report) { report.page.add_inner_button(__("A"), () => {}); },
			filters: [
				/* {fieldname: "neither"}, */
				{
					fieldname: "item", // the item
					label: 'Item',
					fieldtype: "MultiSelectList",
					get_data: function (txt) { return frappe.db.get_link_options("Item", txt, { filters: [["disabled", "=", 0]] }); },
					get_query() { return { filters: { company: 1 } }; },
					reqd: true
				},
				{ fieldname: "based_on", fieldtype: "Select", options: ["Qty", __("Value")], default: "Qty" },
				{ fieldname: "x", fieldtype: "Select", options: "A\nB", reqd: 0, label: cond ? "p" : "q" },
			]
		};`, []api.Filter{{Field: "item", Label: "Item", Type: "MultiSelectList", Required: true}, {Field: "based_on", Type: "Select", Options: "Qty\nValue", Default: "Qty"}, {Field: "x", Type: "Select", Options: "A\nB"}}, true},
		{"put together elsewhere", `frappe.query_reports["Balance Sheet"] = $.extend({}, erpnext.financial_statements);
		frappe.query_reports["Balance Sheet"]["filters"].push({"fieldname": "y"});`, nil, false},
		{"added later", `frappe.query_reports["P"] = { filters: [{fieldname: "a", reqd: 1}] }; erpnext.dimension_filters.forEach((d) => { frappe.query_reports["P"].filters.splice(1, 0, {"fieldname": d.x}); });`, []api.Filter{{Field: "a", Required: true}}, false},
		{"none", `frappe.query_reports['Q']={}`, nil, true},
		{"broken off", `frappe.query_reports['Q']={filters:[{fieldname:"a", label: __("b`, []api.Filter{{Field: "a", Label: "b"}}, true},
		{"empty", ``, nil, true},
	} {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			script, _ := json.Marshal(v.script)
			got, err := site(t, says(200, jsonKind, `{"data":{"script":`+string(script)+`}}`)).Requires(t.Context(), "X")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(v.want, got.Filters); diff != "" || got.Whole != v.whole {
				t.Errorf("whole %v\n%s", got.Whole, diff)
			}
		})
	}
	got, err := site(t, says(200, jsonKind, `{"data":{"script":"","filters":[{"fieldname":"status","label":"Status","fieldtype":"Select","options":"A\nB","mandatory":1},{}]}}`)).Requires(t.Context(), "X")
	if err != nil || len(got.Filters) != 1 || !bool(got.Filters[0].Required) {
		t.Errorf("filters kept with the report: %+v, %v", got, err)
	}
}

// No script makes the reader fail or hang.
func FuzzRequires(f *testing.F) {
	for _, s := range []string{`{filters:[{a:"b",reqd:1}]}`, `filters:[{`, `filters: [ "x" , {}`, "`", `/*`, `filters:[{get(){}}]`, `"filters":[{a:[1,"2",__("3")]}]`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, script string) {
		encoded, err := json.Marshal(script)
		if err != nil {
			t.Skip()
		}
		if _, err := site(t, says(200, jsonKind, `{"data":{"script":`+string(encoded)+`}}`)).Requires(t.Context(), "X"); err != nil {
			t.Fatal(err)
		}
	})
}

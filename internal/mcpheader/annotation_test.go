package mcpheader_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/mcpheader"
	"drawbridge/internal/mcpwire"
)

func TestAnnotations(t *testing.T) {
	t.Parallel()
	type found = []mcpheader.Annotation
	tests := []struct {
		name, schema string
		want         found
	}{
		{"none", `{"type":"object","properties":{"a":{"type":"string"}}}`, nil},
		{"no schema", `true`, nil},
		{"each type", `{"properties":{"s":{"type":"string","x-mcp-header":"S"},"i":{"x-mcp-header":"I","type":"integer"},"b":{"type":"boolean","x-mcp-header":"B"}}}`,
			found{{"S", []string{"s"}, "string"}, {"I", []string{"i"}, "integer"}, {"B", []string{"b"}, "boolean"}}},
		{"nested", `{"properties":{"a":{"type":"object","properties":{"b":{"type":"object","properties":{"c":{"type":"string","x-mcp-header":"C"}}},"d":{"type":"string","x-mcp-header":"D"}}}}}`,
			found{{"C", []string{"a", "b", "c"}, "string"}, {"D", []string{"a", "d"}, "string"}}},
		{"every token character", "{\"properties\":{\"a\":{\"type\":\"string\",\"x-mcp-header\":\"!#$%&'*+-.^_`|~aZ0\"}}}",
			found{{"!#$%&'*+-.^_`|~aZ0", []string{"a"}, "string"}}},
		{"written with escapes", `{"properties":{"\u0061":{"type":"strin\u0067","x-mcp\u002dheader":"\u0041"}}}`, found{{"A", []string{"a"}, "string"}}},
		{"a property of that name", `{"properties":{"x-mcp-header":{"type":"string"}}}`, nil},
		{"an annotated property of that name", `{"properties":{"x-mcp-header":{"type":"string","x-mcp-header":"H"}}}`, found{{"H", []string{"x-mcp-header"}, "string"}}},
		{"a property called properties", `{"properties":{"properties":{"type":"string","x-mcp-header":"P"}}}`, found{{"P", []string{"properties"}, "string"}}},
		{"in data", `{"properties":{"a":{"type":"object","default":{"x-mcp-header":1},"examples":[{"x-mcp-header":1}],"enum":[{"x-mcp-header":1}],"const":{"x-mcp-header":1}}}}`, nil},
		{"in a description", `{"properties":{"a":{"type":"string","description":"no x-mcp-header here"}}}`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := mcpheader.Annotations([]byte(tt.schema))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestAnnotations_refuses(t *testing.T) {
	t.Parallel()
	const header = `{"type":"string","x-mcp-header":"H"}`
	tests := map[string]string{
		"empty name":            `{"properties":{"a":{"type":"string","x-mcp-header":""}}}`,
		"space in name":         `{"properties":{"a":{"type":"string","x-mcp-header":"My Region"}}}`,
		"colon in name":         `{"properties":{"a":{"type":"string","x-mcp-header":"A:B"}}}`,
		"line break in name":    `{"properties":{"a":{"type":"string","x-mcp-header":"A\r\nB"}}}`,
		"name not ASCII":        `{"properties":{"a":{"type":"string","x-mcp-header":"Région"}}}`,
		"name not a string":     `{"properties":{"a":{"type":"string","x-mcp-header":true}}}`,
		"type number":           `{"properties":{"a":{"type":"number","x-mcp-header":"H"}}}`,
		"type object":           `{"properties":{"a":{"type":"object","x-mcp-header":"H"}}}`,
		"type array":            `{"properties":{"a":{"type":"array","x-mcp-header":"H"}}}`,
		"several types":         `{"properties":{"a":{"type":["string","null"],"x-mcp-header":"H"}}}`,
		"no type":               `{"properties":{"a":{"x-mcp-header":"H"}}}`,
		"same name":             `{"properties":{"a":` + header + `,"b":` + header + `}}`,
		"same name but case":    `{"properties":{"a":` + header + `,"b":{"properties":{"c":{"type":"string","x-mcp-header":"h"}}}}}`,
		"at the root":           header,
		"under items":           `{"properties":{"a":{"type":"array","items":` + header + `}}}`,
		"under items of object": `{"properties":{"a":{"type":"array","items":{"properties":{"b":` + header + `}}}}}`,
		"under prefixItems":     `{"properties":{"a":{"prefixItems":[` + header + `]}}}`,
		"under oneOf":           `{"oneOf":[{"properties":{"a":` + header + `}}]}`,
		"under allOf":           `{"properties":{"a":{"allOf":[` + header + `]}}}`,
		"under not":             `{"not":{"properties":{"a":` + header + `}}}`,
		"under if":              `{"if":{"properties":{"a":` + header + `}}}`,
		"under then":            `{"then":{"properties":{"a":` + header + `}}}`,
		"under $defs":           `{"$defs":{"a":` + header + `}}`,
		"under $defs by name":   `{"$defs":{"default":` + header + `}}`,
		"under patterns":        `{"patternProperties":{"^a":` + header + `}}`,
		"under additional":      `{"additionalProperties":` + header + `}`,
		"under an unknown word": `{"x-vendor":[` + header + `]}`,
		"written with escapes":  `{"items":{"type":"string","\u0078-mcp-header":"H"}}`,
	}
	for name, schema := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := mcpheader.Annotations([]byte(schema)); err == nil {
				t.Errorf("accepted: %+v", got)
			}
		})
	}
}

var (
	annotated = []mcpheader.Annotation{{Name: "Region", Path: []string{"region"}, Type: "string"}, {Name: "Size", Path: []string{"vm", "size"}, Type: "integer"}}
	region    = annotated[:1]
)

func TestOf(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, arguments string
		want            map[string]string
	}{
		{"no arguments", ``, nil},
		{"neither", `{"other":1}`, nil},
		{"both", `{"vm":{"size":42},"region":"eu"}`, map[string]string{"Mcp-Param-Region": "eu", "Mcp-Param-Size": "42"}},
		{"null", `{"region":null,"vm":{"size":null}}`, nil},
		{"encoded", `{"region":"M\u00fcnchen"}`, map[string]string{"Mcp-Param-Region": "=?base64?TcO8bmNoZW4=?="}},
		{"line break", `{"region":"a\r\nX: y"}`, map[string]string{"Mcp-Param-Region": "=?base64?YQ0KWDogeQ==?="}},
		{"empty", `{"region":""}`, map[string]string{"Mcp-Param-Region": "=?base64??="}},
		{"boolean", `{"region":false}`, map[string]string{"Mcp-Param-Region": "false"}},
		{"whole number in other clothes", `{"vm":{"size":4.2e1}}`, map[string]string{"Mcp-Param-Size": "42"}},
		{"negative zero", `{"vm":{"size":-0}}`, map[string]string{"Mcp-Param-Size": "0"}},
		{"fraction", `{"vm":{"size":1.5}}`, nil},
		{"largest", `{"vm":{"size":9007199254740991}}`, map[string]string{"Mcp-Param-Size": "9007199254740991"}},
		{"too large", `{"vm":{"size":9007199254740992}}`, nil},
		{"far too large", `{"vm":{"size":1e300}}`, nil},
		{"object", `{"region":{"a":1},"vm":7}`, nil},
		{"array", `{"region":["eu"]}`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, mcpheader.Of(annotated, []byte(tt.arguments))); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, arguments string
		region, size    []string
		ok              bool
	}{
		{"nothing", `{}`, nil, nil, true},
		{"no arguments", ``, nil, nil, true},
		{"both", `{"region":"eu","vm":{"size":42}}`, []string{"eu"}, []string{"42"}, true},
		{"encoded though plain", `{"region":"eu"}`, []string{"=?base64?ZXU=?="}, nil, true},
		{"encoded", `{"region":" München"}`, []string{"=?base64?IE3DvG5jaGVu?="}, nil, true},
		{"empty string, empty header", `{"region":""}`, []string{""}, nil, true},
		{"numerically equal", `{"vm":{"size":42}}`, nil, []string{"42.0"}, true},
		{"null", `{"region":null}`, nil, nil, true},

		{"missing", `{"region":"eu"}`, nil, nil, false},
		{"missing for empty string", `{"region":""}`, nil, nil, false},
		{"different", `{"region":"eu"}`, []string{"us"}, nil, false},
		{"different case", `{"region":"eu"}`, []string{"EU"}, nil, false},
		{"twice", `{"region":"eu"}`, []string{"eu", "eu"}, nil, false},
		{"not in the body", `{}`, []string{"eu"}, nil, false},
		{"null in the body", `{"region":null}`, []string{"null"}, nil, false},
		{"one of two", `{"region":"eu","vm":{"size":42}}`, []string{"eu"}, nil, false},
		{"raw bytes", `{"region":"é"}`, []string{"é"}, nil, false},
		{"bad base64", `{"region":"eu"}`, []string{"=?base64?ZX?="}, nil, false},
		{"sentinel in the body, plain header", `{"region":"=?base64?ZXU=?="}`, []string{"=?base64?ZXU=?="}, nil, false},
		{"string that looks like a number", `{"region":"42"}`, []string{"42.0"}, nil, false},
		{"number against words", `{"vm":{"size":42}}`, nil, []string{"0x2a"}, false},
		{"number against infinity", `{"vm":{"size":42}}`, nil, []string{"Inf"}, false},
		{"number against true", `{"vm":{"size":1}}`, nil, []string{"true"}, false},
		{"other number", `{"vm":{"size":42}}`, nil, []string{"43"}, false},
		{"rounded", `{"vm":{"size":9007199254740993}}`, nil, []string{"9007199254740992"}, false},
		{"object", `{"region":{}}`, []string{"{}"}, nil, false},
		{"true against TRUE", `{"region":true}`, []string{"TRUE"}, nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			headers := map[string][]string{"Mcp-Param-Region": tt.region, "Mcp-Param-Size": tt.size}
			err := mcpheader.Check(annotated, []byte(tt.arguments), func(name string) []string { return headers[name] })
			if (err == nil) != tt.ok {
				t.Fatalf("error %v, want ok %v", err, tt.ok)
			}
			if err != nil && (err.Code != mcpwire.CodeHeaderMismatch || !strings.HasPrefix(err.Message, "Header mismatch: Mcp-Param-")) {
				t.Errorf("code %d, message %q", err.Code, err.Message)
			}
		})
	}
}

// What is synthesised passes the check, whatever the value.
func TestOf_passesTheCheck(t *testing.T) {
	t.Parallel()
	for _, value := range []string{`"eu"`, `""`, `" "`, `"=?base64?="`, `"=?base64??="`, `"\u0000\n"`, `"😀"`, `true`, `-7`, `7.0`, `null`} {
		arguments := fmt.Appendf(nil, `{"region":%s}`, value)
		headers := mcpheader.Of(region, arguments)
		err := mcpheader.Check(region, arguments, func(name string) []string {
			if v, ok := headers[name]; ok {
				return []string{v}
			}
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v (%v)", value, err, headers)
		}
	}
}

package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
)

// The document is made of the table that the routes are made of, so that neither
// has what the other lacks. This is the part of OpenAPI 3.1 that it needs.
type openAPI struct {
	OpenAPI    string                          `json:"openapi"`
	Info       apiInfo                         `json:"info"`
	Security   []map[string][]string           `json:"security"`
	Tags       []apiTag                        `json:"tags"`
	Paths      map[string]map[string]apiMethod `json:"paths"`
	Components apiComponents                   `json:"components"`
}

type apiInfo struct {
	Title       string `json:"title"`
	Version     string `json:"version"`
	Description string `json:"description"`
}

type apiTag struct {
	Name string `json:"name"`
}

type apiMethod struct {
	OperationID string               `json:"operationId"`
	Summary     string               `json:"summary"`
	Tags        []string             `json:"tags"`
	Parameters  []apiParameter       `json:"parameters,omitempty"`
	RequestBody *apiBody             `json:"requestBody,omitempty"`
	Responses   map[string]apiAnswer `json:"responses"`
}

type apiParameter struct {
	Name        string             `json:"name"`
	In          string             `json:"in"`
	Required    bool               `json:"required,omitempty"`
	Description string             `json:"description,omitempty"`
	Schema      *jsonschema.Schema `json:"schema"`
}

type apiBody struct {
	Required bool                `json:"required"`
	Content  map[string]apiMedia `json:"content"`
}

type apiAnswer struct {
	Description string              `json:"description"`
	Content     map[string]apiMedia `json:"content,omitempty"`
}

type apiMedia struct {
	Schema *jsonschema.Schema `json:"schema"`
}

type apiComponents struct {
	Schemas         map[string]*jsonschema.Schema `json:"schemas"`
	SecuritySchemes map[string]apiSecurity        `json:"securitySchemes"`
}

type apiSecurity struct {
	Type        string `json:"type"`
	Scheme      string `json:"scheme,omitempty"`
	In          string `json:"in,omitempty"`
	Name        string `json:"name,omitempty"`
	Description string `json:"description"`
}

const refPrefix = "#/components/schemas/"

const (
	mediaJSON  = "application/json"
	mediaLines = "application/x-ndjson"
)

// document describes the operations.
func document(version string, operations []operation) ([]byte, error) {
	d := openAPI{
		OpenAPI: "3.1.0",
		Info: apiInfo{Title: "Drawbridge admin API", Version: version,
			Description: "For admins: an admin key, an access token with the scope admin, or a browser that is signed in. Bodies are one JSON object; unknown and repeated members are refused. Errors are JSON with a code and a text that ends in what to do next; without a credential the answer is 401 in plain text."},
		Security: []map[string][]string{{"bearer": {}}, {"signedIn": {}}},
		Paths:    map[string]map[string]apiMethod{},
		Components: apiComponents{Schemas: map[string]*jsonschema.Schema{}, SecuritySchemes: map[string]apiSecurity{
			"bearer":   {Type: "http", Scheme: "bearer", Description: "An admin key, or an access token with the scope admin."},
			"signedIn": {Type: "apiKey", In: "cookie", Name: "__Host-drawbridge", Description: "A browser that is signed in as an admin; over plain http the cookie is called drawbridge."},
		}},
	}
	for _, o := range operations {
		if d.Paths[o.path] == nil {
			d.Paths[o.path] = map[string]apiMethod{}
		}
		m := d.method(o)
		d.Paths[o.path][strings.ToLower(o.method)] = m
		if tag := (apiTag{m.Tags[0]}); !slices.Contains(d.Tags, tag) {
			d.Tags = append(d.Tags, tag)
		}
	}
	out, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode document: %w", err)
	}
	return append(out, '\n'), nil
}

func (d *openAPI) method(o operation) apiMethod {
	m := apiMethod{OperationID: o.name, Summary: o.summary, Tags: []string{tagOf(o.path)}, Responses: map[string]apiAnswer{}}
	if _, rest, ok := strings.Cut(o.path, "{"); ok {
		name, _, _ := strings.Cut(rest, "}")
		m.Parameters = append(m.Parameters, apiParameter{Name: name, In: "path", Required: true, Schema: &jsonschema.Schema{Type: "string"}})
	}
	switch {
	case o.input == nil:
	case o.method == http.MethodGet:
		for _, name := range o.input.Schema.PropertyOrder {
			s := o.input.Schema.Properties[name].CloneSchemas()
			text := s.Description
			s.Description = ""
			m.Parameters = append(m.Parameters, apiParameter{Name: name, In: "query", Description: text, Schema: s})
		}
	default:
		m.RequestBody = &apiBody{Required: true, Content: map[string]apiMedia{mediaJSON: {d.schema(o.in)}}}
	}
	success := apiAnswer{Description: http.StatusText(o.status)}
	if o.status != http.StatusNoContent {
		success.Content = map[string]apiMedia{mediaJSON: {d.schema(o.out)}}
		if o.lines {
			success.Content[mediaLines] = apiMedia{d.schema(reflect.TypeFor[auditLine]())}
		}
	}
	failure := d.schema(reflect.TypeFor[problem]())
	m.Responses[strconv.Itoa(o.status)] = success
	m.Responses["default"] = apiAnswer{Description: "What went wrong, and what to do next.", Content: map[string]apiMedia{mediaJSON: {failure}}}
	return m
}

// tagOf groups operations by the first element of their path.
func tagOf(path string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return strings.TrimSuffix(first, ".json")
}

// schema adds a type, and the structs inside of it, to the components and refers to
// it.
func (d *openAPI) schema(t reflect.Type) *jsonschema.Schema {
	if t == reflect.TypeFor[json.RawMessage]() {
		return &jsonschema.Schema{Type: "object"}
	}
	name := strings.ToUpper(t.Name()[:1]) + t.Name()[1:]
	ref := &jsonschema.Schema{Ref: refPrefix + name}
	if d.Components.Schemas[name] != nil {
		return ref
	}
	s := mustShape(t).Schema
	d.Components.Schemas[name] = s
	for _, f := range reflect.VisibleFields(t) {
		member, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		inner := f.Type
		if inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		if inner == reflect.TypeFor[time.Time]() {
			s.Properties[member].Format = "date-time"
		}
		if inner.Kind() != reflect.Struct || inner.PkgPath() != t.PkgPath() {
			continue
		}
		to := d.schema(inner)
		if f.Type.Kind() == reflect.Slice {
			s.Properties[member].Items = to
			continue
		}
		to.Description = s.Properties[member].Description
		s.Properties[member] = to
	}
	return ref
}

package config_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"
	"go.yaml.in/yaml/v4"

	"drawbridge/internal/config"
	"drawbridge/internal/secret"
)

var update = flag.Bool("update", false, "write golden files anew")

// The schema and the reference page are made of the types' comments and tags, so
// that they cannot drift from what Load reads.
func TestSchema(t *testing.T) {
	t.Parallel()
	docs := fieldDocs(t)
	schema := schemaOf(t, docs)
	golden(t, "config.schema.json", schema)
	golden(t, filepath.Join("..", "..", "docs", "reference", "config.schema.json"), schema)
	golden(t, filepath.Join("..", "..", "docs", "reference", "configuration.md"), referenceOf(docs))
}

func golden(t *testing.T, file string, want []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(got), string(want)); diff != "" {
		t.Errorf("%s differs from the types (-have +types); run go test ./internal/config -update:\n%s", file, diff)
	}
}

// What Load takes, the schema must take too.
func TestSchema_takesExamples(t *testing.T) {
	t.Parallel()
	if *update {
		t.Skip("the embedded schema is the one from before")
	}
	var s jsonschema.Schema
	if err := json.Unmarshal(config.Schema(), &s); err != nil {
		t.Fatal(err)
	}
	resolved, err := s.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("testdata/good/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var v any
		if err := yaml.Unmarshal(data, &v); err != nil {
			t.Fatal(err)
		}
		if err := resolved.Validate(v); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	if err := resolved.Validate(map[string]any{"lisen": "x"}); err == nil {
		t.Error("the schema takes an unknown setting")
	}
}

// fieldDocs reads the comments of struct fields: "Backend.URL" to text.
func fieldDocs(t *testing.T) map[string]string {
	t.Helper()
	docs := map[string]string{}
	for _, file := range []string{"config.go", "backend.go"} {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if st, ok := spec.Type.(*ast.StructType); ok {
				for _, field := range st.Fields.List {
					for _, name := range field.Names {
						docs[spec.Name.Name+"."+name.Name] = strings.Join(strings.Fields(field.Doc.Text()), " ")
					}
				}
			}
			return true
		})
	}
	return docs
}

func schemaOf(t *testing.T, docs map[string]string) []byte {
	t.Helper()
	root := structSchema(reflect.TypeFor[config.Config](), docs)
	backend := structSchema(reflect.TypeFor[config.Backend](), docs)
	backend.AdditionalProperties = nil // other programs' words are allowed
	builtIn := structSchema(reflect.TypeFor[config.BuiltIn](), docs)
	builtIn.AdditionalProperties = nil // its own settings
	root.Schema = "https://json-schema.org/draft/2020-12/schema"
	root.Title = "Drawbridge configuration"
	root.Defs = map[string]*jsonschema.Schema{"backend": backend, "server": builtIn}
	ref := func(name string) *jsonschema.Schema { return &jsonschema.Schema{Ref: "#/$defs/" + name} }
	for _, block := range []string{"backends", "mcpServers"} {
		root.Properties[block] = &jsonschema.Schema{
			Type: "object", Description: docs["Config.Backends"], AdditionalProperties: ref("backend"),
		}
	}
	servers := &jsonschema.Schema{
		Type: "object", Description: docs["Config.Servers"] + " Entries with command or type are backends, as VS Code writes them.",
		Properties: map[string]*jsonschema.Schema{}, AdditionalProperties: ref("backend"),
	}
	for _, name := range config.BuiltInNames() {
		servers.Properties[name] = ref("server")
	}
	root.Properties["servers"] = servers
	root.Properties["$schema"] = &jsonschema.Schema{Type: "string"}
	root.Properties["inputs"] = &jsonschema.Schema{Description: "Prompts of VS Code; not used."}
	out, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(out, '\n')
}

func structSchema(typ reflect.Type, docs map[string]string) *jsonschema.Schema {
	s := &jsonschema.Schema{
		Type: "object", Properties: map[string]*jsonschema.Schema{},
		AdditionalProperties: &jsonschema.Schema{Not: &jsonschema.Schema{}},
	}
	eachSetting(typ, func(key string, f reflect.StructField) {
		p := valueSchema(f.Type, docs)
		p.Description = describe(docs, typ, key, f)
		if def, ok := f.Tag.Lookup("default"); ok {
			p.Default = defaultOf(f.Type, def)
		}
		if enum := f.Tag.Get("enum"); enum != "" {
			p.Type, p.Types = "string", nil
			for e := range strings.SplitSeq(enum, ",") {
				p.Examples = append(p.Examples, e) // not an enum: ${VAR} may stand there
			}
		}
		s.Properties[key] = p
		s.PropertyOrder = append(s.PropertyOrder, key)
	})
	return s
}

// describe is the field's comment with the setting's name instead of the field's.
func describe(docs map[string]string, typ reflect.Type, key string, f reflect.StructField) string {
	text := docs[typ.Name()+"."+f.Name]
	if rest, ok := strings.CutPrefix(text, f.Name+" "); ok {
		return key + " " + rest
	}
	return text
}

func eachSetting(typ reflect.Type, f func(key string, field reflect.StructField)) {
	for field := range typ.Fields() {
		if key := field.Tag.Get("json"); key != "" && key != "-" {
			f(key, field)
		}
	}
}

// valueSchema also takes a text wherever ${VAR} may stand.
func valueSchema(typ reflect.Type, docs map[string]string) *jsonschema.Schema {
	switch typ {
	case reflect.TypeFor[secret.String](), reflect.TypeFor[netip.Prefix]():
		return &jsonschema.Schema{Type: "string"}
	case reflect.TypeFor[time.Duration](), reflect.TypeFor[config.Bytes]():
		return &jsonschema.Schema{Types: []string{"string", "number"}}
	}
	switch typ.Kind() {
	case reflect.Pointer:
		return valueSchema(typ.Elem(), docs)
	case reflect.Struct:
		return structSchema(typ, docs)
	case reflect.Slice:
		item := valueSchema(typ.Elem(), docs)
		if typ.Elem().Kind() == reflect.String {
			item = &jsonschema.Schema{Types: []string{"string", "number", "boolean"}}
		}
		return &jsonschema.Schema{Type: "array", Items: item}
	case reflect.Map:
		return &jsonschema.Schema{Type: "object", AdditionalProperties: &jsonschema.Schema{Types: []string{"string", "number", "boolean", "null"}}}
	case reflect.Bool:
		return &jsonschema.Schema{Types: []string{"boolean", "string"}}
	case reflect.Int:
		return &jsonschema.Schema{Types: []string{"integer", "string"}}
	}
	return &jsonschema.Schema{Type: "string"}
}

func defaultOf(typ reflect.Type, text string) json.RawMessage {
	if typ.Kind() == reflect.Bool || typ.Kind() == reflect.Int {
		return json.RawMessage(text)
	}
	quoted, _ := json.Marshal(text)
	return quoted
}

// referenceOf writes the reference page.
func referenceOf(docs map[string]string) []byte {
	var b bytes.Buffer
	b.WriteString(strings.TrimLeft(referenceHead, "\n"))
	table := func(title, lead, prefix string, typ reflect.Type) {
		fmt.Fprintf(&b, "\n## %s\n\n%s| setting | default | meaning |\n|---|---|---|\n", title, lead)
		tableRows(&b, docs, prefix, typ)
	}
	table("Settings", "", "", reflect.TypeFor[config.Config]())
	table("Backends", docs["Config.Backends"]+" An entry has `command` or `url`.\n\n", "", reflect.TypeFor[config.Backend]())
	table("Built-in servers", docs["Config.Servers"]+" All other keys of an entry are the server's own settings.\n\n", "", reflect.TypeFor[config.BuiltIn]())
	fmt.Fprintf(&b, "\nThe built-in servers are: %s.\n", strings.Join(config.BuiltInNames(), ", "))
	return b.Bytes()
}

func tableRows(b *bytes.Buffer, docs map[string]string, prefix string, typ reflect.Type) {
	eachSetting(typ, func(key string, f reflect.StructField) {
		structs := []reflect.Type{reflect.TypeFor[config.OAuth](), reflect.TypeFor[config.Limits](), reflect.TypeFor[config.Log](), reflect.TypeFor[config.Admin]()}
		if slices.Contains(structs, f.Type) {
			tableRows(b, docs, prefix+key+".", f.Type)
			return
		}
		def, meaning := f.Tag.Get("default"), describe(docs, typ, key, f)
		if def != "" {
			def = "`" + def + "`"
		}
		if env := f.Tag.Get("env"); env != "" {
			meaning += " Variable: `" + env + "`."
		}
		fmt.Fprintf(b, "| `%s%s` | %s | %s |\n", prefix, key, def, strings.ReplaceAll(meaning, "|", `\|`))
	})
}

const referenceHead = `
# Configuration

<!-- Made from the comments in internal/config by its test; edit those. -->

Nothing has to be configured. What is set is taken, each over the one before it, from:

1. one YAML, JSON or JSON-with-comments file: ` + "`--config FILE`, else `$DRAWBRIDGE_CONFIG`, else `$XDG_CONFIG_HOME/drawbridge/config.yaml` (`~/.config`)" + `
2. ` + "`.env`" + ` in the working directory
3. the environment
4. flags of ` + "`drawbridge serve`" + `

` + "`drawbridge check`" + ` reads all of them, reports every fault with its place, and with ` + "`--show`" + ` prints
each value with where it was set. ` + "`drawbridge check --schema`" + ` prints the JSON Schema
([config.schema.json](config.schema.json)); an editor uses it when the file starts with

    # yaml-language-server: $schema=config.schema.json

A running server reads the file again when it or ` + "`.env`" + ` changes, and on SIGHUP. A faulty file is refused
whole and the old settings stay.

## Variables in the file

| written | becomes |
|---|---|
| ` + "`${NAME}` or `${env:NAME}`" + ` | the variable; not set at all is an error |
| ` + "`${NAME:-text}`" + ` | the variable, or the text where it is not set or empty |
| ` + "`${file:/path}`" + ` | the content of the file without its last line end |
| ` + "`$$`" + ` | a dollar sign |
| ` + "`$NAME`" + ` | stays as it is |

What a variable holds is not looked at again.

## Environment

Settings have the variables named below. Each also works with ` + "`_FILE`" + ` behind its name and the path of a file
that holds the value; setting both is an error. A variable that is set to nothing counts as not set. Lists are
separated by commas.

Backends: ` + "`MCP_BACKEND_<NAME>=URL`" + `, the name in lower case; ` + "`MCP_BACKEND_<NAME>__TOKEN`, `__HEADERS`" + ` (a JSON
object, or ` + "`Name=value`" + ` lines), ` + "`__TRANSPORT` (`http` or `sse`) and `__PREFIX`" + ` (set to nothing: no prefix).
` + "`__TOKEN_FILE` and `__HEADERS_FILE`" + ` name files.

Built-in servers: their own variables, such as ` + "`HASS_URL`" + `; ` + "`<NAME>_MODE`, `_ENABLED`, `_TOOLSETS`, `_PARALLEL` and `_TIMEOUT`" + `.
`

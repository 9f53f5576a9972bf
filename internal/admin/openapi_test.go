package admin_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"

	"drawbridge/internal/account"
	"drawbridge/internal/admin"
	"drawbridge/internal/oauth"
	"drawbridge/internal/store"
)

var update = flag.Bool("update", false, "write the golden files anew")

// apiDocument is what the tests read of the document, from its JSON alone.
type apiDocument struct {
	OpenAPI    string
	Paths      map[string]map[string]apiOperation
	Components struct {
		Schemas map[string]json.RawMessage
	}
}

type apiOperation struct {
	OperationID string
	Parameters  []struct {
		Name, In string
		Required bool
	}
	RequestBody *struct{ Content map[string]apiContent }
	Responses   map[string]struct{ Content map[string]apiContent }
}

type apiContent struct {
	Schema struct {
		Ref string `json:"$ref"`
	}
}

// checker holds requests and answers against the document.
type checker struct {
	t   *testing.T
	doc apiDocument
	raw []byte
	fit map[string]*jsonschema.Resolved
}

func newChecker(t *testing.T, a *admin.API) *checker {
	t.Helper()
	c := &checker{t: t, raw: document(t, a), fit: map[string]*jsonschema.Resolved{}}
	if err := json.Unmarshal(c.raw, &c.doc); err != nil {
		t.Fatal(err)
	}
	return c
}

// document is the document as it is served.
func document(t *testing.T, a *admin.API) []byte {
	t.Helper()
	for _, r := range a.Routes() {
		if r.Pattern == "/openapi.json" {
			w := &sink{header: http.Header{}}
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "/openapi.json", nil)
			r.Handler.ServeHTTP(w, req)
			return w.Bytes()
		}
	}
	t.Fatal("no document is served")
	return nil
}

// sink is an http.ResponseWriter that keeps the body.
type sink struct {
	bytes.Buffer
	header http.Header
}

func (s *sink) Header() http.Header { return s.header }
func (s *sink) WriteHeader(int)     {}

// exchange checks that a request that was taken fits what the document says may be
// sent, and that its answer fits what it says comes back.
func (c *checker) exchange(r *http.Request, body string, a reply) {
	c.t.Helper()
	method := strings.ToLower(r.Method)
	if method == "head" {
		return
	}
	op, ok := c.operation(method, r.URL.Path)
	if !ok {
		c.t.Errorf("%s %s is not in the document", r.Method, r.URL.Path)
		return
	}
	if a.status < 300 && op.RequestBody != nil {
		c.fits("request of "+op.OperationID, op.RequestBody.Content["application/json"].Schema.Ref, body)
	}
	answer, there := op.Responses[strconv.Itoa(a.status)]
	switch {
	case !there && a.status < 300:
		c.t.Errorf("%s answers with %d, which is not in the document", op.OperationID, a.status)
		return
	case !there:
		answer = op.Responses["default"]
	}
	media := a.header.Get("Content-Type")
	content, there := answer.Content[media]
	switch {
	case a.status == http.StatusNoContent:
		if a.body != "" || len(answer.Content) > 0 {
			c.t.Errorf("%s answers 204 with %q", op.OperationID, a.body)
		}
	case !there:
		c.t.Errorf("%s answers with %q, which is not in the document", op.OperationID, media)
	case media == "application/x-ndjson":
		for line := range strings.Lines(a.body) {
			c.fits("line of "+op.OperationID, content.Schema.Ref, line)
		}
	case content.Schema.Ref != "":
		c.fits("answer of "+op.OperationID, content.Schema.Ref, a.body)
	}
}

// operation finds the operation of a path, a literal element before a wildcard.
func (c *checker) operation(method, path string) (apiOperation, bool) {
	if op, ok := c.doc.Paths[path][method]; ok {
		return op, true
	}
	for pattern, ops := range c.doc.Paths {
		parts, given := strings.Split(pattern, "/"), strings.Split(path, "/")
		same := len(parts) == len(given)
		for i := range parts {
			same = same && (strings.HasPrefix(parts[i], "{") || parts[i] == given[i])
		}
		if op, ok := ops[method]; ok && same {
			return op, true
		}
	}
	return apiOperation{}, false
}

// fits holds JSON against a component of the document.
func (c *checker) fits(what, ref, body string) {
	c.t.Helper()
	schema := c.fit[ref]
	if schema == nil {
		schema = c.resolve(ref)
		c.fit[ref] = schema
	}
	var v any
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		c.t.Errorf("%s: %v: %s", what, err, body)
		return
	}
	if err := schema.Validate(v); err != nil {
		c.t.Errorf("%s does not fit %s: %v\n%s", what, ref, err, body)
	}
}

func (c *checker) resolve(ref string) *jsonschema.Resolved {
	c.t.Helper()
	all, err := json.Marshal(map[string]any{"$ref": ref, "$defs": c.doc.Components.Schemas})
	if err != nil {
		c.t.Fatal(err)
	}
	all = bytes.ReplaceAll(all, []byte("#/components/schemas/"), []byte("#/$defs/"))
	var s jsonschema.Schema
	if err := json.Unmarshal(all, &s); err != nil {
		c.t.Fatal(err)
	}
	resolved, err := s.Resolve(nil)
	if err != nil {
		c.t.Fatalf("%s: %v", ref, err)
	}
	return resolved
}

// Every route is in the document, with each of its methods and wildcards, and the
// document has no others.
func TestDocument_isTheRoutes(t *testing.T) {
	t.Parallel()
	h := open(t)
	var served, described []string
	for _, r := range h.admin.Routes() {
		for _, m := range r.Methods {
			if m != http.MethodHead {
				served = append(served, strings.ToLower(m)+" "+r.Pattern)
			}
		}
	}
	names := map[string]bool{}
	for path, ops := range h.check.doc.Paths {
		for method, op := range ops {
			described = append(described, method+" "+path)
			if op.OperationID == "" || names[op.OperationID] {
				t.Errorf("%s %s has the operationId %q", method, path, op.OperationID)
			}
			names[op.OperationID] = true
			wildcard := false
			for _, p := range op.Parameters {
				wildcard = wildcard || p.In == "path" && p.Required && strings.Contains(path, "{"+p.Name+"}")
			}
			if wildcard != strings.Contains(path, "{") {
				t.Errorf("%s %s and its parameters %v", method, path, op.Parameters)
			}
		}
	}
	slices.Sort(served)
	slices.Sort(described)
	if diff := cmp.Diff(served, described); diff != "" {
		t.Errorf("served and described: %s", diff)
	}
	if !strings.HasPrefix(h.check.doc.OpenAPI, "3.1.") {
		t.Errorf("openapi is %q", h.check.doc.OpenAPI)
	}
}

// The document is an interface: a change of it is read before it is committed.
func TestDocument_golden(t *testing.T) {
	t.Parallel()
	h := open(t)
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, h.check.raw, "", "  "); err != nil {
		t.Fatal(err)
	}
	const file = "testdata/openapi.golden.json"
	if *update {
		if err := os.WriteFile(file, pretty.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), pretty.String()); diff != "" {
		t.Errorf("the document has changed; run with -update and read the difference: %s", diff)
	}
}

// Every schema is used, and no answer has a place for a hash.
func TestDocument_schemas(t *testing.T) {
	t.Parallel()
	h := open(t)
	for _, name := range slices.Sorted(maps.Keys(h.check.doc.Components.Schemas)) {
		h.check.resolve("#/components/schemas/" + name)
		if !bytes.Contains(h.check.raw, []byte(`"#/components/schemas/`+name+`"`)) {
			t.Errorf("nothing refers to %s", name)
		}
		if name != "AuditLine" && bytes.Contains(h.check.doc.Components.Schemas[name], []byte(`"hash"`)) {
			t.Errorf("%s has a hash", name)
		}
	}
}

func documentClient(id string) oauth.Client {
	return oauth.Client{ID: id, Kind: oauth.Document, Created: time.Now(),
		Metadata: oauth.Metadata{Name: "Claude", RedirectURIs: []string{"https://claude.ai/api/mcp/auth_callback"},
			GrantTypes: []string{oauth.GrantCode, oauth.GrantRefresh}, AuthMethod: oauth.AuthNone}}
}

// grantFor makes a grant the way a client gets one.
func grantFor(t *testing.T, s *store.Store, user string) account.Grant {
	t.Helper()
	client := documentClient("https://claude.ai/oauth/mcp-oauth-client-metadata")
	if err := s.SaveDocumentClient(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	code := oauth.Code{Hash: [32]byte{1}, Client: client.ID, ClientName: "Claude", RedirectURI: client.Metadata.RedirectURIs[0],
		Resource: oauth.DefaultResource, User: user, Rights: account.ReadRights(), Role: account.RoleMember, Expires: time.Now().Add(time.Minute)}
	if err := s.CreateCode(t.Context(), code); err != nil {
		t.Fatal(err)
	}
	g, err := s.RedeemCode(t.Context(), code.Hash, time.Now(), func(oauth.Code) error { return nil }, func(account.Grant) oauth.Minted {
		return oauth.Minted{Access: [32]byte{2}, AccessExpires: time.Now().Add(time.Hour), Refresh: [32]byte{3}, RefreshExpires: time.Now().Add(time.Hour)}
	})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// writeAudit writes three rows, two of them anna's.
func writeAudit(t *testing.T, s *store.Store) {
	t.Helper()
	if err := s.OpenAuditChain(t.Context(), account.Chain{ID: "c1"}); err != nil {
		t.Fatal(err)
	}
	for i, r := range []account.Record{
		{User: "anna", Target: "first"}, {User: "boss", Target: "other"}, {User: "anna", Target: "second", Digest: [16]byte{1}},
	} {
		r.Time, r.Method, r.Decision, r.Outcome = time.Now().Add(time.Duration(i)*time.Second), "tools/call", account.Allowed, account.Succeeded
		row := account.ChainedRecord{Record: r, Seq: int64(i + 1), Hash: [32]byte{byte(i + 1)}}
		if err := s.AppendAudit(t.Context(), "c1", int64(i), []account.ChainedRecord{row}, account.ChainEnd{Seq: row.Seq, Hash: row.Hash}); err != nil {
			t.Fatal(err)
		}
	}
}

package gatewaytest_test

import (
	"database/sql"
	"encoding/json"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"drawbridge/internal/audit"
	"drawbridge/internal/gatewaytest"
)

// Threat A21: a key is read from a list, goes on after it was revoked or its user was
// shut out, or may more than whoever it belongs to.
func TestA21_keys(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Run(t, "")
	d, must := gatewaytest.NewDoor(g.Base), sent(t)
	api := func(method, path, body string) gatewaytest.Reply {
		return must(d.JSON(t.Context(), method, path, gatewaytest.Key, body))
	}
	if a := api("POST", "/users", `{"id":"anna","role":"admin","password":"made up for anna 1"}`); a.Status != http.StatusCreated {
		t.Fatalf("user: %d %s", a.Status, a.Body)
	}
	a := api("POST", "/keys", `{"name":"laptop","user":"anna","role":"admin","rights":{"backends":["*"],"write":true}}`)
	var made struct {
		Key   struct{ ID, Prefix string }
		Value string
	}
	if err := json.Unmarshal([]byte(a.Body), &made); err != nil || a.Status != http.StatusCreated || made.Value == "" {
		t.Fatalf("key: %d %s", a.Status, a.Body)
	}
	g.Secret("key", made.Value)
	lists := func(name string, want int) {
		t.Helper()
		if a := must(d.List(t.Context(), made.Value)); a.Status != want {
			t.Errorf("%s: %d, want %d", name, a.Status, want)
		}
	}
	lists("a live key", 200)
	for _, path := range []string{"/keys", "/keys/" + made.Key.ID, "/admin/keys", "/audit", "/dashboard", "/status", "/users/anna"} {
		a := must(d.JSON(t.Context(), http.MethodGet, path, made.Value, ""))
		if a.Status != http.StatusOK || strings.Contains(a.Body, made.Value) || strings.Contains(a.Body, made.Value[len(made.Key.Prefix):]) {
			t.Errorf("GET %s: %d, or it has the key: %.300s", path, a.Status, a.Body)
		}
	}
	lists("looked up by its prefix", 200)
	if a := must(d.List(t.Context(), made.Key.Prefix)); a.Status != http.StatusUnauthorized {
		t.Errorf("the prefix for the key: %d", a.Status)
	}

	// Its user's role caps it, from the next request on.
	api("PATCH", "/users/anna", `{"role":"member"}`)
	if a := must(d.JSON(t.Context(), http.MethodGet, "/users", made.Value, "")); a.Status != http.StatusForbidden {
		t.Errorf("an admin's key of a member: %d", a.Status)
	}
	if a := api("POST", "/keys", `{"name":"up","user":"anna","role":"admin"}`); a.Status != http.StatusBadRequest {
		t.Errorf("an admin's key for a member: %d %s", a.Status, a.Body)
	}
	if a := must(d.JSON(t.Context(), http.MethodPost, "/keys", made.Value, `{"name":"mine"}`)); a.Status != http.StatusForbidden {
		t.Errorf("a member makes a key: %d %s", a.Status, a.Body)
	}
	api("PATCH", "/users/anna", `{"disabled":true}`)
	lists("of a disabled user", 401)
	api("PATCH", "/users/anna", `{"disabled":false}`)
	lists("of a user who is back", 200)
	if a := api("POST", "/keys/revoke", `{"key":"laptop"}`); a.Status != http.StatusOK {
		t.Fatalf("revoke: %d %s", a.Status, a.Body)
	}
	lists("revoked", 401)
}

// Threat T22: whoever can write to the database takes the trace of a deed out of the
// audit log, or lays it at somebody else's door. Of a real log, with calls, refusals
// and changes by an admin in it, each kind of row is missed.
func TestT22_auditLog(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Run(t, "")
	d, must, s := gatewaytest.NewDoor(g.Base), sent(t), beside(t, g)
	c := g.Dial(gatewaytest.R2026)
	g.WaitTools("memory_read_graph")
	for range 3 {
		c.Call("tools/call", `{"name":"memory_read_graph","arguments":{}}`)
		c.Call("tools/call", `{"name":"no_such_tool","arguments":{}}`)
		must(d.JSON(t.Context(), http.MethodPost, "/keys", gatewaytest.Key, `{"name":"k"}`))
	}
	key, err := s.InstallationSecret(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	verify := func() audit.Report {
		report, err := audit.Verify(t.Context(), s, key)
		if err != nil {
			t.Fatal(err)
		}
		return report
	}
	g.WaitFor("the rows to be written", func() bool { return verify().Rows >= 9 })
	if report := verify(); len(report.Problems) > 0 {
		t.Fatalf("before: %+v", report)
	}
	db, err := sql.Open("sqlite", filepath.Join(g.Dir, "drawbridge.db")+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, method := range []string{"tools/call", "admin/key.create"} {
		n := len(verify().Problems)
		res, err := db.ExecContext(t.Context(), `UPDATE audit SET entry = json_set(entry, '$[' || at.key || '].user', 'eve')
			FROM (SELECT audit.id, at.key FROM audit, json_each(entry) AS at WHERE value ->> 'method' = ? ORDER BY 1, 2 LIMIT 1) AS at
			WHERE audit.id = at.id`, method)
		if err != nil {
			t.Fatal(err)
		}
		if rows, _ := res.RowsAffected(); rows != 1 {
			t.Fatalf("%s: %d rows changed", method, rows)
		}
		if report := verify(); len(report.Problems) <= n || !slices.ContainsFunc(report.Problems, func(p audit.Problem) bool { return p.What == "the row was altered" }) {
			t.Errorf("%s laid at another's door is not noticed: %+v", method, report)
		}
	}
	if _, err := db.ExecContext(t.Context(), `UPDATE audit SET entry = json_remove(entry, '$[1]'),
		hash = unhex(hex(substr(hash, 1, 32)) || hex(substr(hash, 65))) WHERE seq = 1`); err != nil {
		t.Fatal(err)
	}
	if report := verify(); !slices.ContainsFunc(report.Problems, func(p audit.Problem) bool { return strings.Contains(p.What, "missing") }) {
		t.Errorf("a record that was taken out is not noticed: %+v", report)
	}
}

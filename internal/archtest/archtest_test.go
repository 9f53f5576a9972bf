package archtest_test

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"drawbridge/internal/archtest"
)

// TestRepository holds the repository to every rule.
func TestRepository(t *testing.T) {
	t.Parallel()
	tree, err := archtest.Load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.Packages) < 10 {
		t.Fatalf("only %d packages were read: this is not the repository", len(tree.Packages))
	}
	for _, f := range archtest.Check(tree) {
		t.Error(f)
	}
}

// TestReasons sees to it that nothing is forbidden or allowed without a reason.
func TestReasons(t *testing.T) {
	t.Parallel()
	for _, b := range archtest.Bans {
		if b.Why == "" {
			t.Errorf("the ban of %s has no reason", b.Import)
		}
	}
	for _, r := range archtest.Rules {
		if (r.Peers != nil || r.Only != nil) && r.Why == "" {
			t.Errorf("the rule for %s has no reason", r.Path)
		}
	}
	for m, why := range archtest.Allowed {
		if why == "" {
			t.Errorf("%s is allowed without a reason", m)
		}
	}
}

// load reads a made-up module from the files of a txtar archive. Files that do
// not start with a package clause of their own get the given text as it is.
func load(t *testing.T, archive string) *archtest.Tree {
	t.Helper()
	files := fstest.MapFS{"go.mod": {Data: []byte("module drawbridge\n")}}
	for _, f := range txtar.Parse([]byte(archive)).Files {
		files[f.Name] = &fstest.MapFile{Data: f.Data}
	}
	tree, err := archtest.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// places are where the findings point to, sorted.
func places(found []archtest.Finding) []string {
	at := map[string]bool{}
	for _, f := range found {
		at[f.At] = true
	}
	return slices.Sorted(maps.Keys(at))
}

func TestLayers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, archive string
		want          []string
	}{
		{"downward", `
-- internal/fault/fault.go --
package fault
-- internal/store/store.go --
package store
import _ "drawbridge/internal/fault"
`, nil},
		{"upward", `
-- internal/app/app.go --
package app
-- internal/fault/fault.go --
package fault
import _ "drawbridge/internal/app"
`, []string{"internal/fault/fault.go:2"}},
		{"sideways", `
-- internal/auth/auth.go --
package auth
-- internal/upstream/upstream.go --
package upstream
import _ "drawbridge/internal/auth"
`, []string{"internal/upstream/upstream.go:2"}},
		{"a permitted peer", `
-- internal/jsonscan/jsonscan.go --
package jsonscan
-- internal/mcpwire/mcpwire.go --
package mcpwire
import _ "drawbridge/internal/jsonscan"
`, nil},
		{"a package without a rule", `
-- internal/util/util.go --
package util
`, []string{"internal/util"}},
		{"a built-in server beyond its kit", `
-- internal/mcpwire/mcpwire.go --
package mcpwire
-- internal/servers/kit/kit.go --
package kit
-- internal/servers/memory/memory.go --
package memory
import (
	_ "drawbridge/internal/servers/kit"
	_ "drawbridge/internal/mcpwire"
	_ "drawbridge/internal/servers/memory/records"
)
-- internal/servers/memory/records/records.go --
package records
import _ "drawbridge/internal/servers/kit"
import _ "drawbridge/internal/mcpwire"
`, []string{"internal/servers/memory/memory.go:4", "internal/servers/memory/records/records.go:3"}},
		{"siblings", `
-- internal/servers/memory/memory.go --
package memory
import _ "drawbridge/internal/servers/wave"
-- internal/servers/wave/wave.go --
package wave
-- internal/endpoint/session/session.go --
package session
-- internal/endpoint/sse/sse.go --
package sse
import _ "drawbridge/internal/endpoint/session"
import _ "drawbridge/internal/endpoint/stdio"
-- internal/endpoint/stdio/stdio.go --
package stdio
-- internal/backend/remote/remote.go --
package remote
import _ "drawbridge/internal/backend/stdio"
-- internal/backend/stdio/stdio.go --
package stdio
`, []string{"internal/backend/remote/remote.go:2", "internal/endpoint/sse/sse.go:3", "internal/servers/memory/memory.go:2"}},
		{"bans", `
-- internal/gateway/gateway.go --
package gateway
import _ "net/http"
import _ "net/http/httptest"
import _ "net/netip"
-- internal/mcpwire/mcpwire.go --
package mcpwire
import _ "database/sql"
-- internal/config/config.go --
package config
-- internal/servers/servers.go --
package servers
-- internal/app/app.go --
package app
import _ "drawbridge/internal/config"
-- internal/httpd/httpd.go --
package httpd
import _ "net/http"
import _ "github.com/modelcontextprotocol/go-sdk/mcp"
import _ "modernc.org/sqlite"
`, []string{"internal/gateway/gateway.go:2", "internal/gateway/gateway.go:3", "internal/httpd/httpd.go:3", "internal/httpd/httpd.go:4", "internal/mcpwire/mcpwire.go:2"}},
		{"test packages only from tests", `
-- internal/gatewaytest/gatewaytest.go --
package gatewaytest
import _ "testing"
import _ "drawbridge/internal/app"
-- internal/app/app.go --
package app
import _ "drawbridge/internal/gatewaytest"
-- internal/app/app_test.go --
package app
import _ "drawbridge/internal/gatewaytest"
`, []string{"internal/app/app.go:2"}},
		{"a folder with a go.mod is another module", `
-- bench/mcpbench/go.mod --
module mcpbench
-- bench/mcpbench/main.go --
package main
import _ "drawbridge/internal/app"
`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			found := archtest.Layers(load(t, tt.archive), archtest.Rules, archtest.Bans)
			if diff := cmp.Diff(tt.want, places(found)); diff != "" {
				t.Errorf("findings (-want +got):\n%s\n%v", diff, found)
			}
		})
	}
}

func TestSource(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		check   func(*archtest.Tree) []archtest.Finding
		archive string
		want    []string
	}{
		{"environment", archtest.Environment, `
-- internal/config/config.go --
package config
import "os"
var _ = os.Getenv("HOME")
-- internal/store/store.go --
package store
import system "os"
var _ = system.Getenv("HOME")
var _, _ = system.LookupEnv("HOME")
var _ = system.Args
-- internal/store/store_test.go --
package store
import "os"
var _ = os.Getenv("HOME")
`, []string{"internal/store/store.go:3", "internal/store/store.go:4"}},
		{"init", archtest.Inits, `
-- internal/store/store.go --
package store
type t struct{}
func (t) init() {}
-- internal/store/store_test.go --
package store
func init() {}
`, []string{"internal/store/store_test.go:2"}},
		{"sleep", archtest.Sleeps, `
-- internal/store/store.go --
package store
import "time"
func Wait() { time.Sleep(1) }
-- internal/store/a_test.go --
package store
import "time"
func wait() { time.Sleep(1) }
-- internal/store/b_test.go --
package store
import ("testing/synctest"; "time")
var _ = synctest.Wait
func wait2() { time.Sleep(1) }
-- internal/store/c_test.go --
package store
import "time"
func strike() {
	// The moment is meant to be arbitrary.
	time.Sleep(1)
	time.Sleep(1)
}
-- test/image/harness.go --
package image
import "time"
func Wait() { time.Sleep(1) }
`, []string{"internal/store/a_test.go:3", "internal/store/c_test.go:6"}},
		{"package comments", archtest.PackageDocs, `
-- internal/store/store.go --
// Package store keeps things.
package store
-- internal/store/users.go --
package store
-- internal/auth/auth.go --
package auth
-- internal/fault/a.go --
// Package fault is one.
package fault
-- internal/fault/b.go --
// Package fault is two.
package fault
-- test/image/image_test.go --
// Package image_test runs the image.
package image_test
-- test/other/other_test.go --
package other_test
`, []string{"internal/auth", "internal/fault", "test/other"}},
		{"exported names", archtest.ExportedDocs, `
-- internal/store/store.go --
package store

// A has a comment.
type A struct{}

// First and Second share a comment.
func (A) First() string { return "" }
func (A) Second() string { return "" }

func (A) String() string { return "" }

func (A) Lost() string { return "" }

type hidden struct{}

func (hidden) Fine() {}

type B struct{}

// The constants.
const (
	C = 1
	D = 2
)

var (
	E = 1 // has a comment
	F = 2
	g = 3
)

func H() {}
`, []string{"internal/store/store.go:12", "internal/store/store.go:18", "internal/store/store.go:28", "internal/store/store.go:32"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			found := tt.check(load(t, tt.archive))
			if diff := cmp.Diff(tt.want, places(found)); diff != "" {
				t.Errorf("findings (-want +got):\n%s\n%v", diff, found)
			}
		})
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	lines := func(n int) string { return strings.Repeat("\n", n) }
	archive := "-- internal/store/long.go --\npackage store\nfunc (*T[K]) Long() {" + lines(100) + "}\n" +
		"-- internal/store/fits.go --\npackage store\nfunc Fits() {" + lines(99) + "}\n" +
		"-- internal/store/store_test.go --\npackage store\nfunc Test() {" + lines(700) + "}\n" +
		"-- internal/auth/file.go --\npackage auth\n" + lines(600) +
		"-- internal/auth/a.go --\npackage auth\n" + lines(500) +
		"-- internal/auth/b.go --\npackage auth\n" + lines(500) +
		"-- internal/auth/c.go --\npackage auth\n" + lines(500)
	exempt := map[string]string{
		"internal/auth":         "a reason",
		"internal/gone":         "a reason",
		"internal/auth/file.go": "",
	}
	want := []string{"internal/auth/file.go", "internal/gone", "internal/store/long.go T.Long"}
	found := archtest.Sizes(load(t, archive), exempt)
	if diff := cmp.Diff(want, places(found)); diff != "" {
		t.Errorf("findings (-want +got):\n%s\n%v", diff, found)
	}
}

func TestRequirements(t *testing.T) {
	t.Parallel()
	tree := load(t, `
-- go.mod --
module drawbridge // the name

go 1.26.0

require example.com/alone v1.0.0

require (
	example.com/used/v2 v2.0.0
	example.com/unused v1.0.0
	example.com/unknown v1.0.0
	example.com/indirect v1.0.0 // indirect
)

replace example.com/alone => ../alone
-- internal/store/store.go --
package store
import _ "example.com/alone"
import _ "example.com/used/v2/deep"
import _ "example.com/unknown"
`)
	allowed := map[string]string{
		"example.com/alone": "a reason", "example.com/used/v2": "a reason",
		"example.com/unused": "a reason", "example.com/stale": "a reason",
	}
	var got []string
	for _, f := range archtest.Requirements(tree, allowed) {
		got = append(got, f.Why)
	}
	slices.Sort(got)
	want := []string{
		"allows example.com/stale, which go.mod does not require: remove it",
		"replaces example.com/alone: others could not build it; wait for a release or copy what is needed",
		"requires example.com/unknown, which is not on the list of internal/archtest/rules.go: add it with its reason, or do without",
		"requires example.com/unused, which nothing imports",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

func TestFolders(t *testing.T) {
	t.Parallel()
	tree := load(t, "-- ARCHITECTURE.md --\n"+
		"| `internal/store` | keeps |\n| `internal/gone` | was |\n| `docs/` | explains |\n| `docs/` | again |\n"+
		`-- internal/store/store.go --
package store
-- internal/auth/auth.go --
package auth
-- docs/page.md --
-- deploy/unit.service --
-- .ci/run --
-- build/root/etc/passwd --
`)
	var got []string
	for _, f := range archtest.Folders(tree) {
		got = append(got, f.Why)
	}
	slices.Sort(got)
	want := []string{
		"does not list deploy in its folder table",
		"does not list internal/auth in its folder table",
		"lists docs twice",
		"lists internal/gone, which does not exist",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	// Put together here, so that this file does not hold them.
	bad := []string{"/wo" + "rk/main/x", "/ro" + "ot/.cache", "prox" + "y.golang.org", "the C" + "EO", "a sub" + "agent"}
	good := "/work/bench\nproxy\nCEOs\n/root/x\n"
	tree := load(t, "-- docs/page.md --\nfine\n"+strings.Join(bad, "\n")+"\n-- docs/good.md --\n"+good+
		"-- go.sum --\n"+bad[2]+"\n-- test/tools/package-lock.json --\n"+bad[2]+"\n-- .tools/x --\n"+bad[0]+"\n")
	want := []string{"docs/page.md:2", "docs/page.md:3", "docs/page.md:4", "docs/page.md:5", "docs/page.md:6"}
	if diff := cmp.Diff(want, places(archtest.Words(tree))); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

// Package speed_test compares the gateway with the least that a hop can cost: a plain
// reverse proxy of the standard library, in the same run on the same machine.
//
// The benchmarks hold the ratios of docs/reference/measurements.md and fail where
// one is not met; `make bench` runs them, with -update they rewrite that page.
// The tests make every kind of call once in anger and let no answer be wrong;
// with -calls they go on for as long as one likes.
package speed_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"drawbridge/test/harness"
)

// bed is a backend, and ways to it: directly, through the gateway, through a
// plain proxy, and through nginx where it is installed.
type bed struct {
	bench   string // path of mcpbench
	direct  target
	gateway target
	hop     target
	nginx   *target // nil where not installed
	fixed   *target // nil unless the list is compared
}

// target is one way to the backend.
type target struct {
	name string
	url  string // of /mcp
	pid  int
	key  bool
	tree bool // nginx: the workers count
}

func (t target) spec(more ...string) string {
	parts := []string{"name=" + t.name, "url=" + t.url}
	if t.key {
		parts = append(parts, "token="+harness.Key)
	}
	kind := "pid="
	if t.tree {
		kind = "tree="
	}
	parts = append(parts, kind+strconv.Itoa(t.pid))
	return strings.Join(append(parts, more...), ",")
}

// newBed starts one backend with the given number of tools, as bench behind the
// gateway, and what it is compared with.
func newBed(tb testing.TB, tools int) *bed {
	tb.Helper()
	b := &bed{bench: harness.Bench(tb)}
	b.direct = b.start(tb, "direct", "backend", "--tools", strconv.Itoa(tools))
	origin := strings.TrimSuffix(b.direct.url, "/mcp")
	b.hop = b.start(tb, "hop", "hop", "--to", origin, "--token", harness.Key)
	b.hop.key = true
	g := harness.Serve(tb, harness.Servers{"bench": {"url": b.direct.url}})
	b.gateway = target{name: "drawbridge", url: g.URL, pid: g.PID, key: true}
	b.nginx = startNginx(tb, origin)
	return b
}

func (b *bed) start(tb testing.TB, name, command string, args ...string) target {
	tb.Helper()
	addr := harness.FreeAddr(tb)
	p := harness.Start(tb, harness.Command(tb, b.bench, append([]string{command, "--addr", addr}, args...)))
	p.Await(tb, addr)
	return target{name: name, url: "http://" + addr + "/mcp", pid: p.PID}
}

// The limit in C: no access log, connections kept alive on both sides, buffers
// that keep a megabyte in memory, the key checked.
const nginxConf = `daemon off; worker_processes 2; pid %[1]s/pid; error_log %[1]s/error.log;
events { worker_connections 4096; }
http {
  access_log off; map_hash_bucket_size 256; keepalive_requests 100000000; client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  upstream backend { server %[2]s; keepalive 512; keepalive_requests 100000000; }
  map $http_authorization $known { default 0; "Bearer %[3]s" 1; }
  server {
    listen %[4]s; client_max_body_size 64m; client_body_buffer_size 8m;
    location / {
      if ($known = 0) { return 401; }
      proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffers 64 64k; proxy_buffer_size 64k; proxy_busy_buffers_size 1m; proxy_max_temp_file_size 0;
    }
  }
}
`

func startNginx(tb testing.TB, origin string) *target {
	tb.Helper()
	path, err := exec.LookPath("nginx")
	if err != nil {
		if path = "/usr/sbin/nginx"; exec.Command(path, "-v").Run() != nil {
			return nil
		}
	}
	dir := tb.TempDir()
	addr := harness.FreeAddr(tb)
	conf := fmt.Sprintf(nginxConf, dir, strings.TrimPrefix(origin, "http://"), harness.Key, addr)
	if os.Getuid() == 0 {
		conf = "user root; " + conf // its workers read the private folder
	}
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		tb.Fatal(err)
	}
	p := harness.Start(tb, harness.Command(tb, path, []string{"-c", file, "-p", dir, "-e", filepath.Join(dir, "error.log")}))
	p.Await(tb, addr)
	return &target{name: "nginx", url: "http://" + addr + "/mcp", pid: p.PID, key: true, tree: true}
}

// row is what mcpbench compare says of one target: medians over the rounds.
type row struct {
	Target       string  `json:"target"`
	Rounds       int     `json:"rounds"`
	Errors       int64   `json:"errors"`
	RPS          float64 `json:"requestsPerSecond"`
	OfDirect     float64 `json:"throughputOfDirect"`
	P50          float64 `json:"p50Ms"`
	P99          float64 `json:"p99Ms"`
	AddedP50     float64 `json:"addedP50Ms"`
	AddedFirst   float64 `json:"addedFirstEventMs,omitempty"`
	FirstEvent   float64 `json:"firstEventP50Ms,omitempty"`
	EventsGot    int64   `json:"eventsGot,omitempty"`
	EventsWanted int64   `json:"eventsWanted,omitempty"`
	CPU          float64 `json:"cpuSecondsPer1000,omitempty"`
	PeakMB       float64 `json:"rssPeakMB,omitempty"`
	Tools        int     `json:"tools,omitempty"`

	Notes []string `json:"notes,omitempty"`
}

// load is one kind of work for compare.
type load struct {
	name string
	args []string // of mcpbench compare
	tool string   // as the backend calls it; "" for a list
	// lists asks for tools/list, where the plain proxy is no reference.
	lists bool
}

var (
	echoLoad   = load{name: "echo", tool: "echo", args: []string{"--tool", "echo", "--concurrency", "16"}}
	modernLoad = load{name: "echo, 2026-07-28", tool: "echo", args: []string{"--tool", "echo", "--concurrency", "16", "--era", "2026-07-28"}}
	largeLoad  = load{name: "1 MB result", tool: "payload", args: []string{"--tool", "payload", "--bytes", "1048576", "--concurrency", "4"}}
	streamLoad = load{name: "progress", tool: "stream", args: []string{"--tool", "stream", "--events", "5", "--ms", "20", "--concurrency", "8", "--need-events"}}
	listLoad   = load{name: "list of 2,000 tools", args: []string{"--method", "tools/list", "--concurrency", "4"}, lists: true}
)

// compare runs one load over every target and gives the rows by target, and the
// whole answer of mcpbench.
// amount is mcpbench's --duration or --requests.
func (b *bed) compare(tb testing.TB, l load, rounds int, amount ...string) (map[string]row, json.RawMessage) {
	tb.Helper()
	args := slices.Concat([]string{"compare", "--json", "--rounds", strconv.Itoa(rounds)}, amount, l.args)
	args = append(args, "--direct", b.direct.spec())
	var more []string
	if l.tool != "" {
		more = []string{"tool=bench_" + l.tool}
	}
	args = append(args, "--target", b.gateway.spec(more...))
	if !l.lists {
		args = append(args, "--target", b.hop.spec())
	}
	if b.nginx != nil && !l.lists {
		args = append(args, "--target", b.nginx.spec())
	}
	if b.fixed != nil {
		args = append(args, "--target", b.fixed.spec())
	}
	var answer struct {
		Rows []row `json:"rows"`
	}
	raw := b.run(tb, args)
	if err := json.Unmarshal(raw, &answer); err != nil {
		tb.Fatalf("mcpbench compare: %v\n%s", err, raw)
	}
	rows := map[string]row{}
	for _, r := range answer.Rows {
		if r.Errors > 0 || r.Rounds != rounds {
			tb.Errorf("%s, %s: %d errors in %d of %d rounds: %v", l.name, r.Target, r.Errors, r.Rounds, rounds, r.Notes)
		}
		rows[r.Target] = r
	}
	return rows, raw
}

func (b *bed) run(tb testing.TB, args []string) []byte {
	tb.Helper()
	cmd := harness.Command(tb, b.bench, args)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		tb.Fatalf("mcpbench %s: %v\n%s%s", strings.Join(args, " "), err, &out, &errs)
	}
	return out.Bytes()
}

package ssh_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"drawbridge/internal/servers/kittest"
	"drawbridge/internal/servers/kittest/pagetest"
	"drawbridge/internal/servers/ssh"
	"drawbridge/internal/servers/ssh/sshdtest"
)

// The examples of the page are made in order, on two real sshd.
func TestHowTo(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	var log strings.Builder
	for i := range 500 {
		fmt.Fprintf(&log, "10:%02d:%02d %s GET /item/%d took=%dms\n", i/60, i%60, map[bool]string{true: "error", false: "info"}[i%100 == 99], i, 37*i%100)
	}
	var dump bytes.Buffer
	zip := gzip.NewWriter(&dump)
	_, err := zip.Write([]byte(strings.Repeat("INSERT INTO items VALUES (1);\n", 1000)))
	if err == nil {
		err = zip.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	put(t, s.web1, "app.log", log.String())
	put(t, s.web1, "site.conf", "server {\n  listen 80;\n  client_max_body_size 1m;\n}\n")
	put(t, s.web1, "app.dump", dump.String())
	srv, _ := s.suite().Open(t, kittest.Engines(ssh.Name)[0].Open(t), true)
	pagetest.HowTo{Page: "ssh.md", Client: kittest.NewClient(srv, "anna").Approving(),
		Shown:  []pagetest.Shown{{Real: s.web1.Home, As: "/home/drawbridge"}, {Real: s.web2.Home, As: "/home/drawbridge"}},
		Varies: []string{`"(uptime_seconds|cpus|memory_mb|memory_available_mb|took_ms)":\d+`, `"(system|load)":"[^"]*"`, `"(disks|top|failed_units)":\[[^{}]*({[^{}]*},?)*[^{}]*?"?\]`, `\b[a-z2-7]{16,}\b`, `bak-\d{8}T\d{6}Z`, `"bytes":\d+,"sha256":"[0-9a-f]{64}"`}}.Run(t)
}

// put makes a file in the account's home, as the account would.
func put(t *testing.T, host *sshdtest.Server, name, content string) {
	t.Helper()
	file := filepath.Join(host.Home, name)
	home, err := os.Stat(host.Home)
	if err == nil {
		err = os.WriteFile(file, []byte(content), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	owner := home.Sys().(*syscall.Stat_t) // as everywhere where sshd runs
	if err := os.Chown(file, int(owner.Uid), int(owner.Gid)); err != nil {
		t.Fatal(err)
	}
}

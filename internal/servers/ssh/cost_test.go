package ssh_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drawbridge/internal/servers/kittest"
	"drawbridge/internal/servers/kittest/pagetest"
	"drawbridge/internal/servers/ssh"
	"drawbridge/internal/servers/ssh/sshdtest"
)

// The other server is mcp-ssh-manager, the one with as wide a set of tools that npm has.
// Both are asked about the same host at the same time.
func TestCost(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte(s.web1.Key.Reveal()), 0o600); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	for i := range 2000 {
		level := "info"
		if i%400 == 399 {
			level = "error"
		}
		fmt.Fprintf(&log, "2026-11-29T10:%02d:%02d.%03dZ %s worker=%d request=%08x took=%dms\n", i/60%60, i%60, i%1000, level, i%8, i*2654435761, i%97)
	}
	file := filepath.Join(s.web1.Home, "app.log")
	if err := os.WriteFile(file, []byte(log.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	peer := kittest.StartPeer(t, "mcp-ssh-manager", "HOME="+t.TempDir(), "SSH_SERVER_WEB1_HOST=127.0.0.1", "SSH_SERVER_WEB1_USER="+sshdtest.Account,
		fmt.Sprintf("SSH_SERVER_WEB1_PORT=%d", s.web1.Port), "SSH_SERVER_WEB1_KEYPATH="+key)
	srv, _ := s.suite().Open(t, kittest.Engines(ssh.Name)[0].Open(t), false)
	c := kittest.NewClient(srv, "anna").Approving()
	ours := func(tool, args string) int { return pagetest.Spent(t, c.Must(t, tool, args, nil)) }
	theirs := func(tool, args string) int { return pagetest.SpentBy(t, peer, tool, args) }
	const printed = "it is what the host prints; here it stands between marks"
	pagetest.Costs(t, "ssh.md", []pagetest.Cost{
		{Question: "definitions of the tools", Ours: pagetest.Definitions(t, c), Theirs: pagetest.DefinitionsOf(t, peer),
			Because: "ours describe their results, too: 19 tools against 37"},
		{Question: "how the machine is", Ours: ours("get_system_summary", `{"hosts":["web1"]}`), Theirs: theirs("ssh_health_check", `{"server":"web1","detailed":true}`),
			Varies:  true,
			Because: "both sum up; ours has the failed units and the busiest processes, too"},
		{Question: "the errors in a log of 2,000 lines", Ours: ours("tail_log", `{"host":"web1","path":"`+file+`","lines":2000,"grep":"error"}`), Theirs: theirs("ssh_tail", `{"server":"web1","file":"`+file+`","lines":2000,"follow":false,"grep":"error"}`),
			Because: printed},
		{Question: "`df -h`", Ours: ours("run_readonly", `{"hosts":["web1"],"argv":["df","-h"]}`), Theirs: theirs("ssh_execute", `{"server":"web1","command":"df -h"}`), Varies: true, Because: printed},
		{Question: "the whole log", Ours: ours("run_readonly", `{"hosts":["web1"],"argv":["cat","`+file+`"]}`), Theirs: theirs("ssh_execute", `{"server":"web1","command":"cat `+file+`"}`),
			Because: "both cut it, at 12,000 and at 10,000 bytes; ours shows beginning and end"},
	})
}

package gatewaytest_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"drawbridge/internal/gatewaytest"
)

// processes are the ids of the processes whose environment holds text.
func processes(t *testing.T, text string) (pids []int) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil || len(all) == 0 {
		t.Skip("this needs a /proc file system")
	}
	for _, file := range all {
		env, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(env, []byte(text)) {
			continue // gone, or not ours
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// A stdio backend that comes and goes, in order and by kill -9, leaves nothing
// behind and is back each time; other backends' calls all succeed meanwhile.
func TestCycles_ofAProcess(t *testing.T) { // not parallel: it counts what the whole process holds
	name := fmt.Sprintf("victim%d", os.Getpid()) // found among all processes by this
	victim, pipe := gatewaytest.NewRogue(name, gatewaytest.R1125), gatewaytest.NewFake("pipe", gatewaytest.R2026)
	good := gatewaytest.NewFake("good", gatewaytest.R1125)
	others := fmt.Sprintf(`"good":{"url":%q},"pipe":%s`, good.HTTP(t), pipe.Stdio(t))
	without := `{"mcpServers":{` + others + `}}`
	with := `{"mcpServers":{` + others + `,"victim":{` + victim.Stdio(t) + `}}}`
	g := gatewaytest.Run(t, without)
	g.WaitTools("good_echo", "pipe_echo")
	client := g.Dial(gatewaytest.R2026)
	rest := newCrowd(g, "good_echo", "pipe_echo")

	reload := func(text string) {
		t.Helper()
		if err := g.Reload(text); err != nil {
			t.Fatal(err)
		}
	}
	answers := func() {
		t.Helper()
		g.WaitFor("the victim to answer", func() bool {
			return strings.Contains(client.Call("tools/call", `{"name":"victim_echo","arguments":{"text":"alive"}}`).Message, `"text":"alive"`)
		})
	}
	gone := func() {
		t.Helper()
		g.WaitFor("the process to be gone", func() bool { return len(processes(t, name)) == 0 })
	}
	restart := func() {
		reload(with)
		answers()
		reload(without)
		gone()
	}
	killed := map[int]bool{}
	kill := func() {
		pids := processes(t, name)
		if len(pids) != 1 || killed[pids[0]] {
			t.Fatalf("processes %v; killed before %v", pids, killed)
		}
		killed[pids[0]] = true
		if err := syscall.Kill(pids[0], syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		answers()
	}
	restarts, kills := 200, 50
	if testing.Short() || raceDetector { // with it a child takes a second to start; make test runs both
		restarts, kills = 10, 5
	}
	stop := rest.start(t)
	restart()
	reload(with)
	answers()
	kill()
	reload(without)
	gone()
	stop()
	before := holdings(t)
	stop = rest.start(t)
	for range restarts {
		restart()
	}
	reload(with)
	answers()
	for range kills {
		kill()
	}
	reload(without)
	gone()
	stop()
	before.compare(t)
}

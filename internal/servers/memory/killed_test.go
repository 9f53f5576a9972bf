package memory_test

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"drawbridge/internal/servers/kittest"
	"drawbridge/internal/servers/memory"
	"drawbridge/internal/store"
	"drawbridge/internal/store/storetest"
)

var (
	killedWrites = flag.Int("memory.writes", 200, "acknowledged writes that TestKilled waits for")
	writerDir    = flag.String("memory.writer", "", "set by TestKilled in the process that it kills: the folder to write in")
	writerRound  = flag.Int("memory.round", 0, "set beside it: names what this process writes")
)

// writesPerRound is after how many acknowledged writes a process is killed.
const writesPerRound = 67

// TestKilledWriter is the process that TestKilled kills. It writes until then and
// says what was acknowledged.
func TestKilledWriter(t *testing.T) {
	if *writerDir == "" {
		t.Log("only TestKilled starts it as a process of its own")
		return
	}
	srv, _ := suite().Open(t, storetest.Open(t, store.Config{StateDir: *writerDir}).Tables(memory.Name), true)
	c := kittest.NewClient(srv, "ann")
	for i := 0; ; i++ {
		name := fmt.Sprintf("e%d-%d", *writerRound, i)
		if i%2 == 0 {
			c.Must(t, "create_entities", `{"entities":[{"name":"`+name+`","entityType":"t","observations":["o"]}]}`, nil)
		} else {
			c.Must(t, "memory_bank_write", `{"projectName":"p","fileName":"`+name+`","content":"o"}`, nil)
		}
		fmt.Println("ack " + name)
	}
}

// Killed with kill -9 in the middle of writes, the server has lost none that it
// acknowledged, and the rest is whole.
func TestKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	acknowledged := map[string]bool{}
	for round := 0; len(acknowledged) < *killedWrites; round++ {
		writer := exec.Command(os.Args[0], "-test.run=^TestKilledWriter$", "-memory.writer="+dir, fmt.Sprintf("-memory.round=%d", round))
		out, err := writer.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := writer.Start(); err != nil {
			t.Fatal(err)
		}
		n := 0
		var said strings.Builder
		for lines := bufio.NewScanner(out); lines.Scan(); {
			name, ok := strings.CutPrefix(lines.Text(), "ack ")
			if !ok {
				said.WriteString(lines.Text() + "\n")
				continue
			}
			acknowledged[name] = true
			if n++; n == writesPerRound {
				if err := writer.Process.Kill(); err != nil { // SIGKILL; what it says until then still counts
					t.Fatal(err)
				}
			}
		}
		if err := writer.Wait(); err == nil || n < writesPerRound {
			t.Fatalf("the writer ended by itself after %d writes:\n%s", n, &said)
		}
	}
	srv, _ := suite().Open(t, storetest.Open(t, store.Config{StateDir: dir}).Tables(memory.Name), true)
	c := kittest.NewClient(srv, "ann")
	kept := map[string]bool{}
	for _, e := range readGraph(t, c).Entities {
		kept[e.Name] = len(e.Observations) == 1
	}
	for name := range strings.SplitSeq(c.Must(t, "list_project_files", `{"projectName":"p"}`, nil).Text, ",") {
		kept[name] = true
	}
	for name := range acknowledged {
		if !kept[name] {
			t.Errorf("%s was acknowledged and is lost", name)
		}
	}
	for name, whole := range kept {
		if !whole {
			t.Errorf("%s is kept by half", name)
		}
	}
	t.Logf("%d writes were acknowledged, %d are kept", len(acknowledged), len(kept))
}

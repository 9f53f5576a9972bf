package survey_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"drawbridge/internal/servers/ssh/survey"
)

func TestRead(t *testing.T) {
	t.Parallel()
	got := survey.Read(`motd that a profile prints
== system
Debian GNU/Linux 12 (bookworm) 6.1.0 x86_64
== uptime
86400
== load
0.10 0.20 0.30
== cpus
4
== memory
MemTotal:       16384000 kB
MemAvailable:    8192000 kB
SwapTotal:       2048000 kB
SwapFree:        1024000 kB
== disks
Filesystem     1024-blocks    Used Available Capacity Mounted on
/dev/sda1        102400000 5120000  97280000       5% /
//nas/share       20480000 1024000  19456000       6% /mnt/a b
== failed
backup.service
== top
  1 root  1.0  0.5 systemd
== reboot
yes
`)
	want := survey.Report{
		System: "Debian GNU/Linux 12 (bookworm) 6.1.0 x86_64", Uptime: 86400, Load: "0.10 0.20 0.30", CPUs: 4, Memory: 16000, Available: 8000, SwapUsed: 1000, Reboot: true,
		Disks:  []survey.Disk{{"/", 100000, 95000, 5}, {"/mnt/a b", 20000, 19000, 6}},
		Failed: []string{"backup.service"}, Top: []string{"1 root 1.0 0.5 systemd"},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(survey.Report{})); diff != "" {
		t.Error(diff)
	}
}

// What is shown as numbers is numbers, whatever a host sends.
func TestRead_load(t *testing.T) {
	t.Parallel()
	for _, load := range []string{"ignore all", "0.10 0.20 0.30 run it", "0.1 0.2", "0.10 0.20 x.30"} {
		if r := survey.Read("== load\n" + load + "\n"); r.Load != "" {
			t.Errorf("%q is taken for %q", load, r.Load)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add("== memory\nMemTotal: x\n== disks\na b c d e f\n== top\n\n== ")
	f.Fuzz(func(t *testing.T, output string) {
		if r := survey.Read(output); len(r.Disks)+len(r.Failed)+len(r.Top) > 90 || r.Memory < 0 {
			t.Errorf("%+v", r)
		}
	})
}

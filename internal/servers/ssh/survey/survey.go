// Package survey asks a host how it is with one script, and reads what it answers.
//
// The script needs a POSIX shell; what a system does not have is left out of its
// answer, and a line that is not understood is skipped: a host may send anything.
// The ssh server runs it; nothing here connects anywhere.
package survey

import (
	"strconv"
	"strings"

	"drawbridge/internal/servers/kit/pattern"
)

// Script prints what a Report is made of, in sections.
const Script = `echo "== system"; (. /etc/os-release 2>/dev/null; echo "${PRETTY_NAME:-$(uname -s)} $(uname -rm)"); ` +
	`echo "== uptime"; cut -d. -f1 /proc/uptime; echo "== load"; cut -d" " -f1-3 /proc/loadavg; echo "== cpus"; nproc; ` +
	`echo "== memory"; grep -E "^(MemTotal|MemAvailable|SwapTotal|SwapFree):" /proc/meminfo; ` +
	`echo "== disks"; df -P -k -x tmpfs -x devtmpfs -x overlay -x squashfs 2>/dev/null || df -P -k; ` +
	`echo "== failed"; systemctl --failed --no-legend --plain 2>/dev/null | cut -d" " -f1; ` +
	`echo "== top"; ps -eo pid,user,pcpu,pmem,comm --sort=-pcpu 2>/dev/null | sed -n 2,6p; ` +
	`echo "== reboot"; if [ -e /run/reboot-required ]; then echo yes; fi`

// Report is how a host is. What it did not tell is zero.
type Report struct {
	System    string
	Uptime    int64  // seconds
	Load      string // three numbers
	CPUs      int64
	Memory    int64 // MB, as the next two
	Available int64
	SwapUsed  int64
	Disks     []Disk
	Failed    []string // systemd units
	Top       []string // busiest processes
	Reboot    bool     // the system asks for one

	swapTotal int64
}

// Disk is one mounted file system, in MB and per cent.
type Disk struct {
	Mount            string
	Size, Free, Used int64
}

// loadRule is what the load looks like, proc(5) loadavg.
var loadRule = pattern.New(`^\d{1,6}\.\d\d \d{1,6}\.\d\d \d{1,6}\.\d\d$`)

// most bounds each list.
const most = 30

// Read reads the output of Script.
func Read(output string) (r Report) {
	section := ""
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if title, ok := strings.CutPrefix(line, "== "); ok {
			section = title
			continue
		}
		if line != "" {
			r.take(section, line)
		}
	}
	return r
}

// number is 0 for what is none.
func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

func (r *Report) take(section, line string) {
	fields := strings.Fields(line)
	switch section {
	case "system":
		r.System = line
	case "uptime":
		r.Uptime = number(line)
	case "load":
		if loadRule().MatchString(line) {
			r.Load = line
		}
	case "cpus":
		r.CPUs = number(line)
	case "memory":
		if len(fields) >= 2 {
			r.memory(fields[0], number(fields[1])/1024)
		}
	case "disks":
		if len(fields) >= 6 && number(fields[1]) > 0 && len(r.Disks) < most {
			r.Disks = append(r.Disks, Disk{strings.Join(fields[5:], " "), number(fields[1]) / 1024, number(fields[3]) / 1024, number(strings.TrimSuffix(fields[4], "%"))})
		}
	case "failed":
		if len(r.Failed) < most {
			r.Failed = append(r.Failed, line)
		}
	case "top":
		if len(r.Top) < most {
			r.Top = append(r.Top, strings.Join(fields, " "))
		}
	case "reboot":
		r.Reboot = line == "yes"
	}
}

func (r *Report) memory(key string, mb int64) {
	switch key {
	case "MemTotal:":
		r.Memory = mb
	case "MemAvailable:":
		r.Available = mb
	case "SwapTotal:":
		r.swapTotal = mb
	case "SwapFree:":
		r.SwapUsed = max(0, r.swapTotal-mb)
	}
}

package nas

import (
	"fmt"
	"strings"
	"time"
)

// Large is a system of a firm: Home and, beside it, three pools of 20 disks each, 300
// datasets with 60 snapshots each, 40 apps, 60 shares and 50 alerts.
func Large(at time.Time) *NAS {
	n := Home(at)
	n.Hostname, n.Memory, n.Cores = "archive", 512*gib, 64
	for p := range 3 {
		pool := &Pool{ID: 10 + p, Name: fmt.Sprintf("bulk%d", p), GUID: fmt.Sprintf("884422001192837%04d", p), Status: "ONLINE", Size: 200 * tib, Used: 150 * tib, Fragmented: 30 + p}
		for v := range 2 {
			dev := &VDev{Type: "RAIDZ2", Bad: map[string]Errors{}}
			for d := range 10 {
				name := fmt.Sprintf("sd%c%c", 'd'+rune(p*2+v), 'a'+rune(d))
				dev.Disks = append(dev.Disks, name)
				n.disk(name, fmt.Sprintf("ZL2%d%d%02d", p, v, d), "ST20000NM007D", "HDD", 20*tib, pool.Name, 38+d%5)
			}
			pool.Data = append(pool.Data, dev)
		}
		n.dataset(pool.Name, 200*mib, at)
		n.Pools = append(n.Pools, pool)
	}
	ill := n.Pool("bulk2")
	ill.Status, ill.Detail = "DEGRADED", "One or more devices are faulted in response to persistent errors. Sufficient replicas exist for the pool to continue functioning in a degraded state."
	ill.Data[1].Bad["sdie"] = Errors{Status: "FAULTED", Read: 118, Write: 44}
	ill.Scan = &Scan{Function: "RESILVER", State: "SCANNING", Percent: 41.7, Started: at.Add(-9 * time.Hour), Left: 45000}
	for i := range 300 {
		ds := fmt.Sprintf("bulk%d/projects/p%03d", i%3, i)
		if i < 3 {
			n.dataset(fmt.Sprintf("bulk%d/projects", i), 10*mib, at)
		}
		n.dataset(ds, int64(100+i)*gib, at)
		for day := 60; day > 0; day-- {
			n.snapshot(ds, at.AddDate(0, 0, -day), "auto-", int64(i%7+1)*gib)
		}
		if i%5 == 0 {
			n.SMB = append(n.SMB, SMBShare(100+i, fmt.Sprintf("Project %03d", i), "/mnt/"+ds))
		}
	}
	n.sort()
	for i := range 40 {
		name := fmt.Sprintf("app-%02d", i)
		a := &App{Name: name, Title: "App " + name, Train: "community", State: "RUNNING", Version: "1.0.0", Human: "4.2_1.0.0", Ports: map[int]int{80: 31000 + i}, Config: Row{},
			Containers: []*AppContainer{{ID: fmt.Sprintf("%064x", i+1), Service: "web", Image: "example/" + name + ":4.2"}}}
		for line := range 2000 {
			a.Containers[0].Logs = append(a.Containers[0].Logs, fmt.Sprintf("request %d took %d ms %s", line, line%90, strings.Repeat("x", 60)))
		}
		if i%3 == 0 {
			a.Latest, a.Newer = "1.1.0", []string{"1.1.0"}
		}
		n.Apps = append(n.Apps, a)
	}
	for i := range 50 {
		n.Alerts = append(n.Alerts, &Alert{ID: fmt.Sprintf("1d0f7f3e-70a4-4f4e-9f0d-%012d", i), Class: "SnapshotTotalCount", Level: []string{"INFO", "WARNING", "ERROR", "CRITICAL"}[i%4], At: at.Add(-time.Duration(i) * time.Hour),
			HTML: fmt.Sprintf("<p>Dataset <code>p%03d</code> &amp; children have <b>too many</b> snapshots.</p>", i), Text: "Too many snapshots."})
	}
	return n
}

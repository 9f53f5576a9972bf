package storage

import (
	"context"
	"fmt"
	"slices"

	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/truenas/api"
	"drawbridge/internal/servers/truenas/desk"
	"drawbridge/internal/servers/truenas/show"
)

// ListPoolsIn is the input of list_pools.
type ListPoolsIn struct {
	Name string `json:"name,omitempty" jsonschema:"One pool."`
}

// ListPoolsOut is its output.
type ListPoolsOut struct {
	Pools []poolRow `json:"pools"`
}

type poolRow struct {
	Name     string        `json:"name"`
	Status   string        `json:"status"`
	Healthy  bool          `json:"healthy"`
	Used     float64       `json:"used_percent"`
	Size     string        `json:"size"`
	Free     string        `json:"free"`
	Fragment int64         `json:"fragmentation,omitempty"`
	Scan     string        `json:"scan,omitempty"`
	Problems []string      `json:"problems,omitempty"`
	Detail   kit.Untrusted `json:"detail,omitempty"`
}

// ListPools is list_pools.
func (t Tools) ListPools(ctx context.Context, c *kit.Call, in ListPoolsIn) (out ListPoolsOut, err error) {
	s, err := t.Session(ctx, c)
	if err != nil {
		return out, err
	}
	pools, err := s.Pools(ctx, in.Name)
	for _, p := range pools {
		out.Pools = append(out.Pools, poolRow{show.Name(p.Name), p.Status, p.Healthy && !p.Warning, show.Percent(int64(p.Allocated), int64(p.Size)),
			show.Bytes(int64(p.Size)), show.Bytes(int64(p.Free)), int64(p.Fragment), ScanLine(p.Scan), problems(p), show.Note(p.StatusDetail)})
	}
	return out, err
}

// ScanLine is the last scrub or resilver in a line.
func ScanLine(s *api.Scan) string {
	if s == nil || s.Function == "" {
		return ""
	}
	line := s.Function + " " + s.State
	switch {
	case s.State == "SCANNING":
		line += fmt.Sprintf(" %.0f%%", s.Percentage)
		if s.Left != nil {
			line += fmt.Sprintf(", %d min left", *s.Left/60)
		}
	case !s.End.IsZero():
		line += " " + kit.Time(s.End.Time)
	}
	return fmt.Sprintf("%s, %d errors", line, s.Errors)
}

// uses of the parts of a pool, in the order in which they are shown.
var uses = []string{"data", "special", "dedup", "log", "cache", "spare"}

// problems are the parts of a pool that are not as they should be.
func problems(p api.Pool) (all []string) {
	for _, use := range uses {
		for _, v := range p.Topology[use] {
			all = append(all, faulty(use, v)...)
		}
	}
	return all
}

func faulty(where string, v api.Vdev) (all []string) {
	name := v.Disk
	if name == "" {
		name = v.Name
	}
	st := v.Stats
	bad := v.Status != "ONLINE" && v.Status != "AVAIL" && v.Status != ""
	if bad || st.Read+st.Write+st.Checksum > 0 {
		all = append(all, fmt.Sprintf("%s %s (%s): %s, errors read %d write %d checksum %d", where, show.Name(name), v.Type, v.Status, st.Read, st.Write, st.Checksum))
	}
	for _, child := range v.Children {
		all = append(all, faulty(where, child)...)
	}
	return all
}

type listDisksIn struct {
	Pool    string `json:"pool,omitempty" jsonschema:"Name."`
	Problem bool   `json:"problem_only,omitempty" jsonschema:"Faulty or hot."`
	kit.PageIn
}

type listDisksOut struct {
	Disks []diskRow `json:"disks"`
	kit.PageOut
}

type diskRow struct {
	Name    string   `json:"name"`
	Serial  string   `json:"serial,omitempty"`
	Model   string   `json:"model,omitempty"`
	Size    string   `json:"size"`
	Type    string   `json:"type,omitempty"`
	Pool    string   `json:"pool,omitempty"`
	Celsius *float64 `json:"celsius,omitempty"`
	Problem string   `json:"problem,omitempty"`
}

// hot is the temperature from which a disk counts as a problem; SSDs bear more.
const (
	hotDisk = 50
	hotSSD  = 70
)

func (t Tools) listDisks(ctx context.Context, c *kit.Call, in listDisksIn) (out listDisksOut, err error) {
	w, err := in.Window(desk.Rows)
	if err != nil {
		return out, err
	}
	s, err := t.Session(ctx, c)
	if err != nil {
		return out, err
	}
	if in.Pool != "" {
		if _, err := s.Pools(ctx, in.Pool); err != nil {
			return out, err
		}
	}
	disks, err := s.Disks(ctx)
	if err != nil {
		return out, err
	}
	disks = slices.DeleteFunc(disks, func(d api.Disk) bool { return in.Pool != "" && d.Pool != in.Pool })
	pools, err := s.Pools(ctx, "")
	if err != nil {
		return out, err
	}
	errs := map[string]string{}
	for _, p := range pools {
		for _, use := range uses {
			collect(p.Topology[use], errs)
		}
	}
	names := make([]string, len(disks))
	for i, d := range disks {
		names[i] = d.Name
	}
	heat, _ := s.Temperatures(ctx, names) // disks that sleep, or a virtual machine: shown without
	var rows []diskRow
	for _, d := range disks {
		row := diskRow{show.Name(d.Name), show.Name(d.Serial), show.Name(d.Model), show.Bytes(int64(d.Size)), d.Type, show.Name(d.Pool), heat[d.Name], errs[d.Name]}
		if h := row.Celsius; h != nil && row.Problem == "" && (*h >= hotSSD || *h >= hotDisk && d.Type != "SSD") {
			row.Problem = "hot"
		}
		if !in.Problem || row.Problem != "" {
			rows = append(rows, row)
		}
	}
	out.Disks, out.PageOut = kit.Cut(w, rows)
	return out, nil
}

// collect finds what is wrong with each disk.
func collect(parts []api.Vdev, errs map[string]string) {
	for _, v := range parts {
		st := v.Stats
		bad := v.Status != "ONLINE" && v.Status != "AVAIL" && v.Status != ""
		if v.Disk != "" && (bad || st.Read+st.Write+st.Checksum > 0) {
			errs[v.Disk] = fmt.Sprintf("%s, errors read %d write %d checksum %d", v.Status, st.Read, st.Write, st.Checksum)
		}
		collect(v.Children, errs)
	}
}

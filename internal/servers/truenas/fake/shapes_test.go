package fake_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"drawbridge/internal/servers/truenas/fake"
)

// models are names and types of members of the public models (truenas/middleware,
// src/middlewared/middlewared/api: pool, pool_dataset, pool_snapshot, app, service, vm,
// smb, nfs, update, boot_environments, reporting and pool_scrub of v25_10_2, alert of
// v25_10_0, virt_instance of v25_04_2, container, disk, core and auth of v26_0_0; ref 2.2
// for what one version has and another has not). "?" is null, "*" absent in some cases,
// "[" a list of, "{" an object of.
type models map[string]map[string]string

func readModels(t *testing.T) models {
	t.Helper()
	text, err := os.ReadFile("testdata/models.json")
	if err != nil {
		t.Fatal(err)
	}
	var m models
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// check tells where a value does not follow a type.
func (m models) check(at, kind string, v any) (faults []string) {
	kind = strings.TrimSuffix(kind, "*")
	kind, null := strings.CutSuffix(kind, "?")
	if v == nil {
		if !null && kind != "any" {
			return []string{at + " is null"}
		}
		return nil
	}
	if item, is := strings.CutPrefix(kind, "["); is {
		rows, ok := v.([]any)
		if !ok {
			return []string{fmt.Sprintf("%s is %T, no list", at, v)}
		}
		for i, row := range rows {
			faults = append(faults, m.check(fmt.Sprintf("%s[%d]", at, i), item, row)...)
		}
		return faults
	}
	o, isObject := v.(map[string]any)
	if item, is := strings.CutPrefix(kind, "{"); is {
		for name, row := range o {
			faults = append(faults, m.check(at+"."+name, item, row)...)
		}
		return faults
	}
	ok := true
	switch kind {
	case "string":
		_, ok = v.(string)
	case "int":
		n, is := v.(float64)
		ok = is && n == float64(int64(n))
	case "float":
		_, ok = v.(float64)
	case "bool":
		_, ok = v.(bool)
	case "list":
		_, ok = v.([]any)
	case "dict":
		ok = isObject
	case "date":
		_, ok = o["$date"].(float64)
	case "any":
	default:
		return m.object(at, kind, o)
	}
	if !ok {
		faults = append(faults, fmt.Sprintf("%s is %T %v, not %s", at, v, v, kind))
	}
	return faults
}

func (m models) object(at, kind string, o map[string]any) (faults []string) {
	def, known := m[kind]
	if !known || o == nil {
		return []string{fmt.Sprintf("%s: %q is no model, or this no object", at, kind)}
	}
	for name, v := range o {
		want, defined := def[name]
		if !defined {
			faults = append(faults, fmt.Sprintf("%s.%s is no member of %s", at, name, kind))
			continue
		}
		faults = append(faults, m.check(at+"."+name, want, v)...)
	}
	for name, want := range def {
		if _, there := o[name]; !there && !strings.HasSuffix(want, "*") {
			faults = append(faults, fmt.Sprintf("%s lacks %s of %s", at, name, kind))
		}
	}
	slices.Sort(faults)
	return faults
}

// TestShapes holds the answers of each version to the public models.
func TestShapes(t *testing.T) {
	t.Parallel()
	m := readModels(t)
	cpu := []any{[]any{map[string]any{"name": "cpu"}}, map[string]any{"unit": "HOUR"}}
	all := []fake.Version{fake.V2504, fake.V2510, fake.V26}
	recent := all[1:]
	peers := map[fake.Version]*peer{}
	for _, v := range all {
		peers[v] = admin(t, server(t, fake.Options{Version: v}))
	}
	for _, c := range []struct {
		method string
		params []any
		model  string
		in     []fake.Version
	}{
		{"pool.query", nil, "[PoolEntry", all},
		{"disk.query", nil, "[DiskEntry", all},
		{"pool.dataset.query", nil, "[PoolDatasetEntry", all},
		{"pool.dataset.create", []any{map[string]any{"name": "tank/new", "quota": 1 << 31, "comments": "x"}}, "PoolDatasetEntry", all},
		{"pool.dataset.update", []any{"tank/media", map[string]any{"compression": "ZSTD"}}, "PoolDatasetEntry", all},
		{"pool.dataset.attachments", []any{"tank/media"}, "[PoolAttachment", all},
		{"zfs.snapshot.query", nil, "[PoolSnapshotEntry", all[:1]},
		{"pool.snapshot.query", []any{[]any{}, map[string]any{"extra": map[string]any{"properties": []any{"used", "creation"}, "holds": true, "retention": true}}}, "[PoolSnapshotEntry", recent},
		{"pool.snapshot.create", []any{map[string]any{"dataset": "tank/media", "name": "x"}}, "PoolSnapshotEntry", recent},
		{"sharing.smb.query", nil, "[SmbShareEntry", recent},
		{"sharing.smb.create", []any{map[string]any{"name": "Photos", "path": "/mnt/tank/photos"}}, "SmbShareEntry", recent},
		{"sharing.nfs.query", nil, "[SharingNFSEntry", all},
		{"sharing.nfs.create", []any{map[string]any{"path": "/mnt/tank/docs"}}, "SharingNFSEntry", all},
		{"app.query", []any{[]any{}, map[string]any{"extra": map[string]any{"retrieve_config": true}}}, "[AppEntry", all},
		{"app.upgrade_summary", []any{"plex"}, "AppUpgradeSummaryResult", all},
		{"service.query", nil, "[ServiceEntry", all},
		{"vm.query", nil, "[VMEntry", all},
		{"virt.instance.query", nil, "[VirtInstanceEntry", all[:2]},
		{"container.query", nil, "[ContainerEntry", all[2:]},
		{"alert.list", nil, "[Alert", all},
		{"update.status", nil, "UpdateStatus", recent},
		{"update.available_versions", nil, "[UpdateAvailableVersion", recent},
		{"boot.environment.query", nil, "[BootEnvironmentEntry", all},
		{"reporting.graphs", nil, "[ReportingGraphsItem", all},
		{"reporting.get_data", cpu, "[ReportingGetDataResponse", all},
		{"pool.scrub.query", nil, "[PoolScrubEntry", all},
	} {
		for _, v := range c.in {
			got := peers[v].must(c.method, c.params...)
			if rows, is := got.([]any); is && len(rows) == 0 {
				t.Errorf("%s of %v: nothing to look at", c.method, v)
			}
			for _, f := range m.check(c.method, c.model, got) {
				t.Errorf("%s: %s", v.System(), f)
			}
		}
	}
}

// TestShapes_jobs is the same for jobs in every state, and for logging in.
func TestShapes_jobs(t *testing.T) {
	t.Parallel()
	m := readModels(t)
	s := server(t, fake.Options{Version: fake.V26})
	p := dial(t, s, "/api/current")
	in := p.call("auth.login_ex", map[string]any{"mechanism": "API_KEY_PLAIN", "username": fake.AdminUser, "api_key": fake.AdminKey})
	for _, f := range m.check("login", "AuthRespSuccess", in.Result) {
		t.Error(f)
	}
	p.must("app.start", "jellyfin")
	p.must("app.start", "nothing") // VALIDATION
	p.must("app.upgrade", "unifi") // CallError
	p.must("app.upgrade", "plex")  // with logs
	s.JobTakes("replication.run", 1e9)
	p.must("replication.run", 1) // runs, on a clock that a second is long for
	jobs, _ := p.must("core.get_jobs").([]any)
	if len(jobs) != 5 {
		t.Fatalf("%d jobs", len(jobs))
	}
	for _, f := range m.check("core.get_jobs", "[CoreGetJobsItem", jobs) {
		t.Error(f)
	}
}

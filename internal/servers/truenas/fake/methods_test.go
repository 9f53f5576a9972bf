package fake_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"drawbridge/internal/servers/truenas/fake"
)

// TestCalls is a table of calls, in order, and what each answers.
func TestCalls(t *testing.T) {
	t.Parallel()
	const (
		invalid = -32602
		failed  = -32001
	)
	p := admin(t, server(t, fake.Options{}))
	for _, c := range []struct {
		method, params string
		code           int
		says           string // part of the answer
	}{
		{"pool.dataset.create", `[{"name":"tank/docs"}]`, invalid, `["pool_dataset_create.name","tank/docs already exists",17]`},
		{"pool.dataset.create", `[{"name":"tank"}]`, invalid, `["pool_dataset_create.name","You need a full name, e.g. pool/newdataset",22]`},
		{"pool.dataset.create", `[{"name":"tank/a/b"}]`, invalid, `Parent dataset tank/a does not exist`},
		{"pool.dataset.create", `[{"name":"tank/secret/x"}]`, invalid, `tank/secret must be unlocked to create tank/secret/x.`},
		{"pool.dataset.create", `[{"name":"fast/vms/debian/x"}]`, invalid, `parent may not be a ZFS volume`},
		{"pool.dataset.create", `[{"name":"tank/x@y"}]`, invalid, `["data.name","Value error, Please provide a valid dataset name according to ZFS standards",22]`},
		{"pool.dataset.create", `[{"name":"tank/x","quota":1000}]`, invalid, `["data.quota","Input should be greater than or equal to 1073741824 or Input should be 0 or None",22]`},
		{"pool.dataset.create", `[{"name":"tank/x","compression":"lz4","colour":1}]`, invalid, `["data.colour","Extra inputs are not permitted",22]`},
		{"pool.dataset.create", `[{}]`, invalid, `["data.name","Field required",22]`},
		{"pool.dataset.create", `[{"name":"tank/v","type":"VOLUME"}]`, invalid, `["data.volsize","Field required",22]`},
		{"pool.dataset.create", `[{"name":"tank/v","type":"VOLUME","volsize":999}]`, invalid, `Volume size should be a multiple`},
		{"pool.dataset.create", `[{"name":"tank/x","encryption":true}]`, invalid, `Must be disabled when encryption is enabled.`},
		{"pool.dataset.create", `[{"name":"tank/a/b/c","create_ancestors":true,"share_type":"SMB","comments":"hi"}]`, 0, `"rawvalue":"nfsv4"`},
		{"pool.dataset.get_instance", `["tank/a/b"]`, 0, `"id":"tank/a/b"`},
		{"pool.dataset.get_instance", `["tank/no"]`, invalid, `[null,"PoolDataset tank/no does not exist",2]`},
		{"pool.dataset.query", `[[["id","=","tank/no"]],{"get":true}]`, failed, `"reason":"MatchNotFound()"`},
		{"pool.dataset.update", `["tank/no",{"atime":"ON"}]`, invalid, `["id","tank/no does not exist",2]`},
		{"pool.dataset.update", `["tank/a",{"volsize":16384}]`, invalid, `This field is not valid for FILESYSTEM`},
		{"pool.dataset.update", `["fast/vms/debian",{"volsize":16384}]`, invalid, `You cannot shrink a zvol`},
		{"pool.dataset.update", `["tank/a",{"share_type":"SMB"}]`, invalid, `Extra inputs are not permitted`},
		{"pool.dataset.update", `["tank/a",{"quota":2147483648}]`, 0, `"quota":{"parsed":2147483648,"rawvalue":"2147483648","source":"LOCAL"`},
		{"pool.dataset.update", `["tank/a",{"quota":null}]`, 0, `"quota":{"parsed":null,"rawvalue":"0","source":"DEFAULT"`},
		{"pool.dataset.delete", `["tank/a"]`, failed, `[ENOTEMPTY] Failed to delete dataset: cannot destroy 'tank/a': filesystem has children`},
		{"pool.dataset.delete", `["tank/a",{"recursive":true}]`, 0, `"result":true`},
		{"pool.dataset.delete", `["tank/a"]`, invalid, `PoolDataset tank/a does not exist`},
		{"pool.dataset.delete", `["fast/ix-apps"]`, invalid, `is an invalid location`},
		{"pool.dataset.attachments", `["tank/media"]`, 0, `{"attachments":["Media"],"service":"cifs","type":"SMB Share"}`},
		{"pool.dataset.delete", `["tank/media"]`, 0, `true`}, // takes the share along
		{"sharing.smb.query", `[[["name","=","Media"]],{"count":true}]`, 0, `"result":0`},

		{"pool.snapshot.create", `[{"dataset":"tank/docs"}]`, invalid, `data.PoolSnapshotCreateWithSchema.naming_schema`},
		{"pool.snapshot.create", `[{"dataset":"tank/no","name":"x"}]`, failed, `dataset not found`},
		{"pool.snapshot.create", `[{"dataset":"tank/docs","name":"x","recursive":true}]`, 0, `"snapshot_name":"x"`},
		{"pool.snapshot.create", `[{"dataset":"tank/docs","name":"x"}]`, failed, `dataset already exists`},
		{"pool.snapshot.create", `[{"dataset":"tank/docs","name":"x","suspend_vms":true}]`, invalid, `Extra inputs are not permitted`}, // of 26
		{"pool.snapshot.query", `[[["dataset","=","tank/docs/tax"]],{"select":["name"]}]`, 0, `[{"name":"tank/docs/tax@x"}]`},
		{"pool.snapshot.clone", `[{"snapshot":"tank/docs@x","dataset_dst":"tank/old"}]`, 0, `true`},
		{"pool.snapshot.delete", `["tank/docs@x"]`, failed, `snapshot has dependent clones`},
		{"pool.dataset.delete", `["tank/old"]`, 0, `true`},
		{"pool.snapshot.hold", `["tank/docs@x"]`, 0, `null`},
		{"pool.snapshot.delete", `["tank/docs@x"]`, failed, `dataset is busy`},
		{"pool.snapshot.release", `["tank/docs@x"]`, 0, `null`},
		{"pool.snapshot.delete", `["tank/docs@x",{"recursive":true}]`, 0, `true`},
		{"pool.snapshot.delete", `["tank/docs@x"]`, invalid, `PoolSnapshot tank/docs@x does not exist`},
		{"pool.snapshot.delete", `["tank/docs"]`, invalid, `Invalid snapshot name: 'tank/docs'`},

		{"sharing.smb.create", `[{"name":"docs","path":"/mnt/tank/docs"}]`, invalid, `["sharingsmb_create.name","Share with this name already exists.",17]`},
		{"sharing.smb.create", `[{"name":"x","path":"/home"}]`, invalid, `The path must reside within a pool mount point`},
		{"sharing.smb.create", `[{"name":"x","path":"/mnt/tank/nowhere"}]`, invalid, `This path does not exist.`},
		{"sharing.smb.create", `[{"name":"global","path":"/mnt/tank/docs"}]`, invalid, `reserved section name`},
		{"sharing.smb.create", `[{"name":"a/b","path":"/mnt/tank/docs"}]`, invalid, `String should match pattern`},
		{"sharing.smb.create", `[{"name":"x","path":"/mnt/tank/docs","ro":true}]`, invalid, `["data.ro","Extra inputs are not permitted",22]`},
		{"sharing.smb.create", `[{"name":"x","path":"/mnt/tank/docs","options":{}}]`, invalid, "You must set `purpose` if you set `options`."},
		{"sharing.smb.create", `[{"name":"Tax","path":"/mnt/tank/docs/tax","readonly":true}]`, 0, `"purpose":"DEFAULT_SHARE"`},
		{"sharing.smb.update", `[1000,{"enabled":false}]`, invalid, `SharingSMB 1000 does not exist`},
		{"sharing.smb.update", `[2,{"enabled":false}]`, 0, `"enabled":false`},
		{"sharing.smb.delete", `[2]`, 0, `true`},
		{"sharing.smb.delete", `["2"]`, invalid, `["id","Input should be a valid integer",22]`},
		{"sharing.nfs.create", `[{"path":"/mnt/tank/backup"}]`, invalid, `Another NFS share already exports`},
		{"sharing.nfs.create", `[{"path":"/mnt/tank/photos","security":["KRB6"]}]`, invalid, `["data.security.0","Input should be 'SYS', 'KRB5', 'KRB5I' or 'KRB5P'",22]`},
		{"sharing.nfs.create", `[{"path":"/mnt/tank/photos","networks":["192.0.2.0/24"]}]`, 0, `"networks":["192.0.2.0/24"]`},

		{"service.control", `["STOP","cifs"]`, 0, `"result":1`},
		{"service.query", `[[["service","=","cifs"]],{"get":true}]`, 0, `"state":"STOPPED"`},
		{"service.control", `["HALT","cifs"]`, invalid, `Input should be 'START', 'STOP', 'RESTART' or 'RELOAD'`},
		{"service.update", `["cifs",{"enable":false}]`, 0, `"result":4`},
		{"service.update", `[400,{"enable":false}]`, failed, `Service 400 not found.`},
		{"vm.start", `[1]`, failed, `debian is already running`},
		{"vm.start", `[2]`, 0, `null`},
		{"vm.start", `[3]`, invalid, `VM 3 does not exist`},
		{"vm.suspend", `[1]`, 0, `null`},
		{"vm.suspend", `[1]`, failed, `domain is not active`},
		{"virt.instance.stop", `["pihole"]`, invalid, `Timeout should be set if force is disabled`},
		{"virt.instance.stop", `["pihole",{"timeout":10}]`, 0, `"result":2`},
		{"alert.dismiss", `["6c1f7f3e-70a4-4f4e-9f0d-2d6c9a2f1b02"]`, 0, `null`},
		{"alert.dismiss", `[5]`, invalid, `Input should be a valid string`},
		{"boot.environment.destroy", `[{"id":"25.10.2"}]`, invalid, `Deleting the active boot environment is not allowed`},
		{"boot.environment.activate", `[{"id":"25.04.2"}]`, 0, `"activated":true`},
		{"boot.environment.keep", `[{"id":"nothing","value":true}]`, invalid, `'nothing' not found`},
		{"reporting.get_data", `[[]]`, invalid, `List should have at least 1 item after validation, not 0`},
		{"reporting.get_data", `[[{"name":"gpu"}]]`, invalid, `graphs.0.name`},
		{"reporting.get_data", `[[{"name":"disk"}],{"unit":"HOUR"}]`, failed, `identifier does not exist`},
		{"reporting.get_data", `[[{"name":"disk","identifier":"sda"}],{"unit":"DAY","aggregate":true}]`, 0, `"aggregations":{"max":{"reads":90`},
		{"pool.scrub.scrub", `["tank"]`, 0, `"result":3`},
		{"pool.query", `[[["name","=","tank"]],{"select":["scan.state"],"get":true}]`, 0, `{"scan":{"state":"FINISHED"}}`},
		{"disk.temperatures", `[["sda"]]`, 0, `{"sda":34}`},
		{"disk.query", `[[["pool","=","tank"]],{"count":true}]`, 0, `"result":0`}, // not without asking
		{"disk.query", `[[["pool","=","tank"]],{"count":true,"extra":{"pools":true}}]`, 0, `"result":2`},
		{"cronjob.query", `[]`, 0, `"command"`},
		{"filesystem.stat", `["/mnt/tank/docs"]`, 0, `"type":"DIRECTORY"`},
		{"filesystem.stat", `["/etc"]`, failed, `[ENOENT] Path /etc not found`},
		{"filesystem.listdir", `["/mnt/tank/docs",[],{"select":["name"]}]`, 0, `[{"name":"tax"}]`},
		{"interface.query", `[]`, 0, `"LINK_STATE_UP"`},
		{"system.info", `[]`, 0, `"version":"25.10.2"`},
	} {
		p.id++
		p.write(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":%s}`, p.id, c.method, c.params))
		m := p.next()
		raw := strings.ReplaceAll(m.raw, `<`, "<")
		if m.code() != c.code || !strings.Contains(raw, c.says) {
			t.Errorf("%s %s\nanswered %.900s\nwant %d %s", c.method, c.params, raw, c.code, c.says)
		}
		if m.Error == nil {
			continue
		}
		d := m.Error.Data
		if d == nil || d.Trace["class"] == "" || d.Trace["formatted"] == "" || d.Error == 0 || d.Errname == "" || (m.code() == invalid) != (d.Extra != nil) {
			t.Errorf("%s %s: data %s", c.method, c.params, raw)
		}
	}
}

// TestRollback: newer snapshots stand in the way, in the words of each release.
func TestRollback(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		version fake.Version
		space   string
		code    int
		says    string
	}{
		{fake.V2504, "zfs.snapshot", -32001, "[EFAULT] Failed to rollback snapshot: cannot rollback to 'tank/docs@a': more recent snapshots or bookmarks exist\nuse '-r' to force deletion of the following snapshots and bookmarks:\ntank/docs@b"},
		{fake.V2510, "pool.snapshot", -32001, "more recent snapshots or bookmarks exist"},
		{fake.V26, "pool.snapshot", -32602, "Cannot rollback: more recent snapshots or bookmarks exist. Please pass `recursive: true`"},
	} {
		s := server(t, fake.Options{Version: c.version})
		p := admin(t, s)
		for _, name := range []string{"a", "b"} {
			p.must(c.space+".create", map[string]any{"dataset": "tank/docs", "name": name})
		}
		names := func() string {
			rows := p.must(c.space+".query", []any{[]any{"dataset", "=", "tank/docs"}, []any{"snapshot_name", "in", []any{"a", "b"}}})
			return fmt.Sprint(len(rows.([]any)))
		}
		if m := p.call(c.space+".rollback", "tank/docs@a"); m.code() != c.code || !strings.Contains(m.reason(), c.says) || names() != "2" {
			t.Errorf("%s: %s", c.version.System(), m.raw)
		}
		p.must(c.space+".rollback", "tank/docs@b")
		p.must(c.space+".rollback", "tank/docs@a", map[string]any{"recursive": true})
		if names() != "1" {
			t.Errorf("%s: %s left", c.version.System(), names())
		}
	}
}

// TestSnapshots_26: properties only for who asks, and a select without dots.
func TestSnapshots_26(t *testing.T) {
	t.Parallel()
	p := admin(t, server(t, fake.Options{Version: fake.V26}))
	filters := []any{[]any{"dataset", "=", "tank/docs"}}
	has := func(options map[string]any) bool {
		row := p.must("pool.snapshot.query", filters, options).([]any)[0].(map[string]any)
		_, there := row["properties"]
		return there
	}
	if has(map[string]any{}) || !has(map[string]any{"extra": map[string]any{"properties": []any{"used"}}}) {
		t.Error("properties without asking, or none for who asks")
	}
	if has(map[string]any{"select": []any{"id", "properties.used"}, "extra": map[string]any{"properties": []any{"used"}}}) {
		t.Error("select looked into properties")
	}
	p = admin(t, server(t, fake.Options{Version: fake.V2510}))
	if !has(map[string]any{}) {
		t.Error("25.10 shows no properties")
	}
}

func TestRoles(t *testing.T) {
	t.Parallel()
	s := server(t, fake.Options{})
	reader, sharer := signedIn(t, s, fake.ReadUser, fake.ReadKey), signedIn(t, s, fake.ShareUser, fake.ShareKey)
	for _, c := range []struct {
		p      *peer
		method string
		params []any
		ok     bool
	}{
		{reader, "pool.query", nil, true}, {reader, "pool.snapshot.query", nil, true}, {reader, "alert.list", nil, true}, {reader, "system.info", nil, true}, {reader, "reporting.graphs", nil, true}, {reader, "core.get_jobs", nil, true},
		{reader, "service.control", []any{"STOP", "cifs"}, false}, {reader, "pool.dataset.create", nil, false}, {reader, "system.reboot", nil, false}, {reader, "alert.dismiss", []any{"x"}, false},
		{sharer, "pool.dataset.create", []any{map[string]any{"name": "tank/new"}}, true}, {sharer, "sharing.nfs.create", []any{map[string]any{"path": "/mnt/tank/new"}}, true},
		{sharer, "pool.dataset.delete", []any{"tank/new"}, false}, {sharer, "pool.snapshot.create", nil, false}, {sharer, "service.control", []any{"STOP", "cifs"}, false},
	} {
		m := c.p.call(c.method, c.params...)
		if c.ok != (m.code() == 0) || !c.ok && (m.reason() != "[EACCES] Not authorized" || m.Error.Data.Error != 13) {
			t.Errorf("%s: %.200s", c.method, m.raw)
		}
	}
	if s.Called("service.control") != 2 {
		t.Errorf("log: %d", s.Called("service.control"))
	}
	if m := reader.call("core.subscribe", "no.such.event"); m.reason() != "[EACCES] Not authorized" {
		t.Errorf("subscribe: %s", m.raw)
	}
}

// TestSMB_2504: before 25.10 the members were flat, and had other names.
func TestSMB_2504(t *testing.T) {
	t.Parallel()
	p := admin(t, server(t, fake.Options{Version: fake.V2504}))
	row := p.must("sharing.smb.query").([]any)[0].(map[string]any)
	_, options := row["options"]
	if row["ro"] != false || row["abe"] != false || row["guestok"] != false || options {
		t.Errorf("%v", row)
	}
	if m := p.call("sharing.smb.create", map[string]any{"name": "x", "path": "/mnt/tank/docs", "readonly": true}); m.code() != -32602 {
		t.Errorf("a member of 25.10: %s", m.raw)
	}
	if got := p.must("sharing.smb.create", map[string]any{"name": "x", "path": "/mnt/tank/docs", "ro": true}).(map[string]any); got["ro"] != true {
		t.Errorf("%v", got)
	}
	if got := p.must("sharing.smb.update", 1, map[string]any{"ro": true}).(map[string]any); got["ro"] != true {
		t.Errorf("%v", got)
	}
}

func TestLarge(t *testing.T) {
	t.Parallel()
	p := admin(t, server(t, fake.Options{Seed: fake.Large(start), Clock: fake.NewClock(start)}))
	for method, least := range map[string]float64{"disk.query": 60, "pool.dataset.query": 300, "pool.snapshot.query": 18000, "app.query": 40} {
		if n := p.must(method, []any{}, map[string]any{"count": true}); n.(float64) < least {
			t.Errorf("%s: %v", method, n)
		}
	}
	pool := p.must("pool.get_instance", 12).(map[string]any)
	text, err := json.Marshal(pool["topology"])
	if err != nil || pool["healthy"] != false || !strings.Contains(string(text), `"status":"FAULTED"`) {
		t.Errorf("bulk2: %v %v", pool["status"], err)
	}
	if m := p.call("pool.snapshot.query", []any{}, map[string]any{"limit": 20000}); m.code() != -32602 {
		t.Errorf("a limit of 20,000: %.200s", m.raw)
	}
}

package fake

import (
	"math"
	"slices"
	"strings"
	"time"

	"drawbridge/internal/servers/truenas/fake/call"
	"drawbridge/internal/servers/truenas/fake/fail"
	"drawbridge/internal/servers/truenas/fake/model"
	"drawbridge/internal/servers/truenas/fake/wire"
)

// subscription is one name that a connection listens to.
type subscription struct {
	name  string
	stop  func() // of a source
	app   string // whose log it follows
	where string // the container
}

// topics are what can be subscribed to, and the role it takes; "" for none (ref 2.2
// "Notifications").
var topics = map[string]string{
	"core.get_jobs": "", "alert.list": "ALERT_LIST_READ", "app.query": "APPS_READ", "pool.query": "POOL_READ",
	"pool.dataset.query": "DATASET_READ", "pool.snapshot.query": "SNAPSHOT_READ", "zfs.snapshot.query": "SNAPSHOT_READ",
	"service.query": "SERVICE_READ", "vm.query": "VM_READ", "virt.instance.query": "VIRT_INSTANCE_READ", "container.query": "CONTAINER_READ",
	"disk.query": "DISK_READ", "update.status": "SYSTEM_UPDATE_READ", "system.ready": "SYSTEM_GENERAL_READ", "system.shutdown": "SYSTEM_GENERAL_READ",
	"reporting.realtime": "REPORTING_READ", "app.stats": "APPS_READ", "app.container_log_follow": "APPS_READ",
}

var interval = model.Object{Name: "EventSourceArgs", Fields: []model.Arg{model.May("interval", model.AtLeast(2), int64(2))}}

// sources are topics that begin when somebody listens, with arguments after a colon.
var sources = map[string]model.Object{
	"reporting.realtime": interval, "app.stats": interval,
	"app.container_log_follow": {Name: "AppContainerLogsFollowTailEventSourceArgs", Fields: []model.Arg{
		model.May("tail_lines", model.OrNull(model.AtLeast(1)), int64(500)), model.Need("app_name", model.Text), model.Need("container_id", model.Text)}},
}

// Subscribe implements call.Session.
func (c *session) Subscribe(name string) (string, error) {
	short, arg, _ := strings.Cut(name, ":")
	role, known := topics[short]
	if !c.who.Admin() && (!known || role != "" && !c.who.May([]string{role})) {
		return "", fail.Call(fail.EACCES, "Not authorized")
	}
	id := newID()
	sub := &subscription{name: name, stop: func() {}}
	c.subs[id] = sub
	if shape, is := sources[short]; is {
		// After the answer: its failure ends the subscription, not the call.
		sub.stop = c.srv.later(0, func() {
			if err := c.begin(sub, short, arg, shape); err != nil {
				delete(c.subs, id)
				c.conn.Send(map[string]any{"jsonrpc": "2.0", "method": "notify_unsubscribed", "params": map[string]any{"collection": name, "error": fail.Of(err).Data()}})
			}
		})
	}
	return id, nil
}

// Unsubscribe implements call.Session. An id that is not there is no error.
func (c *session) Unsubscribe(id string) {
	if sub := c.subs[id]; sub != nil {
		sub.stop()
		delete(c.subs, id)
	}
}

// begin starts a source.
func (c *session) begin(sub *subscription, short, arg string, shape model.Object) error {
	given := any(map[string]any{})
	if arg != "" {
		v, err := wire.Decode([]byte(arg))
		if err != nil {
			return fail.Crash("JSONDecodeError", err.Error())
		}
		given = v
	}
	checked, err := model.Accept([]model.Arg{model.Need(short, shape)}, []any{given})
	if err != nil {
		return err
	}
	args := checked[0].(map[string]any)
	if short == "app.container_log_follow" {
		return c.follow(sub, args)
	}
	every := time.Duration(args["interval"].(int64)) * time.Second
	var tick func()
	tick = func() {
		var fields any = c.srv.realtime()
		if short == "app.stats" {
			fields = c.srv.appStats()
		}
		c.notify("added", sub.name, nil, fields)
		sub.stop = c.srv.later(every, tick)
	}
	tick()
	return nil
}

// follow sends the end of a log, and what is written from now on (truenas/middleware
// plugins/apps/logs.py).
func (c *session) follow(sub *subscription, args map[string]any) error {
	name, id := args["app_name"].(string), args["container_id"].(string)
	a := c.srv.nas.App(name)
	if a == nil {
		return fail.Missing("App %s does not exist", name)
	}
	if !slices.Contains([]string{"CRASHED", "RUNNING", "DEPLOYING"}, a.State) {
		return fail.Call(fail.EFAULT, "Unable to retrieve logs of stopped '%s' app", name)
	}
	for _, k := range a.Containers {
		if k.ID != id {
			continue
		}
		lines := k.Logs
		if n, ok := args["tail_lines"].(int64); ok {
			lines = lines[max(0, len(lines)-int(n)):]
		}
		sub.app, sub.where = name, id
		for _, l := range lines {
			c.logLine(sub, l)
		}
		return nil
	}
	return fail.Call(fail.ENOENT, "Container %q not found in app %q", id, name)
}

func (c *session) logLine(sub *subscription, line string) {
	c.notify("added", sub.name, nil, map[string]any{"data": line + "\n", "timestamp": c.srv.clock.Now().Format("2006-01-02 15:04:05.000000-07:00")})
}

// event tells a connection that something happened, if it listens to that.
func (c *session) event(kind, collection string, id, fields any) {
	for _, sub := range c.subs {
		if sub.name == collection || sub.name == "*" {
			c.notify(kind, collection, id, fields)
			return // once, however often it has subscribed
		}
	}
}

func (c *session) notify(kind, collection string, id, fields any) {
	params := map[string]any{"msg": kind, "collection": collection}
	if id != nil {
		params["id"] = id
	}
	if fields != nil && kind != "removed" {
		params["fields"] = fields
	}
	c.conn.Send(map[string]any{"jsonrpc": "2.0", "method": "collection_update", "params": params})
}

// realtime is what reporting.realtime shows (truenas/middleware api/v25_10_2/reporting.py
// ReportingRealtimeEventSourceEvent), in a gentle wave.
func (s *Server) realtime() map[string]any {
	wave := 20 + 10*math.Sin(float64(s.clock.Now().Unix()%60)/10)
	memory := s.nas.Memory
	return map[string]any{
		"cpu":        map[string]any{"cpu": map[string]any{"usage": wave, "temp": 45}},
		"disks":      map[string]any{"busy": 4.5, "read_bytes": 1048576.0, "write_bytes": 2097152.0, "read_ops": 20.0, "write_ops": 31.0},
		"interfaces": map[string]any{"enp1s0": map[string]any{"received_bytes_rate": 12000.0, "sent_bytes_rate": 480000.0, "link_state": "LINK_STATE_UP", "speed": 2500}},
		"memory":     map[string]any{"arc_size": memory / 2, "arc_free_memory": memory / 8, "arc_available_memory": memory / 9, "physical_memory_total": memory, "physical_memory_available": memory / 4},
		"zfs":        map[string]any{"demand_accesses_per_second": 900, "demand_data_hit_percentage": 97, "l2arc_hits_per_second": 0},
		"pools":      map[string]any{},
	}
}

func (s *Server) appStats() []any {
	rows := []any{}
	for _, a := range s.nas.Apps {
		if a.State == "RUNNING" {
			rows = append(rows, call.Row{"app_name": a.Name, "cpu_usage": 3, "memory": 314572800, "networks": []any{}, "blkio": call.Row{"read": 0, "write": 4096}})
		}
	}
	return rows
}

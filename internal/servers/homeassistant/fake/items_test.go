package fake_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"drawbridge/internal/servers/homeassistant/fake"
	"drawbridge/internal/servers/homeassistant/fake/house"
)

func TestTodo(t *testing.T) {
	t.Parallel()
	s, base := home(t, fake.Options{})
	c := enter(t, base, fake.UserToken)
	do := func(service string, data obj) {
		t.Helper()
		c.must("call_service", obj{"domain": "todo", "service": service, "target": obj{"entity_id": "todo.shopping"}, "service_data": data})
	}
	items := func() []any {
		t.Helper()
		return c.must("todo/item/list", obj{"entity_id": "todo.shopping"}).(obj)["items"].([]any)
	}
	do("add_item", obj{"item": " Salt ", "due_date": "2026-12-24", "description": "sea"})
	if s.State("todo.shopping") != "3" {
		t.Errorf("state is %s", s.State("todo.shopping"))
	}
	salt := items()[3].(obj)
	if salt["summary"] != "Salt" || salt["due"] != "2026-12-24" || salt["status"] != "needs_action" || salt["uid"] == nil || salt["completed"] != nil {
		t.Errorf("item is %v", salt)
	}
	do("update_item", obj{"item": salt["uid"], "status": "completed", "rename": "Sea salt"})
	if x := items()[3].(obj); x["summary"] != "Sea salt" || x["completed"] == nil {
		t.Errorf("item is %v", x)
	}
	c.must("todo/item/move", obj{"entity_id": "todo.shopping", "uid": salt["uid"]})
	if x := items()[0].(obj); x["uid"] != salt["uid"] {
		t.Errorf("first item is %v", x)
	}
	do("remove_item", obj{"item": []string{"Milk", salt["uid"].(string)}})
	do("remove_completed_items", obj{})
	if n := len(items()); n != 1 {
		t.Errorf("%d items left, want 1", n)
	}
	s.Look(func(h *house.House) { h.States["todo.shopping"].Attributes["supported_features"] = 15 })
	if code, text := c.fails("call_service", obj{"domain": "todo", "service": "add_item", "target": obj{"entity_id": "todo.shopping"}, "service_data": obj{"item": "x", "description": "y"}}); code != "service_validation_error" || text != "Validation error: Entity does not support setting field: description" {
		t.Errorf("%s %s", code, text)
	}
	if code, text := c.fails("call_service", obj{"domain": "todo", "service": "update_item", "target": obj{"entity_id": "todo.shopping"}, "service_data": obj{"item": "x"}}); code != "invalid_format" || text != "must contain at least one of rename, status, due_date, due_datetime, description." {
		t.Errorf("%s %s", code, text)
	}
}

func TestCalendar(t *testing.T) {
	t.Parallel()
	s, base := home(t, fake.Options{})
	c := enter(t, base, fake.UserToken)
	day := s.Now().AddDate(0, 0, 40)
	events := func() (list []obj) {
		t.Helper()
		q := url.Values{"start": {day.Format(time.DateOnly)}, "end": {day.AddDate(0, 0, 14).Format(time.DateOnly)}}
		_, body, _ := request(t, "GET", base+"/api/calendars/calendar.family?"+q.Encode(), fake.UserToken, "")
		if err := json.Unmarshal([]byte(body), &list); err != nil {
			t.Fatal(err)
		}
		return list
	}
	if n := len(events()); n != 2 { // a weekly event falls on two days of a fortnight
		t.Fatalf("%d events, want 2", n)
	}
	at := day.Format(time.DateOnly)
	c.must("calendar/event/create", obj{"entity_id": "calendar.family", "event": obj{"summary": "Party", "dtstart": at + "T18:00:00+01:00", "dtend": at + "T23:00:00+01:00"}})
	var party obj
	for _, e := range events() {
		if e["summary"] == "Party" {
			party = e
		}
	}
	if party["uid"] == nil || party["start"].(obj)["dateTime"] == nil {
		t.Fatalf("event is %v", party)
	}
	c.must("calendar/event/update", obj{"entity_id": "calendar.family", "uid": party["uid"], "event": obj{"summary": "Big party", "dtstart": at, "dtend": day.AddDate(0, 0, 1).Format(time.DateOnly)}})
	c.must("calendar/event/delete", obj{"entity_id": "calendar.family", "uid": party["uid"]})
	for _, tc := range []struct {
		kind    string
		members obj
		code    string
	}{
		{"calendar/event/delete", obj{"entity_id": "calendar.family", "uid": party["uid"]}, "failed"},
		{"calendar/event/create", obj{"entity_id": "calendar.nowhere", "event": obj{"summary": "x", "dtstart": at, "dtend": at}}, "not_found"},
		{"calendar/event/create", obj{"entity_id": "calendar.family", "event": obj{"summary": "x", "dtstart": at, "dtend": at}}, "invalid_format"},
		{"calendar/event/create", obj{"entity_id": "calendar.family", "event": obj{"summary": "x", "dtstart": at, "dtend": at + "T01:00:00Z"}}, "invalid_format"},
		{"calendar/event/create", obj{"entity_id": "calendar.family", "event": obj{"summary": "x", "dtstart": at}}, "invalid_format"},
		{"calendar/event/create", obj{"entity_id": "calendar.family", "event": obj{"summary": "x", "dtstart": at, "dtend": at, "rrule": "FREQ=HOURLY"}}, "invalid_format"},
	} {
		if code, text := c.fails(tc.kind, tc.members); code != tc.code {
			t.Errorf("%s %v: %s %s", tc.kind, tc.members, code, text)
		}
	}
	c.must("call_service", obj{"domain": "calendar", "service": "create_event", "target": obj{"entity_id": "calendar.family"}, "service_data": obj{"summary": "Run", "start_date_time": at + " 07:00:00", "end_date_time": at + " 08:00:00"}})
	got := c.must("call_service", obj{"domain": "calendar", "service": "get_events", "target": obj{"entity_id": "calendar.family"}, "return_response": true,
		"service_data": obj{"start_date_time": at, "duration": obj{"days": 1}}}).(obj)["response"].(obj)["calendar.family"].(obj)["events"].([]any)
	if len(got) == 0 {
		t.Error("the event of the service is not there")
	}
}

func TestStatistics(t *testing.T) {
	t.Parallel()
	s, base := home(t, fake.Options{})
	c := enter(t, base, fake.UserToken)
	if list := c.must("recorder/list_statistic_ids", obj{"statistic_type": "sum"}).([]any); len(list) != 1 || list[0].(obj)["statistic_id"] != "sensor.house_energy" || list[0].(obj)["mean_type"] != 0.0 {
		t.Errorf("sums are %v", list)
	}
	got := c.must("recorder/statistics_during_period", obj{"start_time": s.Now().AddDate(0, 0, -7).Format(time.RFC3339), "period": "day",
		"statistic_ids": []string{"sensor.house_energy", "sensor.outside_temperature", "light.hallway"}, "types": []string{"change", "mean", "sum"}}).(obj)
	energy, warm := got["sensor.house_energy"].([]any), got["sensor.outside_temperature"].([]any)
	if len(got) != 2 || len(energy) != 8 || energy[1].(obj)["change"].(float64) < 9 || energy[1].(obj)["state"] != nil || warm[1].(obj)["mean"] == nil || warm[1].(obj)["min"] != nil {
		t.Errorf("statistics are %v", got)
	}
	if ms := energy[1].(obj)["end"].(float64) - energy[1].(obj)["start"].(float64); ms < 23*3600e3 || ms > 25*3600e3 {
		t.Errorf("a day has %v ms", ms)
	}
	hours := c.must("recorder/statistics_during_period", obj{"start_time": s.Now().Add(-6 * time.Hour).Format(time.RFC3339), "period": "hour", "statistic_ids": []string{"sensor.house_power"}}).(obj)
	if n := len(hours["sensor.house_power"].([]any)); n != 6 {
		t.Errorf("%d hours, want the 6 that are over, the first one from its start", n)
	}
	if code, _ := c.fails("recorder/statistics_during_period", obj{"start_time": "2026-01-01", "period": "minute", "statistic_ids": []string{"x"}}); code != "invalid_format" {
		t.Error(code)
	}
}

// One statistic of a span, given in one of three ways.
func TestStatistics_ofOneSpan(t *testing.T) {
	t.Parallel()
	s, base := home(t, fake.Options{})
	c := enter(t, base, fake.UserToken)
	for name, period := range map[string]obj{
		"fixed":    {"fixed_period": obj{"start_time": s.Now().Add(-25 * time.Hour).Format(time.RFC3339), "end_time": s.Now().Add(-time.Hour).Format(time.RFC3339)}},
		"calendar": {"calendar": obj{"period": "day", "offset": -1}},
		"rolling":  {"rolling_window": obj{"duration": obj{"hours": 24}, "offset": obj{"hours": -1}}},
	} {
		period["statistic_id"] = "sensor.house_energy"
		got := c.must("recorder/statistic_during_period", period).(obj)
		if change, _ := got["change"].(float64); change < 9 || change > 10.5 || got["mean"] != nil { // 0.4 kWh an hour
			t.Errorf("%s: energy is %v", name, got)
		}
		period["statistic_id"], period["types"] = "sensor.outside_temperature", []string{"mean", "max"}
		got = c.must("recorder/statistic_during_period", period).(obj)
		if _, has := got["min"]; has || got["mean"] == nil || got["mean"].(float64) > got["max"].(float64) {
			t.Errorf("%s: temperature is %v", name, got)
		}
	}
	if code, text := c.fails("recorder/statistic_during_period", obj{"statistic_id": "sensor.house_energy", "calendar": obj{"period": "day"}, "fixed_period": obj{}}); code != "invalid_format" || !strings.HasPrefix(text, "two or more values in the same group of exclusion 'period'") {
		t.Errorf("%s %s", code, text)
	}
}

func TestTemplate(t *testing.T) {
	t.Parallel()
	s, base := home(t, fake.Options{})
	c := enter(t, base, fake.UserToken)
	c.must("render_template", obj{"template": "{{ states('sensor.outside_temperature') | float + add }}", "variables": obj{"add": 2}})
	id := c.id
	if e := c.read()["event"].(obj); e["result"] != 10.1 || e["listeners"].(obj)["entities"].([]any)[0] != "sensor.outside_temperature" {
		t.Errorf("event is %v", e)
	}
	s.Press("sensor.outside_temperature", "9", nil)
	if e := c.read()["event"].(obj); e["result"] != 11.0 {
		t.Errorf("event is %v", e)
	}
	c.must("unsubscribe_events", obj{"subscription": id})
	c.must("render_template", obj{"template": "{{ nothing }}", "strict": true, "report_errors": true})
	if e := c.read()["event"].(obj); e["error"] != "UndefinedError: 'nothing' is undefined" || e["level"] != "ERROR" {
		t.Errorf("event is %v", e)
	}
	if code, _ := c.fails("render_template", obj{"template": "{{ 1"}); code != "template_error" {
		t.Error(code)
	}
	for text, want := range map[string]any{
		"{{ is_state('light.hallway', 'off') }}":                      true,
		"{{ state_attr('light.living_room_ceiling', 'brightness') }}": 180.0,
		"{{ 'Kitchen' | lower }} {{ 3 * 2 }}":                         "kitchen 6",
		"{{ area_entities('garage') | join(', ') }}":                  "cover.garage_door, switch.car_charger",
		"{{ states('light.nowhere') }}":                               "unknown",
		"{{ states.light.hallway }}":                                  "off",
		"{{ area_entities('garage') }}":                               nil,
	} {
		c.must("render_template", obj{"template": text})
		if e := c.read()["event"].(obj); want != nil && e["result"] != want {
			t.Errorf("%s: %v, want %v", text, e["result"], want)
		}
	}
}

// A backup takes a minute, with stages for those who listen.
func TestBackup(t *testing.T) {
	t.Parallel()
	s, base := home(t, fake.Options{})
	c := enter(t, base, fake.AdminToken)
	c.must("backup/subscribe_events", nil)
	if e := c.read()["event"].(obj); e["manager_state"] != "idle" {
		t.Errorf("first event is %v", e)
	}
	if code, _ := c.fails("backup/generate", obj{"agent_ids": []string{"cloud.x"}}); code != "home_assistant_error" {
		t.Error(code)
	}
	job := c.must("backup/generate", obj{"agent_ids": []string{"backup.local"}, "name": "Before the change"}).(obj)["backup_job_id"].(string)
	s.Advance(time.Minute)
	last := obj{}
	for last["manager_state"] != "idle" {
		last = c.read()["event"].(obj)
	}
	list := c.must("backup/info", nil).(obj)["backups"].([]any)
	if x := list[len(list)-1].(obj); x["name"] != "Before the change" || job == "" {
		t.Errorf("backups are %v", list)
	}
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	s, base := home(t, fake.Options{})
	c := enter(t, base, fake.AdminToken)
	if notes := c.must("update/release_notes", obj{"entity_id": "update.hue_bridge"}); notes == "" {
		t.Error("no notes")
	}
	install := obj{"domain": "update", "service": "install", "target": obj{"entity_id": "update.hue_bridge"}}
	c.must("call_service", install)
	if s.Attribute("update.hue_bridge", "in_progress") != true {
		t.Error("not in progress")
	}
	if code, text := c.fails("call_service", install); code != "home_assistant_error" || text != "Update installation already in progress for update.hue_bridge" {
		t.Errorf("%s %s", code, text)
	}
	s.Advance(30 * time.Second)
	if s.State("update.hue_bridge") != "off" || s.Attribute("update.hue_bridge", "installed_version") != "1.5.0" {
		t.Errorf("state is %s", s.State("update.hue_bridge"))
	}
}

// Everything else that answers: the shape that a client reads has the members it needs.
func TestShapes(t *testing.T) {
	t.Parallel()
	_, base := home(t, fake.Options{})
	c := enter(t, base, fake.AdminToken)
	for _, tc := range []struct {
		kind    string
		members obj
		path    []any
		want    any
	}{
		{"config_entries/get", obj{"domain": "met"}, []any{0, "state"}, "setup_retry"},
		{"repairs/list_issues", nil, []any{"issues", 0, "issue_id"}, "deprecated_yaml"},
		{"system_log/list", nil, []any{0, "source", 0}, "components/met/coordinator.py"},
		{"lovelace/dashboards/list", nil, []any{0, "url_path"}, "dashboard-energy"},
		{"lovelace/config", obj{"url_path": nil}, []any{"views", 0, "title"}, "Home"},
		{"auth/current_user", nil, []any{"is_admin"}, true},
		{"person/list", nil, []any{"storage", 0, "name"}, "Ada"},
		{"input_number/list", nil, []any{0, "max"}, 25.0},
		{"conversation/process", obj{"text": "turn on the hallway light"}, []any{"response", "response_type"}, "action_done"},
		{"conversation/process", obj{"text": "sing"}, []any{"response", "data", "code"}, "no_intent_match"},
		{"validate_config", obj{"triggers": obj{"trigger": "state"}}, []any{"triggers", "error"}, "required key not provided @ data[0]['entity_id']"},
		{"validate_config", obj{"conditions": []any{obj{"condition": "state", "entity_id": "light.hallway", "state": "on"}}}, []any{"conditions", "valid"}, true},
		{"test_condition", obj{"condition": obj{"condition": "numeric_state", "entity_id": "sensor.outside_temperature", "above": 5}}, []any{"result"}, true},
		{"get_services_for_target", obj{"target": obj{"entity_id": "lock.front_door"}}, []any{0}, "homeassistant.toggle"},
		{"search/related", obj{"item_type": "area", "item_id": "living_room"}, []any{"script", 0}, "script.good_night"},
		{"search/related", obj{"item_type": "entity", "item_id": "switch.tv_socket"}, []any{"floor", 0}, "ground_floor"},
		{"script/config", obj{"entity_id": "script.good_night"}, []any{"config", "alias"}, "Good night"},
		{"get_services", nil, []any{"todo", "get_items", "response", "optional"}, false},
	} {
		v := c.must(tc.kind, tc.members)
		for _, p := range tc.path {
			switch p := p.(type) {
			case string:
				v = v.(obj)[p]
			case int:
				v = v.([]any)[p]
			}
		}
		if v != tc.want {
			t.Errorf("%s %v: %v is %v, want %v", tc.kind, tc.members, tc.path, v, tc.want)
		}
	}
}

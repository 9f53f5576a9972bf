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

// REST: statuses and bodies, odd ones first of all (components/api/__init__.py,
// components/config/view.py, helpers/http.py, aiohttp).
func TestREST(t *testing.T) {
	t.Parallel()
	_, base := home(t, fake.Options{})
	admin, ben, nobody := fake.AdminToken, fake.UserToken, ""
	for _, tc := range []struct {
		method, path, token, body string
		status                    int
		want                      string // the whole body, or with "..." its beginning
	}{
		{"GET", "/api/", nobody, "", 401, "401: Unauthorized"},
		{"GET", "/api/", "wrong", "", 401, "401: Unauthorized"},
		{"GET", "/api", admin, "", 404, "404: Not Found"},
		{"GET", "/api/nothing", nobody, "", 404, "404: Not Found"},
		{"PUT", "/api/config", admin, "", 405, "405: Method Not Allowed"},
		{"GET", "/api/core/state", ben, "", 200, `{"recorder_state":{"migration_in_progress":false,"migration_is_live":false},"state":"RUNNING"}`},
		{"GET", "/api/states/light.nowhere", ben, "", 404, `{"message":"Entity not found."}`},
		{"GET", "/api/states/light.hallway", ben, "", 200, `{"attributes":{...`},
		{"POST", "/api/states/sensor.mine", ben, `{"state":"1"}`, 401, "401: Unauthorized"},
		{"POST", "/api/states/sensor.mine", admin, `{"attributes":{}}`, 400, `{"message":"No state attribute specified."}`},
		{"POST", "/api/states/sensor.mine", admin, `[]`, 400, `{"message":"State data should be a JSON object"}`},
		{"POST", "/api/states/mine", admin, `{"state":"1"}`, 400, `{"message":"Invalid entity ID specified."}`},
		{"POST", "/api/states/sensor.mine", admin, `{"state":"1"}`, 201, `{"attributes":{},...`},
		{"POST", "/api/states/sensor.mine", admin, `{"state":"2"}`, 200, `{"attributes":{},...`},
		{"DELETE", "/api/states/sensor.mine", admin, "", 200, `{"message":"Entity removed."}`},
		{"DELETE", "/api/states/sensor.mine", admin, "", 404, `{"message":"Entity not found."}`},

		{"POST", "/api/services/light/dance", admin, `{}`, 400, "400: Bad Request"},
		{"POST", "/api/services/light/turn_on", admin, `{"entity_id":`, 400, `{"message":"Data should be valid JSON."}`},
		{"POST", "/api/services/light/turn_on", admin, `{}`, 400, "400: Bad Request"},
		{"POST", "/api/services/light/turn_on", admin, `{"entity_id":"light.hallway","foo":1}`, 400, "400: Bad Request"},
		{"POST", "/api/services/light/turn_on", admin, `{"target":{"entity_id":"light.hallway"}}`, 400, "400: Bad Request"},
		{"POST", "/api/services/light/turn_on?return_response", admin, `{"entity_id":"light.hallway"}`, 400, `{"message":"Service does not support responses. Remove return_response from request."}`},
		{"POST", "/api/services/todo/get_items", admin, `{"entity_id":"todo.shopping"}`, 400, `{"message":"Service call requires responses but caller did not ask for responses. Add ?return_response to query parameters."}`},
		{"POST", "/api/services/todo/remove_item", admin, `{"entity_id":"todo.shopping","item":"Gold"}`, 500, "500 Internal Server Error\n\nServer got itself in trouble"},
		{"POST", "/api/services/light/turn_on", fake.GuestToken, `{"entity_id":"light.hallway"}`, 401, "401: Unauthorized"},
		{"POST", "/api/services/light/turn_on", ben, `{"entity_id":"light.nowhere"}`, 200, `[]`},
		{"POST", "/api/services/light/turn_on", ben, `{"entity_id":"light.hallway"}`, 200, `[{"attributes":...`},
		{"POST", "/api/services/todo/get_items?return_response", ben, `{"entity_id":"todo.shopping"}`, 200, `{"changed_states":[],"service_response":{"todo.shopping":{"items":[...`},

		{"POST", "/api/template", ben, `{"template":"x"}`, 401, "401: Unauthorized"},
		{"POST", "/api/template", admin, `{"template":"{{ states('light.living_room_ceiling') }} in {{ area_name('light.living_room_ceiling') }}"}`, 200, "on in Living Room"},
		{"POST", "/api/template", admin, `{"template":"{{ foo('x') }}"}`, 400, `{"message":"Error rendering template: UndefinedError: 'foo' is undefined"}`},
		{"POST", "/api/template", admin, `{"template":"{{ 1"}`, 400, `{"message":"Error rendering template: TemplateSyntaxError...`},
		{"POST", "/api/template", admin, `{"text":"x"}`, 500, "500 Internal Server Error\n\nServer got itself in trouble"},
		{"POST", "/api/template", admin, `[1]`, 400, `{"message":"Template data should be a JSON object"}`},

		{"GET", "/api/history/period", ben, "", 400, `{"message":"filter_entity_id is missing"}`},
		{"GET", "/api/history/period/yesterday?filter_entity_id=light.hallway", ben, "", 400, `{"message":"Invalid datetime"}`},
		{"GET", "/api/history/period?filter_entity_id=light.hallway&end_time=x", ben, "", 400, `{"message":"Invalid end_time"}`},
		{"GET", "/api/history/period?filter_entity_id=Nothing%20Here", ben, "", 400, `{"message":"Invalid filter_entity_id"}`},
		{"GET", "/api/history/period?filter_entity_id=light.nowhere", ben, "", 200, `[]`},
		{"GET", "/api/logbook/x", ben, "", 400, `{"message":"Invalid datetime"}`},
		{"GET", "/api/calendars", ben, "", 200, `[{"entity_id":"calendar.family","name":"Family"}]`},
		{"GET", "/api/calendars/calendar.family", ben, "", 400, ""},
		{"GET", "/api/calendars/calendar.nowhere?start=2026-01-01&end=2026-01-02", ben, "", 400, ""},
		{"GET", "/api/error_log", ben, "", 401, "401: Unauthorized"},

		{"GET", "/api/camera_proxy/camera.front_door", ben, "", 200, "\xff\xd8..."},
		{"GET", "/api/camera_proxy/camera.front_door?token=made-up-camera-token", nobody, "", 200, "\xff\xd8..."},
		{"GET", "/api/camera_proxy/camera.front_door", nobody, "", 403, "403: Forbidden"},
		{"GET", "/api/camera_proxy/camera.front_door", "wrong", "", 401, "401: Unauthorized"},
		{"GET", "/api/camera_proxy/camera.nowhere", ben, "", 404, "404: Not Found"},

		{"POST", "/api/events/ring", admin, `[]`, 400, `{"message":"Event data should be a JSON object"}`},
		{"POST", "/api/events/ring", admin, `{"n":1}`, 200, `{"message":"Event ring fired."}`},
		{"POST", "/api/config/core/check_config", admin, "", 200, `{"errors":null,"result":"valid","warnings":null}`},
		{"POST", "/api/config/config_entries/entry/01MET/reload", admin, "", 200, `{"require_restart":false}`},
		{"POST", "/api/config/config_entries/entry/xx/reload", admin, "", 404, `{"message":"Invalid entry specified"}`},

		{"GET", "/api/config/automation/config/1730000000001", ben, "", 401, "401: Unauthorized"},
		{"GET", "/api/config/automation/config/alarm_siren", admin, "", 404, `{"message":"Resource not found"}`}, // of a package
		{"DELETE", "/api/config/automation/config/alarm_siren", admin, "", 400, `{"message":"Resource not found"}`},
		{"POST", "/api/config/automation/config/1", admin, `{`, 400, `{"message":"Invalid JSON specified"}`},
		{"POST", "/api/config/automation/config/1", admin, `[]`, 400, `{"message":"Message malformed: expected a dictionary"}`},
		{"POST", "/api/config/automation/config/1", admin, `{"alias":"x","triggers":[]}`, 400, `{"message":"Message malformed: required key not provided @ data['actions']"}`},
		{"POST", "/api/config/automation/config/1", admin, `{"alias":"x","triggers":[],"actions":[],"foo":1}`, 400, `{"message":"Message malformed: extra keys not allowed @ data['foo']"}`},
		{"POST", "/api/config/automation/config/1", admin, `{"triggers":[{"trigger":"magic"}],"actions":[]}`, 400, `{"message":"Message malformed: Invalid trigger 'magic' specified"}`},
		{"POST", "/api/config/automation/config/1", admin, `{"triggers":[],"actions":[{"foo":1}]}`, 400, `{"message":"Message malformed: Unable to determine action @ data['actions'][0]"}`},
		{"POST", "/api/config/automation/config/1", admin, `{"triggers":[],"trigger":[],"actions":[]}`, 400, `{"message":"Message malformed: Cannot specify both 'trigger' and 'triggers'. Please use 'triggers' only."}`},
		{"POST", "/api/config/automation/config/1", admin, `{"triggers":[],"actions":[],"mode":"fast"}`, 400, `{"message":"Message malformed: value must be one of ['parallel', 'queued', 'restart', 'single'] for dictionary value @ data['mode']"}`},
		{"POST", "/api/config/script/config/Good Night", admin, `{"sequence":[]}`, 400, `{"message":"Key malformed: invalid slug Good Night (try good_night)"}`},
		{"POST", "/api/config/scene/config/1", admin, `{"name":"x"}`, 400, `{"message":"Message malformed: required key not provided @ data['entities']"}`},
		{"GET", "/api/config/light/config/1", admin, "", 404, "404: Not Found"},
	} {
		status, body, _ := request(t, tc.method, base+strings.ReplaceAll(tc.path, " ", "%20"), tc.token, tc.body)
		body = strings.ReplaceAll(body, `\u0026`, "&")
		ok := body == tc.want
		if begin, cut := strings.CutSuffix(tc.want, "..."); cut {
			ok = strings.HasPrefix(body, begin)
		}
		if status != tc.status || !ok {
			t.Errorf("%s %s %s\n got %d %.200s\nwant %d %s", tc.method, tc.path, tc.body, status, body, tc.status, tc.want)
		}
	}
}

// An automation through its editor: what was written can be read, has an entity, and goes.
func TestREST_automation(t *testing.T) {
	t.Parallel()
	s, base := home(t, fake.Options{})
	c := enter(t, base, fake.AdminToken)
	path := base + "/api/config/automation/config/1767000000000"
	body := `{"alias":"Coffee at seven","triggers":[{"trigger":"time","at":"07:00:00"}],"actions":[{"action":"switch.turn_on","target":{"entity_id":"switch.coffee_machine"}}]}`
	if status, got, _ := request(t, "POST", path, fake.AdminToken, body); status != 200 || got != `{"result":"ok"}` {
		t.Fatalf("write: %d %s", status, got)
	}
	if s.State("automation.coffee_at_seven") != "on" || s.Attribute("automation.coffee_at_seven", "id") != "1767000000000" {
		t.Fatalf("state is %q", s.State("automation.coffee_at_seven"))
	}
	_, got, _ := request(t, "GET", path, fake.AdminToken, "")
	var back obj
	if err := json.Unmarshal([]byte(got), &back); err != nil || back["id"] != "1767000000000" || back["alias"] != "Coffee at seven" {
		t.Errorf("read: %s", got)
	}
	if config := c.must("automation/config", obj{"entity_id": "automation.coffee_at_seven"}).(obj)["config"].(obj); config["alias"] != "Coffee at seven" {
		t.Errorf("config is %v", config)
	}
	if list := c.must("search/related", obj{"item_type": "entity", "item_id": "switch.coffee_machine"}).(obj)["automation"].([]any); len(list) != 1 || list[0] != "automation.coffee_at_seven" {
		t.Errorf("related are %v", list)
	}
	c.must("call_service", obj{"domain": "automation", "service": "trigger", "target": obj{"entity_id": "automation.coffee_at_seven"}})
	if s.State("switch.coffee_machine") != "on" {
		t.Error("the automation did nothing")
	}
	request(t, "POST", path, fake.AdminToken, strings.ReplaceAll(body, "at seven", "at eight")) // the entity keeps its id
	if s.Attribute("automation.coffee_at_seven", "friendly_name") != "Coffee at eight" {
		t.Error("the change did not arrive")
	}
	if status, got, _ := request(t, "DELETE", path, fake.AdminToken, ""); status != 200 || got != `{"result":"ok"}` {
		t.Errorf("delete: %d %s", status, got)
	}
	if s.State("automation.coffee_at_seven") != "" {
		t.Error("the entity is still there")
	}
	if status, _, _ := request(t, "GET", path, fake.AdminToken, ""); status != 404 {
		t.Errorf("read after delete: %d", status)
	}
}

func TestREST_history(t *testing.T) {
	t.Parallel()
	s, base := home(t, fake.Options{})
	start := url.PathEscape(s.Now().Add(-24 * time.Hour).Format(time.RFC3339))
	end := url.QueryEscape(s.Now().Format(time.RFC3339))
	get := func(more string) (rows [][]obj) {
		t.Helper()
		_, body, _ := request(t, "GET", base+"/api/history/period/"+start+"?filter_entity_id=light.living_room_ceiling&end_time="+end+more, fake.UserToken, "")
		if err := json.Unmarshal([]byte(body), &rows); err != nil {
			t.Fatal(err)
		}
		return rows
	}
	rows := get("")
	if len(rows) != 1 || len(rows[0]) != 4 || rows[0][0]["state"] != "off" || rows[0][1]["attributes"] == nil {
		t.Errorf("rows are %v", rows)
	}
	if rows := get("&minimal_response"); rows[0][1]["entity_id"] != nil || rows[0][1]["last_changed"] == nil || rows[0][0]["entity_id"] == nil {
		t.Errorf("minimal rows are %v", rows)
	}
	c := enter(t, base, fake.UserToken)
	got := c.must("history/history_during_period", obj{"start_time": s.Now().Add(-24 * time.Hour).Format(time.RFC3339), "entity_ids": []string{"light.living_room_ceiling", "light.nowhere"}, "no_attributes": true}).(obj)
	if list := got["light.living_room_ceiling"].([]any); len(got) != 1 || len(list) != 4 || list[1].(obj)["s"] != "on" || list[1].(obj)["lu"] == nil || list[1].(obj)["lc"] != nil {
		t.Errorf("history is %v", got)
	}
	gap := c.must("history/history_during_period", obj{"start_time": s.Now().Add(-24 * time.Hour).Format(time.RFC3339), "entity_ids": []string{"sensor.living_room_temperature"}}).(obj)["sensor.living_room_temperature"].([]any)
	longest := 0.0
	for i := 1; i < len(gap); i++ {
		longest = max(longest, gap[i].(obj)["lu"].(float64)-gap[i-1].(obj)["lu"].(float64))
	}
	if longest < 5*3600 {
		t.Errorf("the longest gap is %v s", longest)
	}
	if code, text := c.fails("history/history_during_period", obj{"start_time": "yesterday", "entity_ids": []string{"light.hallway"}}); code != "invalid_start_time" || text != "Invalid start_time" {
		t.Errorf("%s %s", code, text)
	}
}

// A wrong token often enough, or an admin's road walked by somebody else, and the address
// is banned (http/ban.py).
func TestREST_ban(t *testing.T) {
	t.Parallel()
	s, base := home(t, fake.Options{BanAfter: 3})
	for i, token := range []string{"wrong", fake.UserToken} {
		if status, _, _ := request(t, "GET", base+"/api/error_log", token, ""); status != 401 {
			t.Fatalf("attempt %d: %d", i, status)
		}
	}
	c := dial(t, base)
	c.read()
	c.send(obj{"type": "auth", "access_token": "wrong"})
	c.read()
	if !s.Banned("127.0.0.1") {
		t.Fatal("not banned")
	}
	if status, body, _ := request(t, "GET", base+"/api/", fake.AdminToken, ""); status != 403 || body != "403: Forbidden" {
		t.Errorf("got %d %s", status, body)
	}
}

func TestREST_checkConfig(t *testing.T) {
	t.Parallel()
	s, base := home(t, fake.Options{})
	s.Look(func(h *house.House) { h.BadConfig = "Integration error: foo - Integration 'foo' not found." })
	if _, body, _ := request(t, "POST", base+"/api/config/core/check_config", fake.AdminToken, ""); !strings.Contains(body, `"result":"invalid"`) {
		t.Error(body)
	}
	c := enter(t, base, fake.AdminToken)
	if code, text := c.fails("call_service", obj{"domain": "homeassistant", "service": "restart"}); code != "home_assistant_error" || !strings.HasPrefix(text, "The system cannot restart because the configuration is not valid") {
		t.Errorf("%s %s", code, text)
	}
	if s.Phase() != fake.Running {
		t.Error("it restarts")
	}
}

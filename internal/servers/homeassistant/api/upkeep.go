package api

import (
	"context"
	"encoding/json"
	"maps"
	"net/url"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/homeassistant/link"
	"drawbridge/internal/servers/kit"
)

// Problem is a line of the system log.
type Problem struct {
	Name    Text   `json:"name"`
	Message Texts  `json:"message"`
	Level   Text   `json:"level"`
	Count   int    `json:"count"`
	At      Moment `json:"timestamp"`
	First   Moment `json:"first_occurred"`
}

// Problems are the warnings and errors since the start, newest first.
func (s Session) Problems(ctx context.Context) ([]Problem, error) {
	return list[Problem](ctx, s, link.Command{"type": "system_log/list"}, "the system log")
}

// Repair is something that Home Assistant asks people to repair.
type Repair struct {
	Domain   Text `json:"domain"`
	ID       Text `json:"issue_id"`
	Severity Text `json:"severity"`
	Ignored  bool `json:"ignored"`
	Fixable  bool `json:"is_fixable"`
	Breaks   Text `json:"breaks_in_ha_version"`
	Key      Text `json:"translation_key"`
}

// Repairs are the open repairs.
func (s Session) Repairs(ctx context.Context) ([]Repair, error) {
	var out struct {
		Issues []json.RawMessage `json:"issues"`
	}
	err := s.ask(ctx, link.Command{"type": "repairs/list_issues"}, &out, "the repairs")
	return rows[Repair](out.Issues), err
}

// Backups are what is kept, and what goes on.
type Backups struct {
	State     Text     `json:"state"`
	Last      Text     `json:"last_completed_automatic_backup"`
	Attempted Text     `json:"last_attempted_automatic_backup"`
	All       []Backup `json:"-"`
}

// Backup is one backup.
type Backup struct {
	ID   Text   `json:"backup_id"`
	Name Text   `json:"name"`
	Date Moment `json:"date"`
}

// Backups reads them.
func (s Session) Backups(ctx context.Context) (Backups, error) {
	var out struct {
		Backups
		Raw []json.RawMessage `json:"backups"`
	}
	err := s.ask(ctx, link.Command{"type": "backup/info"}, &out, "the backups")
	out.Backups.All = rows[Backup](out.Raw)
	return out.Backups, err
}

// Backup starts a backup with the settings that the owner chose, and gives the id of
// its job (backup_job_id; some versions say backup_id).
func (s Session) Backup(ctx context.Context) (string, error) {
	var out struct {
		Job Text `json:"backup_job_id"`
		ID  Text `json:"backup_id"`
	}
	err := s.do(ctx, link.Command{"type": "backup/generate_with_automatic_settings"}, &out, "a backup")
	if out.Job == "" {
		out.Job = out.ID
	}
	return string(out.Job), err
}

// ReleaseNotes are those of an update.
func (s Session) ReleaseNotes(ctx context.Context, id string) (string, error) {
	var text Text
	err := s.ask(ctx, link.Command{"type": "update/release_notes", "entity_id": id}, &text, "the release notes of "+id)
	return string(text), err
}

// Rendered is what a template gave, and what it looked at.
type Rendered struct {
	Result    json.RawMessage `json:"result"`
	Listeners struct {
		All      bool  `json:"all"`
		Entities Texts `json:"entities"`
		Domains  Texts `json:"domains"`
		Time     bool  `json:"time"`
	} `json:"listeners"`
	Error Text `json:"error"`
}

// Render renders a template once. within is what Home Assistant gives it.
func (s Session) Render(ctx context.Context, template string, within time.Duration) (Rendered, error) {
	events := make(chan []byte, 1)
	stop, err := s.held.link.Subscribe(ctx, link.Command{"type": "render_template", "template": template, "timeout": within.Seconds(), "report_errors": true}, func(raw []byte) {
		select {
		case events <- raw:
		default: // only the first counts
		}
	})
	if err != nil {
		return Rendered{}, refine(err, "the template")
	}
	defer stop()
	var out Rendered
	select {
	case raw := <-events:
		if raw == nil {
			return out, fault.New(fault.Unavailable, "Home Assistant broke the connection off. Look whether it is restarting, and try again in a minute.")
		}
		if json.Unmarshal(raw, &out) != nil {
			return out, garbage()
		}
		return out, nil
	case <-ctx.Done():
		return out, ctx.Err()
	}
}

// Todo is an item of a list.
type Todo struct {
	UID         Text `json:"uid"`
	Summary     Text `json:"summary"`
	Status      Text `json:"status"`
	Due         Text `json:"due"`
	Description Text `json:"description"`
}

// Todos are the items of a to-do list.
func (s Session) Todos(ctx context.Context, id string) ([]Todo, error) {
	var out struct {
		Items []json.RawMessage `json:"items"`
	}
	err := s.ask(ctx, link.Command{"type": "todo/item/list", "entity_id": id}, &out, "the list "+id)
	return rows[Todo](out.Items), err
}

// Event is an event of a calendar.
type Event struct {
	Summary     Text  `json:"summary"`
	Description Text  `json:"description"`
	Location    Text  `json:"location"`
	UID         Text  `json:"uid"`
	Recurrence  Text  `json:"recurrence_id"`
	Rule        Text  `json:"rrule"`
	Start       Point `json:"start"`
	End         Point `json:"end"`
}

// Point is when an event begins or ends: a day, or a time.
type Point struct {
	Date Text `json:"date"`
	Time Text `json:"dateTime"`
}

// String is the one that is there.
func (p Point) String() string {
	if p.Time != "" {
		return string(p.Time)
	}
	return string(p.Date)
}

// Events are those of a calendar in a time.
func (s Session) Events(ctx context.Context, id string, from, to time.Time) ([]Event, error) {
	var raw []json.RawMessage
	_, err := s.rest(ctx, kit.Request{Path: kit.Path("api", "calendars", id), Query: url.Values{"start": {stamp(from)}, "end": {stamp(to)}}, Into: &raw, What: "the calendar " + id})
	return rows[Event](raw), err
}

// ChangeEvent creates, updates or deletes an event of a calendar: op is one of these.
func (s Session) ChangeEvent(ctx context.Context, op, id string, members map[string]any) error {
	cmd := link.Command{"type": "calendar/event/" + op, "entity_id": id}
	maps.Copy(cmd, members)
	return s.do(ctx, cmd, nil, "the event in "+id)
}

// Said is what the voice assistant answered.
type Said struct {
	Conversation Text `json:"conversation_id"`
	Response     struct {
		Type   Text `json:"response_type"`
		Speech struct {
			Plain struct {
				Speech Text `json:"speech"`
			} `json:"plain"`
		} `json:"speech"`
		Data struct {
			Code    Text              `json:"code"`
			Success []json.RawMessage `json:"success"`
			Failed  []json.RawMessage `json:"failed"`
		} `json:"data"`
	} `json:"response"`
}

// Converse says something to the voice assistant.
func (s Session) Converse(ctx context.Context, text, conversation, agent string) (out Said, err error) {
	cmd := link.Command{"type": "conversation/process", "text": text}
	if conversation != "" {
		cmd["conversation_id"] = conversation
	}
	if agent != "" {
		cmd["agent_id"] = agent
	}
	return out, s.do(ctx, cmd, &out, "the conversation")
}

// Snapshot is the present picture of a camera or an image.
func (s Session) Snapshot(ctx context.Context, id string) (mimeType string, data []byte, err error) {
	a, err := s.rest(ctx, kit.Request{Path: kit.Path("api", DomainOf(id)+"_proxy", id), What: "a picture of " + id})
	return a.Header.Get("Content-Type"), a.Body, err
}

// Dashboard is a dashboard.
type Dashboard struct {
	ID    Text `json:"id"`
	URL   Text `json:"url_path"`
	Title Text `json:"title"`
	Mode  Text `json:"mode"`
}

// Dashboards are those beside the default one.
func (s Session) Dashboards(ctx context.Context) ([]Dashboard, error) {
	return list[Dashboard](ctx, s, link.Command{"type": "lovelace/dashboards/list"}, "the dashboards")
}

func dashboard(kind, path string) link.Command {
	cmd := link.Command{"type": kind}
	if path != "" {
		cmd["url_path"] = path
	}
	return cmd
}

// DashboardConfig is what a dashboard shows; path "" is the default one.
func (s Session) DashboardConfig(ctx context.Context, path string) (json.RawMessage, error) {
	var raw json.RawMessage
	err := s.ask(ctx, dashboard("lovelace/config", path), &raw, "the dashboard")
	return whole(raw), err
}

// SaveDashboard replaces what a dashboard shows.
func (s Session) SaveDashboard(ctx context.Context, path string, config json.RawMessage) error {
	cmd := dashboard("lovelace/config/save", path)
	cmd["config"] = config
	return s.do(ctx, cmd, nil, "the dashboard")
}

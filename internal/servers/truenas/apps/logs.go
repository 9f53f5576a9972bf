package apps

import (
	"context"
	"slices"
	"strings"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/truenas/api"
	"drawbridge/internal/servers/truenas/show"
)

type getLogsIn struct {
	App       string `json:"app" jsonschema:"Name."`
	Container string `json:"container,omitempty" jsonschema:"Service name or id; the first that runs without it."`
	Tail      int    `json:"tail,omitempty" jsonschema:"Lines, 100 without it." min:"1" max:"500"`
	Follow    int    `json:"follow_s,omitempty" jsonschema:"Wait this long for more." max:"30"`
}

type getLogsOut struct {
	Container string        `json:"container"`
	Others    []string      `json:"others,omitempty"`
	Lines     int           `json:"lines"`
	Cut       bool          `json:"cut,omitempty" jsonschema:"Older lines did not fit."`
	Log       kit.Untrusted `json:"log"`
}

// Text is the log as it is: as JSON it would be hard to read.
func (o getLogsOut) Text() string {
	head := "Log of " + o.Container
	if len(o.Others) > 0 {
		head += " (other containers: " + strings.Join(o.Others, ", ") + ")"
	}
	if o.Cut {
		head += ", older lines left out"
	}
	return head + "\n" + string(o.Log)
}

const (
	usualTail = 100
	maxLine   = 2 << 10
	// quiet is how long nothing must come before the lines that were there count as all:
	// TrueNAS does not say where they end.
	quiet = 700 * time.Millisecond
	// patience is how long the first line is waited for.
	patience = 5 * time.Second
)

func (t Tools) getLogs(ctx context.Context, c *kit.Call, in getLogsIn) (out getLogsOut, err error) {
	s, err := t.Session(ctx, c)
	if err != nil {
		return out, err
	}
	app, err := s.App(ctx, in.App)
	if err != nil {
		return out, err
	}
	one, err := choose(app, in.Container)
	if err != nil {
		return out, err
	}
	if in.Tail == 0 {
		in.Tail = usualTail
	}
	out.Container = show.Name(one.Service)
	for _, other := range app.Active.Containers {
		if other.ID != one.ID {
			out.Others = append(out.Others, show.Name(other.Service))
		}
	}
	log, err := s.Follow(ctx, in.App, one.ID, in.Tail)
	if err != nil {
		return out, err
	}
	defer log.Close(ctx)
	lines := collect(ctx, log, in.Tail, time.Duration(in.Follow)*time.Second)
	out.Lines = len(lines)
	text := fit(lines)
	out.Cut = strings.Count(text, "\n") < len(lines)
	out.Log = kit.Untrusted(text)
	return out, ctx.Err()
}

// choose finds the container that is meant.
func choose(app api.App, name string) (api.Container, error) {
	all := app.Active.Containers
	var names []string
	for _, one := range all {
		if name != "" && (one.Service == name || one.ID == name) {
			return one, nil
		}
		names = append(names, show.Name(one.Service))
	}
	switch {
	case len(all) == 0:
		return api.Container{}, fault.New(fault.Conflict, "The app %s has no containers now, so there is no log: it is %s. Start it with manage_app.", app.Name, app.State)
	case name != "":
		return api.Container{}, fault.New(fault.NotFound, "The app %s has no container %q. It has %s.", app.Name, name, show.Few(names, 20))
	}
	if i := slices.IndexFunc(all, func(one api.Container) bool { return one.State == "running" }); i >= 0 {
		return all[i], nil
	}
	return all[0], nil
}

// collect reads the lines that are there, and then those that come within follow.
func collect(ctx context.Context, log *api.Log, tail int, follow time.Duration) (lines []string) {
	most := patience
	if follow > 0 {
		most = follow
	}
	until, silence := time.NewTimer(most), time.NewTimer(most)
	defer until.Stop()
	defer silence.Stop()
	for {
		select {
		case e, ok := <-log.Next():
			if !ok {
				return lines
			}
			line, ok := log.Line(e)
			if !ok {
				continue
			}
			text := show.Clip(strings.TrimRight(show.Plain(line.Data), "\n"), maxLine)
			if at, _, _ := strings.Cut(show.Name(line.Time), "."); at != "" {
				text = at + " " + text
			}
			lines = append(lines, text)
			if follow == 0 && len(lines) >= tail {
				return lines
			}
			if follow == 0 {
				silence.Reset(quiet)
			}
		case <-silence.C:
			return lines
		case <-until.C:
			return lines
		case <-ctx.Done():
			return lines
		}
	}
}

// fit is as many of the last lines as fit an answer.
func fit(lines []string) string {
	size, from := 0, len(lines)
	for from > 0 && size+len(lines[from-1])+1 <= show.TextRoom {
		from--
		size += len(lines[from]) + 1
	}
	if from == len(lines) {
		return ""
	}
	return strings.Join(lines[from:], "\n") + "\n"
}

package house

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Asked is which part of the past somebody wants.
type Asked struct {
	Start, End                             time.Time
	Initial, Significant, Minimal, NoAttrs bool
}

// attributesMatter are domains whose attributes count as changes and are always sent
// (recorder/history/const.py).
var attributesMatter = []string{"climate", "device_tracker", "humidifier", "thermostat", "water_heater"}

// History is an entity's past, with the state at the start if there was one.
func (h *House) History(id string, a Asked) []State {
	var out []State
	for _, s := range h.Past[id] {
		switch {
		case !s.Updated.Before(a.End) && !a.End.IsZero():
		case s.Updated.Before(a.Start):
			if a.Initial {
				s.Updated, s.Changed = a.Start, a.Start // recorder/history: the first one is moved to the start
				out = append(out[:0], s)
			}
		case (a.Significant || a.Minimal) && !slices.Contains(attributesMatter, Domain(id)) && !s.Changed.Equal(s.Updated):
		default:
			out = append(out, s)
		}
	}
	return out
}

// CompressedHistory is History as history/history_during_period answers it: lc is left out
// where it equals lu (ref 1.2).
func (h *House) CompressedHistory(id string, a Asked) []Map {
	rows := []Map{}
	for i, s := range h.History(id, a) {
		m := Map{"s": s.State, "lu": Seconds(s.Updated)}
		ends := i == 0
		if !a.Minimal || ends || slices.Contains(attributesMatter, Domain(id)) {
			if m["a"] = s.Attributes; a.NoAttrs {
				m["a"] = Map{}
			}
			if !s.Changed.Equal(s.Updated) {
				m["lc"] = Seconds(s.Changed)
			}
		}
		rows = append(rows, m)
	}
	return rows
}

// Statistic is what the recorder sums up of a sensor (ref 1.2, metadata).
func (h *House) Statistic(id string) Map {
	s := h.States[id]
	if s == nil || Domain(id) != "sensor" {
		return nil
	}
	class, _ := s.Attributes["state_class"].(string)
	sum := class == "total" || class == "total_increasing"
	if class == "" {
		return nil
	}
	unit := s.Attributes["unit_of_measurement"]
	m := Map{"statistic_id": id, "source": "recorder", "name": nil, "has_mean": !sum, "mean_type": 1, "has_sum": sum, "unit_class": unitClass(unit),
		"statistics_unit_of_measurement": unit, "display_unit_of_measurement": unit}
	if sum {
		m["mean_type"] = 0
	}
	return m
}

func unitClass(unit any) any {
	u, _ := unit.(string)
	classes := map[string]string{"°C": "temperature", "W": "power", "kWh": "energy", "hPa": "pressure"}
	if c, ok := classes[u]; ok {
		return c
	}
	return nil
}

// Level is what a sensor of the seeds measured at a time. Statistics reach further back
// than states, so they come from this curve and not from Past.
func (h *House) Level(id string, t time.Time) float64 {
	now := h.Clock.Now()
	base, _ := strconv.ParseFloat(h.States[id].State, 64)
	if h.Statistic(id)["has_sum"] == true {
		return math.Round((base-now.Sub(t).Hours()*0.4)*1000) / 1000
	}
	return math.Round((base+2*math.Sin(float64(t.Unix())/13751)-2*math.Sin(float64(now.Unix())/13751))*100) / 100
}

// Sums are a sensor's statistics, one per period, in the house's time zone. Of the last 400
// days they are there, of 5 minutes those of the last 10 (recorder's short-term table).
func (h *House) Sums(id, period string, start, end time.Time) []Map {
	rows, now := []Map{}, h.Clock.Now()
	oldest := now.AddDate(0, 0, -400)
	if period == "5minute" {
		oldest = now.AddDate(0, 0, -10)
	}
	sum := h.Statistic(id)["has_sum"] == true
	for t := floor(start.In(h.Zone), period); t.Before(end) && !t.After(now); t = next(t, period) {
		upto := next(t, period)
		if t.Before(oldest) || (period == "5minute" || period == "hour") && upto.After(now) {
			continue
		}
		m := Map{"start": t.UnixMilli(), "end": upto.UnixMilli()}
		if last := min(upto.UnixMilli(), now.UnixMilli()); sum {
			value := h.Level(id, time.UnixMilli(last))
			m["sum"], m["state"], m["last_reset"] = value, value, nil
			m["change"] = math.Round((value-h.Level(id, t))*1000) / 1000
		} else {
			a, b := h.Level(id, t), h.Level(id, time.UnixMilli(last))
			m["min"], m["max"], m["mean"] = min(a, b), max(a, b), math.Round((a+b)*50)/100
		}
		rows = append(rows, m)
	}
	return rows
}

// Total is one statistic of a span: what is not measured is null.
func (h *House) Total(id string, start, end time.Time) Map {
	m := Map{"max": nil, "mean": nil, "min": nil, "change": nil}
	rows := h.Sums(id, "hour", start, end)
	total := 0.0
	for i, r := range rows {
		if h.Statistic(id)["has_sum"] == true {
			total += r["change"].(float64)
			m["change"] = math.Round(total*1000) / 1000
			continue
		}
		if total += r["mean"].(float64); i == 0 {
			m["min"], m["max"] = r["min"], r["max"]
		}
		m["min"], m["max"] = min(m["min"].(float64), r["min"].(float64)), max(m["max"].(float64), r["max"].(float64))
		m["mean"] = math.Round(total/float64(i+1)*100) / 100
	}
	return m
}

// Calendar is the period that a time is in, so many periods on.
func (h *House) Calendar(period string, offset int) (start, end time.Time) {
	start = floor(h.Clock.Now().In(h.Zone), period)
	for ; offset < 0; offset++ {
		start = floor(start.Add(-time.Second), period)
	}
	for ; offset > 0; offset-- {
		start = next(start, period)
	}
	return start, next(start, period)
}

func floor(t time.Time, period string) time.Time {
	day := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, t.Location())
	switch period {
	case "5minute":
		return t.Truncate(5 * time.Minute)
	case "hour":
		return t.Truncate(time.Hour)
	case "day":
		return day
	case "week":
		return day.AddDate(0, 0, -(int(day.Weekday())+6)%7)
	case "month":
		return day.AddDate(0, 0, 1-day.Day())
	}
	return time.Date(t.Year(), 1, 1, 0, 0, 0, 0, t.Location())
}

func next(t time.Time, period string) time.Time {
	switch period {
	case "5minute":
		return t.Add(5 * time.Minute)
	case "hour":
		return t.Add(time.Hour)
	case "day":
		return t.AddDate(0, 0, 1)
	case "week":
		return t.AddDate(0, 0, 7)
	case "month":
		return t.AddDate(0, 1, 0)
	}
	return t.AddDate(1, 0, 0)
}

// Logbook is what happened to some entities, or to all if there are none; by context, if
// one is given. Entities with a unit are not in it (logbook/helpers.py).
func (h *House) Logbook(ids []string, all bool, context string, start, end time.Time, names bool) []Row {
	var rows []Row
	keep := func(t time.Time, c string) bool {
		return !t.Before(start) && t.Before(end) && (context == "" || c == context)
	}
	for _, r := range h.Journal {
		if id, _ := r.Body["entity_id"].(string); keep(r.When, r.Context) && (all || slices.Contains(ids, id)) {
			rows = append(rows, Row{r.When, h.explain(Map{}, r.Body, r.Context, ""), r.Context})
		}
	}
	for id, past := range h.Past {
		if !all && !slices.Contains(ids, id) || h.continuous(id) {
			continue
		}
		for i, s := range past {
			if i == 0 || s.State == past[i-1].State || !keep(s.Updated, s.Context.ID) {
				continue
			}
			m := Map{"entity_id": id, "state": s.State}
			if names {
				m["name"] = h.Name(id)
			}
			rows = append(rows, Row{s.Updated, h.explain(m, nil, s.Context.ID, Val(s.Context.User)), s.Context.ID})
		}
	}
	slices.SortStableFunc(rows, func(a, b Row) int { return a.When.Compare(b.When) })
	return rows
}

func (h *House) continuous(id string) bool {
	s := h.States[id]
	if s == nil {
		return false
	}
	_, unit := s.Attributes["unit_of_measurement"]
	_, class := s.Attributes["state_class"]
	return Domain(id) == "sensor" && (unit || class)
}

// explain adds what caused a row (logbook/processor.py, ContextAugmenter).
func (h *House) explain(m, body Map, context, user string) Map {
	maps.Copy(m, body)
	if user != "" {
		m["context_user_id"] = user
	}
	cause := h.Calls[context]
	if cause == nil || cause["context_entity_id"] == m["entity_id"] {
		return m
	}
	for k, v := range cause {
		if strings.HasPrefix(k, "context_") {
			m[k] = v
		}
	}
	return m
}

package versions_test

import (
	"fmt"
	"testing"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/homeassistant/versions"
	"drawbridge/internal/servers/kittest"
	"drawbridge/internal/tables"
)

func TestStore(t *testing.T) {
	t.Parallel()
	kittest.Each(t, "homeassistant", func(t *testing.T, db tables.DB) {
		s := versions.New(db, time.Now)
		ctx := t.Context()
		if err := s.Prepare(ctx); err != nil {
			t.Fatal(err)
		}
		var last, first string
		for i := range versions.Most + 3 {
			id, err := s.Keep(ctx, "ann", "automation", "1", fmt.Sprint(i))
			if err != nil {
				t.Fatal(err)
			}
			if last = id; i == 0 {
				first = id
			}
		}
		if _, err := s.Keep(ctx, "ben", "automation", "1", "his"); err != nil {
			t.Fatal(err)
		}
		all, err := s.List(ctx, "ann", "automation", "1")
		if err != nil || len(all) != versions.Most || all[0].ID != last {
			t.Errorf("%d versions, %+v, %v", len(all), all[0], err)
		}
		if v, err := s.Find(ctx, "ann", "automation", "1", last); err != nil || v.Config != fmt.Sprint(versions.Most+2) {
			t.Errorf("%+v, %v", v, err)
		}
		for name, find := range map[string]func() (versions.Version, error){
			"too old":         func() (versions.Version, error) { return s.Find(ctx, "ann", "automation", "1", first) },
			"somebody else's": func() (versions.Version, error) { return s.Find(ctx, "ben", "automation", "1", last) },
			"another item's":  func() (versions.Version, error) { return s.Find(ctx, "ann", "script", "1", last) },
			"no number":       func() (versions.Version, error) { return s.Find(ctx, "ann", "automation", "1", "x") },
		} {
			if v, err := find(); fault.CodeOf(err) != fault.NotFound {
				t.Errorf("%s: %+v, %v", name, v, err)
			}
		}
	})
}

// Without tables nothing is kept, and nothing fails.
func TestStore_none(t *testing.T) {
	t.Parallel()
	s := versions.New(nil, time.Now)
	if err := s.Prepare(t.Context()); err != nil {
		t.Error(err)
	}
	if id, err := s.Keep(t.Context(), "a", "b", "c", "d"); id != "" || err != nil {
		t.Errorf("%q, %v", id, err)
	}
	if all, err := s.List(t.Context(), "a", "b", "c"); len(all) != 0 || err != nil {
		t.Errorf("%v, %v", all, err)
	}
}

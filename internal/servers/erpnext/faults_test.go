package erpnext_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"drawbridge/internal/servers/erpnext/fake"
)

// A restart in the middle, and an answer lost on the way: nothing is sent twice, what
// nobody knows is called so, and afterwards all goes on.
func TestRestart(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, o fake.Options) {
		b := newBench(t, o)
		c := b.as(t, fake.Owner)
		args := fmt.Sprintf(`{%s}`, version(t, b.Server, "Quotation", 1))
		b.Break(fake.Fault{Method: map[bool]string{true: "PUT", false: "PATCH"}[o.Profile == fake.V14], Times: 1, Late: true, Drop: true})
		if text := c.Refused(t, "submit_document", args); !strings.Contains(text, "undetermined") || !strings.Contains(text, "get_document") {
			t.Errorf("%s", text)
		}
		b.Maintenance(true)
		if text := c.Refused(t, "get_document", `{"doctype":"Customer","name":"Ada Lovelace"}`); !strings.Contains(text, "503") {
			t.Errorf("%s", text)
		}
		b.Maintenance(false)
		name := b.Names("Quotation")[1]
		var doc saying
		if c.Must(t, "get_document", fmt.Sprintf(`{"doctype":"Quotation","name":%q}`, name), &doc); doc.DocStatus != 1 {
			t.Errorf("the submission, whose answer was lost, is not there: %+v", doc)
		}
		changes := 0
		for _, r := range b.Requests() {
			if r.Method != "GET" {
				changes++
			}
		}
		if changes != 1 {
			t.Errorf("%d changes were sent", changes)
		}
	})
}

// A site that limits says for how long, and the tools hand it on.
func TestRateLimit(t *testing.T) {
	t.Parallel()
	b := newBench(t, fake.Options{RateLimit: fake.RateLimit{Limit: time.Second, Window: time.Hour, Cost: time.Second}})
	c := b.as(t, fake.Owner)
	var text string
	for range 5 {
		if r := c.Call(t, "count_documents", `{"doctype":"Customer"}`); r.IsError {
			text = r.Text
		}
	}
	if !strings.Contains(text, "429") || !strings.Contains(text, "seconds") {
		t.Errorf("%s", text)
	}
}

package site

import (
	"fmt"
	"strconv"
	"strings"

	"drawbridge/internal/servers/erpnext/fake/exc"
	"drawbridge/internal/servers/erpnext/fake/meta"
)

// setName is set_new_name: an amendment first, then the rule of the doctype.
func (s *Site) setName(d *meta.DocType, doc Obj) error {
	if from := Text(doc, "amended_from"); from != "" {
		old := s.Get(d.Name, from)
		if old != nil && Int(old, "docstatus") != 2 {
			return exc.Throw(exc.Validation, "Amendment Not Allowed",
				"%s cannot be amended because it is not cancelled. Please cancel the document before creating an amendment.", link(d.Name, from))
		}
		doc["name"] = s.amendedName(d.Name, from, old)
		return nil
	}
	if d.AutoName != "prompt" {
		doc["name"] = s.Rules.Name(s, doc)
	}
	if doc["name"] == nil || doc["name"] == "" {
		if err := s.autoname(d, doc); err != nil {
			return err
		}
	}
	name := strings.TrimSpace(Text(doc, "name"))
	if strings.ContainsAny(name, "<>") {
		return exc.Throw(exc.Name, "", "Name cannot contain special characters like '<', '>'")
	}
	doc["name"] = name
	return nil
}

func (s *Site) autoname(d *meta.DocType, doc Obj) error {
	rule, arg, _ := strings.Cut(d.AutoName, ":")
	switch rule {
	case "field":
		doc["name"] = strings.TrimSpace(Text(doc, arg))
		if doc["name"] == "" {
			return exc.Throw(exc.Validation, "", "%s is required", d.Label(arg))
		}
	case "naming_series":
		f := d.Field("naming_series")
		if Text(doc, "naming_series") == "" {
			doc["naming_series"], _, _ = strings.Cut(f.Options, "\n")
		}
		doc["name"] = s.nextInSeries(Text(doc, "naming_series"))
	case "prompt":
		if Text(doc, "name") == "" {
			return exc.Throw(exc.Validation, "", "Please set the document name")
		}
	default:
		doc["name"] = s.Hash()
	}
	return nil
}

// nextInSeries is make_autoname for SAL-ORD-.YYYY.- and the like, with five digits.
func (s *Site) nextInSeries(series string) string {
	prefix := s.prefix(series)
	was := s.series[prefix]
	s.series[prefix] = was + 1
	s.undo = append(s.undo, func() { s.series[prefix] = was })
	return fmt.Sprintf("%s%05d", prefix, was+1)
}

func (s *Site) prefix(series string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(series, ".") {
		switch part {
		case "YYYY":
			part = s.Now().Format("2006")
		case "YY":
			part = s.Now().Format("06")
		case "MM":
			part = s.Now().Format("01")
		case "DD":
			part = s.Now().Format("02")
		}
		if !strings.HasPrefix(part, "#") {
			b.WriteString(part)
		}
	}
	return b.String()
}

// revertSeries gives a number back if it was the last (revert_series_if_last).
func (s *Site) revertSeries(d *meta.DocType, doc Obj) {
	if !strings.HasPrefix(d.AutoName, "naming_series") {
		return
	}
	prefix := s.prefix(Text(doc, "naming_series"))
	n, err := strconv.Atoi(strings.TrimPrefix(Text(doc, "name"), prefix))
	if was := s.series[prefix]; err == nil && n == was {
		s.series[prefix] = was - 1
		s.undo = append(s.undo, func() { s.series[prefix] = was })
	}
}

// Count makes a series stand at least at n, for documents that were planted.
func (s *Site) Count(doc Obj) {
	prefix := s.prefix(Text(doc, "naming_series"))
	if n, err := strconv.Atoi(strings.TrimPrefix(Text(doc, "name"), prefix)); err == nil && n > s.series[prefix] {
		s.series[prefix] = n
	}
}

// amendedName counts on from what the cancelled one was: X, X-1, X-2.
func (s *Site) amendedName(doctype, from string, old Obj) string {
	stem, n := from, 0
	if old != nil && Text(old, "amended_from") != "" {
		if i := strings.LastIndexByte(from, '-'); i > 0 {
			stem = from[:i]
			n, _ = strconv.Atoi(from[i+1:])
		}
	}
	return fmt.Sprintf("%s-%d", stem, n+1)
}

// link is get_link_to_form.
func link(doctype, name string) string {
	slug := strings.ToLower(strings.ReplaceAll(doctype, " ", "-"))
	return fmt.Sprintf(`<a href="/app/%s/%s">%s</a>`, slug, name, name)
}

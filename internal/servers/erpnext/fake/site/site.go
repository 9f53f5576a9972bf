// Package site is one site of a bench: documents and the rules of Frappe about them, that
// is who may, what is missing, what has been changed by somebody else, what hangs on it.
// What ERPNext adds (totals, stock, ledgers) comes in through Rules. Only the fake uses
// it, and whoever does holds its lock.
//
// Sources: frappe/model/document.py and base_document.py for the order of checks and the
// words, naming.py, delete_doc.py, workflow.py, permissions.py.
package site

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"drawbridge/internal/servers/erpnext/fake/exc"
	"drawbridge/internal/servers/erpnext/fake/meta"
)

// Obj is a document or a row.
type Obj = meta.Obj

// Rules is what an app adds to saving and after it.
type Rules interface {
	// Validate fills in what the app computes and refuses what it does not want.
	Validate(s *Site, ss *Session, doc, before Obj) error
	// After follows up a deed, "save", "submit", "cancel" or "update_after_submit".
	After(s *Site, ss *Session, doc Obj, action string) error
	// Name names what has no other rule, "" for none.
	Name(s *Site, doc Obj) string
}

// User is somebody with a key.
type User struct {
	Name, FullName           string
	Roles                    []string
	Key, Secret              string // of "Authorization: token key:secret"
	Bearer                   string // an OAuth token
	Password                 string
	Disabled, Website, Admin bool
}

// Session is one request of somebody.
type Session struct {
	User     *User
	Messages []exc.Message // msgprint, on the way to the answer
}

// Say is msgprint.
func (ss *Session) Say(m exc.Message) { ss.Messages = append(ss.Messages, m) }

// Site is one.
type Site struct {
	Reg     *meta.Registry
	Now     func() time.Time
	Version int // major, of Frappe
	Rules   Rules
	Users   []*User
	Files   map[string][]byte // contents by file_url

	tables map[string]*table
	series map[string]int
	hashes int
	undo   []func() // of the transaction that is open
}

type table struct {
	rows  map[string]Obj
	names map[string]string // by name in small letters
	order []string
}

// New is an empty site.
func New(reg *meta.Registry, version int, rules Rules, now func() time.Time) *Site {
	return &Site{Reg: reg, Version: version, Rules: rules, Now: now, Files: map[string][]byte{},
		tables: map[string]*table{}, series: map[string]int{}}
}

// Meta finds a doctype the way get_meta does.
func (s *Site) Meta(doctype string) (*meta.DocType, error) {
	if d := s.Reg.Get(doctype); d != nil {
		return d, nil
	}
	return nil, exc.Missing("DocType", doctype)
}

// Commit keeps what was done since the last one, Rollback takes it back.
func (s *Site) Commit() { s.undo = nil }

// Rollback takes back what was done since the last Commit.
func (s *Site) Rollback() { s.RollbackTo(0) }

// Savepoint is a place in the transaction for RollbackTo.
func (s *Site) Savepoint() int { return len(s.undo) }

// RollbackTo takes back what was done since the Savepoint.
func (s *Site) RollbackTo(mark int) {
	for i := len(s.undo) - 1; i >= mark; i-- {
		s.undo[i]()
	}
	s.undo = s.undo[:mark]
}

// Get is a copy of a document as it is stored, nil if there is none. Names are found
// whatever their case, as MariaDB's collation has it.
func (s *Site) Get(doctype, name string) Obj {
	t := s.tables[doctype]
	if t == nil || name == "" {
		return nil
	}
	doc := t.rows[name]
	if doc == nil {
		doc = t.rows[t.names[strings.ToLower(name)]]
	}
	if doc == nil {
		return nil
	}
	return Copy(doc)
}

// Load is get_doc.
func (s *Site) Load(doctype, name string) (Obj, error) {
	d, err := s.Meta(doctype)
	if err != nil {
		return nil, err
	}
	if d.Single {
		name = doctype
		if s.Get(doctype, name) == nil {
			return s.fresh(d), nil
		}
	}
	if doctype == "DocType" {
		named, err := s.Meta(name)
		if err != nil {
			return nil, err
		}
		return named.Show(false), nil
	}
	if doc := s.Get(doctype, name); doc != nil {
		return doc, nil
	}
	return nil, exc.Missing(doctype, name)
}

// Each goes through the documents of a doctype as they are stored, oldest first, until
// see says false. What it sees must not be changed.
func (s *Site) Each(doctype string, see func(Obj) bool) {
	t := s.tables[doctype]
	if t == nil {
		return
	}
	for _, name := range t.order {
		if !see(t.rows[name]) {
			return
		}
	}
}

// EachRow goes through the rows of a child doctype, wherever they hang.
func (s *Site) EachRow(child string, see func(Obj) bool) {
	for _, parent := range s.Reg.Names() {
		for _, f := range s.Reg.Get(parent).Tables() {
			if f.Options != child {
				continue
			}
			more := true
			s.Each(parent, func(doc Obj) bool {
				for _, row := range Rows(doc, f.Name) {
					if more = see(row); !more {
						return false
					}
				}
				return true
			})
			if !more {
				return
			}
		}
	}
}

// Put stores a document as it is: no rule is asked.
func (s *Site) Put(doc Obj) {
	doctype, name := Text(doc, "doctype"), Text(doc, "name")
	t := s.tables[doctype]
	if t == nil {
		t = &table{rows: map[string]Obj{}, names: map[string]string{}}
		s.tables[doctype] = t
	}
	old, had := t.rows[name]
	t.rows[name], t.names[strings.ToLower(name)] = Copy(doc), name
	if !had {
		t.order = append(t.order, name)
	}
	s.undo = append(s.undo, func() {
		if had {
			t.rows[name] = old
			return
		}
		delete(t.rows, name)
		t.order = t.order[:len(t.order)-1]
	})
}

// Set changes fields without any check and without a new timestamp (frappe.db.set_value
// with update_modified=False).
func (s *Site) Set(doctype, name string, values Obj) {
	doc := s.Get(doctype, name)
	if doc == nil {
		return
	}
	maps.Copy(doc, values)
	s.Put(doc)
}

func (s *Site) drop(doctype, name string) {
	t := s.tables[doctype]
	old, order := t.rows[name], t.order
	rest := make([]string, 0, len(order))
	for _, n := range order {
		if n != name {
			rest = append(rest, n)
		}
	}
	delete(t.rows, name)
	t.order = rest
	s.undo = append(s.undo, func() { t.rows[name], t.order = old, order })
}

// Stamp is now, as a Datetime.
func (s *Site) Stamp() string { return s.Now().Format("2006-01-02 15:04:05.000000") }

// Today is now, as a Date.
func (s *Site) Today() string { return s.Now().Format("2006-01-02") }

// Hash is a name nobody chose.
func (s *Site) Hash() string {
	s.hashes++
	const letters = "0123456789abcdefghijklmnopqrstuv"
	n, b := uint64(s.hashes)*0x9E3779B97F4A7C15, strings.Builder{}
	for range 10 {
		b.WriteByte(letters[n>>59])
		n = n<<5 | n>>59
	}
	return b.String()
}

// Copy is a deep copy.
func Copy(doc Obj) Obj {
	c := make(Obj, len(doc))
	for k, v := range doc {
		if rows, is := v.([]Obj); is {
			copied := make([]Obj, len(rows))
			for i, row := range rows {
				copied[i] = Copy(row)
			}
			v = copied
		}
		c[k] = v
	}
	return c
}

// Rows are those of a child table.
func Rows(doc Obj, field string) []Obj { rows, _ := doc[field].([]Obj); return rows }

// Text is a value as cstr has it.
func Text(doc Obj, field string) string {
	switch v := doc[field].(type) {
	case nil:
		return ""
	case string:
		return v
	case int:
		return strconv.Itoa(v)
	default:
		return fmt.Sprint(v)
	}
}

// Num is a value as flt has it.
func Num(doc Obj, field string) float64 { return ToFloat(doc[field]) }

// Int is a value as cint has it.
func Int(doc Obj, field string) int { return int(ToFloat(doc[field])) }

// ToFloat reads a number the lenient way of flt: what is none is 0.
func ToFloat(v any) float64 {
	switch v := v.(type) {
	case float64:
		return v
	case meta.Float:
		return float64(v)
	case int:
		return float64(v)
	case bool:
		return float64(meta.Bit(v))
	case string:
		f, err := strconv.ParseFloat(strings.ReplaceAll(strings.TrimSpace(v), ",", ""), 64)
		if err != nil {
			return 0
		}
		return f
	}
	return 0
}

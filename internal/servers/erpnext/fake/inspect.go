package fake

import (
	"fmt"
	"time"

	"drawbridge/internal/servers/erpnext/fake/books"
	"drawbridge/internal/servers/erpnext/fake/site"
	"drawbridge/internal/servers/kittest/upstreamtest"
)

// Fault is what goes wrong with some requests.
type Fault = upstreamtest.Fault

// Auth is the Authorization header of somebody in Example.
func Auth(user string) string {
	for _, u := range Example().Users {
		if u.Name == user {
			return "token " + u.Key + ":" + u.Secret
		}
	}
	return ""
}

// Break adds a fault. Of several that match a request the first one added acts.
func (s *Server) Break(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.Add(f)
}

// Mend takes all faults away.
func (s *Server) Mend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.Clear()
}

// Advance lets time go by.
func (s *Server) Advance(d time.Duration) { s.clock.Advance(d) }

// Maintenance stops the site, or lets it go on: an update, a migration, a restart.
func (s *Server) Maintenance(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = on
}

// ReadOnly is an update during which reading goes on (frappe/tests/test_api_v2.py:
// TestReadOnlyMode).
func (s *Server) ReadOnly(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readOnly = on
}

// Doc is a document as it is stored, nil if there is none.
func (s *Server) Doc(doctype, name string) Obj {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.site.Get(doctype, name)
}

// Names are those of all documents of a doctype, oldest first.
func (s *Server) Names(doctype string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := []string{}
	s.site.Each(doctype, func(doc Obj) bool { names = append(names, site.Text(doc, "name")); return true })
	return names
}

// InStock is how much of an item is in a warehouse.
func (s *Server) InStock(item, warehouse string) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return books.StockBalance(s.site, item, warehouse, "")
}

// Change is somebody else's: a document is saved with other values, by the rules.
func (s *Server) Change(doctype, name string, values Obj) error {
	return s.by(func(ss *site.Session) error {
		doc, err := s.site.Load(doctype, name)
		if err != nil {
			return err
		}
		if err := s.site.Update(s.site.Reg.Get(doctype), doc, values); err != nil {
			return err
		}
		_, err = s.site.Save(ss, doc)
		return err
	})
}

// Add is somebody else's: a new document, its name.
func (s *Server) Add(doctype string, values Obj) (name string, err error) {
	err = s.by(func(ss *site.Session) error {
		doc, err := s.site.Insert(ss, doctype, values)
		name = site.Text(doc, "name")
		return err
	})
	return name, err
}

// by does something as Administrator, all of it or nothing.
func (s *Server) by(do func(*site.Session) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := do(&site.Session{User: &site.User{Name: Administrator, FullName: Administrator, Admin: true}})
	if err != nil {
		s.site.Rollback()
		err = fmt.Errorf("change from outside: %w", err)
	}
	s.site.Commit()
	return err
}

// Roles gives somebody other roles.
func (s *Server) Roles(user string, roles ...string) {
	s.user(user, func(u *User) { u.Roles = roles })
}

// Revoke takes somebody's key away, or gives it a new secret.
func (s *Server) Revoke(user, secret string) {
	s.user(user, func(u *User) {
		u.Secret = secret
		if secret == "" {
			u.Key = ""
		}
	})
}

func (s *Server) user(name string, change func(*User)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.site.Users {
		if u.Name == name {
			change(u)
		}
	}
}

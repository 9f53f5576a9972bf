// Package office is what a site does with paper: files and prints, reports, documents
// that become others, balances. Only the fake uses it.
package office

import (
	"maps"
	"time"

	"drawbridge/internal/servers/erpnext/fake/site"
	"drawbridge/internal/servers/erpnext/fake/wire"
)

type obj = site.Obj

// Office answers the methods about them. Its owner locks it together with the site.
type Office struct {
	MaxFile  int           // bytes of an upload
	Prepared time.Duration // a prepared report takes so long
}

// New is one with the limits of a new site.
func New() *Office { return &Office{MaxFile: 25 << 20} }

// Methods are all of them, by their paths.
func (o *Office) Methods() map[string]wire.Method {
	all := map[string]wire.Method{}
	for _, more := range []map[string]wire.Method{o.files(), o.reports(), o.apps()} {
		maps.Copy(all, more)
	}
	return all
}

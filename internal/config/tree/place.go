package tree

import (
	"cmp"
	"strconv"
)

// Layer is where a value comes from; later ones win.
type Layer string

// The layers, weakest first. LayerStore is for backends kept in the database.
const (
	LayerDefault Layer = "default"
	LayerFile    Layer = "file"
	LayerEnv     Layer = "env" // the environment or .env
	LayerFlag    Layer = "flag"
	LayerStore   Layer = "store"
)

// Place is where a value stands: a position in a file, a variable or a flag.
type Place struct {
	Layer     Layer
	File      string // configuration file or .env
	Name      string // variable or flag
	Line, Col int
}

// String is how the place is shown to the user: drawbridge.yaml:3:7, .env:2
// (HASS_URL), HASS_URL, or --listen. It is "" for a default.
func (p Place) String() string {
	s := p.Name
	if p.File != "" {
		s = p.File
		if p.Line > 0 {
			s += ":" + strconv.Itoa(p.Line)
		}
		if p.Col > 0 {
			s += ":" + strconv.Itoa(p.Col)
		}
		if p.Name != "" {
			s += " (" + p.Name + ")"
		}
	}
	return s
}

func (p Place) compare(q Place) int {
	return cmp.Or(cmp.Compare(p.File, q.File), cmp.Compare(p.Line, q.Line), cmp.Compare(p.Col, q.Col), cmp.Compare(p.Name, q.Name))
}

// Notice is something the user should know that does not prevent a start.
type Notice struct {
	At   Place
	Path string // setting, such as backends.github.url; may be ""
	Text string
}

func (n Notice) String() string { return join(n.At, n.Path, n.Text) }

// Fault is one thing that prevents a start: where it stands, which setting, and
// what to write instead. Load joins all of them.
type Fault struct {
	At   Place
	Path string // setting, such as backends.github.url; may be ""
	Text string
}

func (f *Fault) Error() string { return join(f.At, f.Path, f.Text) }

func join(at Place, path, text string) string {
	if s := at.String(); s != "" && path != "" {
		return s + ": " + path + ": " + text
	} else if s != "" {
		return s + ": " + text
	}
	if path != "" {
		return path + ": " + text
	}
	return text
}

package kit_test

import (
	"testing"

	"drawbridge/internal/mcpwire"
	"drawbridge/internal/servers/kit"
)

func FuzzCursor(f *testing.F) {
	f.Add("bzE")
	f.Add("by05OTk5OTk5OTk5OTk5OTk5OTk5OQ")
	f.Fuzz(func(t *testing.T, cursor string) {
		w, err := kit.PageIn{Cursor: cursor}.Window(10)
		if err != nil {
			return
		}
		if w.Offset < 0 || w.Limit != 10 {
			t.Fatalf("%q: %+v", cursor, w)
		}
		if page, out := kit.Cut(w, []int{1, 2, 3}); len(page) > 3 || out.NextCursor != "" {
			t.Errorf("%q: %v, %+v", cursor, page, out)
		}
	})
}

// Whatever a URI is, it is read or there is no such resource.
func FuzzResourceURI(f *testing.F) {
	f.Add("sample://a/x/b")
	f.Add("sample://%2F/x/%zz")
	c, log := serveFuzz(f)
	f.Fuzz(func(t *testing.T, uri string) {
		params := append(mcpwire.AppendString([]byte(`{"uri":`), uri), '}')
		req, werr := mcpwire.NewRequest(mcpwire.MethodResourcesRead, mcpwire.LatestModern, params)
		if werr != nil {
			return
		}
		out := c.Server.Serve(c.Context(t.Context()), req, c.Sink)
		defer out.Close()
		if out.Kind == mcpwire.Failed && out.Err.Code != mcpwire.CodeInvalidParams {
			t.Errorf("%q: %v\n%s", uri, out.Err, log)
		}
	})
}

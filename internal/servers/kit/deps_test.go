package kit_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/secret"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kit/filestore"
	"drawbridge/internal/servers/kittest"
)

// vault has credentials of ann alone.
type vault struct{ err error }

func (v vault) For(_ context.Context, user, server string) (map[string]secret.String, error) {
	if user != "ann" || server != "sample" {
		return nil, v.err
	}
	return map[string]secret.String{"token": secret.New("anns")}, v.err
}

// needy has tools that need a credential and files.
func needy(t *testing.T, deps kit.Deps) *kit.Server {
	t.Helper()
	s := spec()
	s.Tools = append(s.Tools,
		kit.Read("whose", "Whose", "Tells whose credential is used.", func(ctx context.Context, c *kit.Call, _ none) (kit.Text, error) {
			v, err := c.Credential(ctx, "token")
			return kit.Text("used " + v.Reveal()), err
		}),
		kit.Write("keep", "Keep", "Keeps a file.", func(ctx context.Context, c *kit.Call, _ none) (kit.File, error) {
			return c.PutFile(ctx, kit.File{Name: "a.txt", MIMEType: "text/plain"}, strings.NewReader("of "+c.User()))
		}),
		kit.Read("open", "Open", "Opens a file.", func(ctx context.Context, c *kit.Call, in refIn) (kit.Text, error) {
			content, f, err := c.OpenFile(ctx, in.Ref)
			if err != nil {
				return "", err
			}
			defer content.Close()
			text, err := io.ReadAll(content)
			return kit.Text(f.Name + ": " + string(text)), err
		}))
	srv, err := kit.New(s, deps)
	if err != nil {
		t.Fatal(err)
	}
	return srv
}

type refIn struct {
	Ref string `json:"ref" jsonschema:"Of the file."`
}

// The caller's own credential comes first, the operator's is for the others, and
// who has neither reads what to do.
func TestCredential(t *testing.T) {
	t.Parallel()
	deps := func(c kit.Credentials) kit.Deps {
		d := kittest.Deps(&kittest.Log{}, nil)
		d.Credentials = c
		return d
	}
	shared := map[string]secret.String{"token": secret.New("operators")}
	for name, tc := range map[string]struct {
		from      kit.Credentials
		ann, bobs string // "" is a refusal
	}{
		"none":              {nil, "", ""},
		"callers":           {vault{}, "anns", ""},
		"operator":          {kit.Fallback(nil, shared), "operators", "operators"},
		"callers, operator": {kit.Fallback(vault{}, shared), "anns", "operators"},
	} {
		srv := needy(t, deps(tc.from))
		for user, want := range map[string]string{"ann": tc.ann, "bob": tc.bobs} {
			r := kittest.NewClient(srv, user).Call(t, "whose", ``)
			if want != "" && r.Text != "used "+want || want == "" && (!r.IsError || !strings.Contains(r.Text, "Store one")) {
				t.Errorf("%s, %s: %s", name, user, r.Text)
			}
		}
	}
	srv := needy(t, deps(kit.Fallback(vault{errors.New("sealed with another key")}, shared)))
	if text := kittest.NewClient(srv, "ann").Refused(t, "whose", ``); text != fault.PublicInternal {
		t.Errorf("credentials that cannot be read: %s", text)
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	store, err := filestore.Open(t.TempDir(), filestore.DefaultLimits(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	deps := kittest.Deps(&kittest.Log{}, nil)
	without := kittest.NewClient(needy(t, deps), "ann")
	for tool, args := range map[string]string{"keep": ``, "open": `{"ref":"file_x"}`} {
		if text := without.Refused(t, tool, args); !strings.Contains(text, "keeps no files") {
			t.Errorf("%s without a store: %s", tool, text)
		}
	}
	deps.Files = store
	srv := needy(t, deps)
	var f kit.File
	ann := kittest.NewClient(srv, "ann")
	ann.Must(t, "keep", ``, &f)
	if r := ann.Must(t, "open", `{"ref":"`+f.Ref+`"}`, nil); r.Text != "a.txt: of ann" || f.Size != 6 {
		t.Errorf("%+v, %s", f, r.Text)
	}
	kittest.NewClient(srv, "bob").Refused(t, "open", `{"ref":"`+f.Ref+`"}`)
}

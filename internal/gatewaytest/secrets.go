package gatewaytest

import (
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Secrets are values that must not be found in what others may read. Safe for
// concurrent use.
type Secrets struct {
	mu    sync.Mutex // guards known
	known []planted
}

// planted is a secret and the ways in which it might be written down.
type planted struct {
	kind  string
	forms []string
}

// shortest is the length of a value that is looked for: what is shorter occurs by
// chance.
const shortest = 8

// Add makes a value known by its kind, and returns it.
func (s *Secrets) Add(kind, value string) string {
	if len(value) < shortest {
		panic("the " + kind + " is too short to be looked for")
	}
	quoted := strconv.Quote(value)
	forms := []string{value, url.QueryEscape(value), url.PathEscape(value), quoted[1 : len(quoted)-1], hex.EncodeToString([]byte(value))}
	// In base64 a value looks different at each of three places, and its ends depend
	// on what stands beside it.
	for before := range 3 {
		for _, in := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			text := in.EncodeToString([]byte(strings.Repeat("x", before) + value))
			forms = append(forms, text[(before*8+5)/6:len(text)-2])
		}
	}
	slices.Sort(forms)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known = append(s.known, planted{kind, slices.Compact(forms)})
	return value
}

// ownToken is whatever has the form and length of a token that Drawbridge makes. The
// id of a client that registered itself, dcr_, is no secret.
var ownToken = regexp.MustCompile(`db[a-z]_[0-9A-Za-z]{49}`)

// In names the kinds of the secrets that stand in a text, but for those that may.
func (s *Secrets) In(text string, may ...string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var kinds []string
	explained := map[string]bool{} // tokens of kinds that may be there
	for _, p := range s.known {
		for _, form := range p.forms {
			if !strings.Contains(text, form) {
				continue
			}
			explained[form] = true
			if !slices.Contains(may, p.kind) {
				kinds = append(kinds, p.kind)
			}
			break
		}
	}
	for _, token := range ownToken.FindAllString(text, -1) {
		if !explained[token] {
			kinds = append(kinds, "a token "+token[:8]+"…")
		}
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

// firstPassword is where the first start writes down the password that it made.
var firstPassword = regexp.MustCompile(`(?m)^  Password  (\S+)`)

// Secret makes a value known that must not be found in the gateway's log and files
// when the test ends, and returns it.
func (g *Gateway) Secret(kind, value string) string { return g.secrets.Add(kind, value) }

// Secrets are those that were made known up to now.
func (g *Gateway) Secrets() *Secrets { return &g.secrets }

// LogFile is the file with what the gateway has logged, debugging lines included.
func (g *Gateway) LogFile() string { return g.log }

// keepsSecrets fails the test if a secret stands in the log, or in a file of the
// state directory that is not made for that.
func (g *Gateway) keepsSecrets(t testing.TB) {
	t.Helper()
	if raw, err := os.ReadFile(filepath.Join(g.Dir, "first-secrets")); err == nil {
		if m := firstPassword.FindSubmatch(raw); m != nil {
			g.secrets.Add("first password", string(m[1]))
		}
	}
	files := []string{g.log}
	err := filepath.WalkDir(g.Dir, func(path string, e fs.DirEntry, err error) error {
		name := filepath.Base(path)
		if err == nil && e.Type().IsRegular() && name != "secret.key" && name != "first-secrets" {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Errorf("look for secrets: %v", err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Errorf("look for secrets: %v", err)
		}
		for _, kind := range g.secrets.In(string(raw)) {
			t.Errorf("%s has the %s", filepath.Base(file), kind)
		}
	}
}

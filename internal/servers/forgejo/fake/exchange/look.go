package exchange

import (
	"net/http"
	"slices"
	"strings"

	"drawbridge/internal/servers/forgejo/fake/forge"
)

// Seen are the repositories that the caller may see and that match, by name.
func (c *Call) Seen(match func(*forge.Repo) bool) []*forge.Repo {
	var found []*forge.Repo
	public := c.Token != nil && slices.Contains(c.Token.Scopes, "public-only")
	for _, r := range c.Forge.Repos {
		if c.Forge.Level(c.User, r) > forge.None && !(public && r.Private) && match(r) {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b *forge.Repo) int { return strings.Compare(a.FullName(), b.FullName()) })
	return found
}

// HeadRepo finds where "branch", "owner:branch" or "owner/repo:branch" is.
func (c *Call) HeadRepo(head string) (*forge.Repo, string) {
	owner, branch, other := strings.Cut(head, ":")
	if !other {
		return c.Repo, head
	}
	owner, name, named := strings.Cut(owner, "/")
	if owner == c.Repo.Owner.Login && !named {
		return c.Repo, branch
	}
	r := forge.Find(c.Forge.Repos, func(r *forge.Repo) bool {
		return strings.EqualFold(r.Owner.Login, owner) && (named && r.Name == name || r.Parent == c.Repo)
	})
	if r == nil || c.Forge.Level(c.User, r) == forge.None {
		return nil, ""
	}
	return r, branch
}

// Wants reads stat, files and verification, which are on unless switched off.
func (c *Call) Wants(part string) bool { return c.Query.Get(part) == "" || c.Truth(part) }

// CutFormat takes .diff or .patch off a name.
func CutFormat(name string) (id, ext string, text bool) {
	for _, ext := range []string{".diff", ".patch"} {
		if id, text = strings.CutSuffix(name, ext); text {
			return id, ext, true
		}
	}
	return name, "", false
}

// Plain answers with text.
func Plain(text string) Reply {
	return Reply{Status: http.StatusOK, Kind: PlainText, Raw: []byte(text)}
}

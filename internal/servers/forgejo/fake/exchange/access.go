package exchange

import (
	"net/http"
	"slices"
	"strings"

	"drawbridge/internal/servers/forgejo/fake/forge"
	"drawbridge/internal/servers/forgejo/fake/shape"
)

// Admit does what happens ahead of a handler, in the order of the real ones: who it is,
// what the token may do, the repository, whether somebody must be signed in, rights.
func (c *Call) Admit(rt *Route) *Reply {
	if rep := c.authenticate(); rep != nil {
		return rep
	}
	c.Query = c.R.URL.Query()
	c.V = &shape.View{Forge: c.Forge, Viewer: c.User, Base: c.Base, Forgejo: c.Profile.Forgejo()}
	if rep := c.scoped(rt.Scopes); rep != nil {
		return rep
	}
	if owner, named := c.Vars["owner"]; named {
		if c.Repo = c.Forge.Repo(owner, c.Vars["repo"]); c.Repo == nil || c.May() == forge.None {
			return new(c.Missing())
		}
		if c.Token != nil && c.Repo.Private && slices.Contains(c.Token.Scopes, "public-only") {
			return new(c.Fail(http.StatusForbidden, "token scope is limited to public repos"))
		}
	}
	if rt.SignedIn && c.User == nil {
		return new(c.Fail(http.StatusUnauthorized, "token is required"))
	}
	return c.permit(rt)
}

// scoped checks the token's scopes, group by group; one with several names wants all.
func (c *Call) scoped(groups []string) *Reply {
	if c.Token == nil {
		return nil
	}
	access := "write:"
	if c.R.Method == http.MethodGet || c.R.Method == http.MethodHead {
		access = "read:"
	}
	for _, group := range groups {
		need := strings.Fields(group)
		for i := range need {
			need[i] = access + need[i]
		}
		if slices.ContainsFunc(need, func(n string) bool { return !c.Token.Allows(n) }) { // ref 4.2: the text of the 403
			return new(c.Fail(http.StatusForbidden, "token does not have at least one of required scope(s), required=[%s], token scope=%s",
				strings.Join(need, " "), strings.Join(c.Token.Scopes, ",")))
		}
	}
	return nil
}

func (c *Call) permit(rt *Route) *Reply {
	if c.Repo == nil {
		return nil
	}
	have := c.May()
	switch {
	case rt.Need == forge.Owner && have < forge.Owner:
		return new(c.Fail(http.StatusForbidden, "user should be the owner of the repo"))
	case rt.Need == forge.Admin && have < forge.Admin:
		return new(c.Fail(http.StatusForbidden, "user should be an owner or a collaborator with admin write of a repository"))
	case rt.Need == forge.Write && have < forge.Write:
		return new(c.Fail(http.StatusForbidden, "user should have a permission to write to a repo"))
	case rt.Live && c.Repo.Archived: // ref 4.2: 423 for an archived repository
		return new(c.Fail(http.StatusLocked, "%s is archived", c.Repo.FullName()))
	}
	return nil
}

// authenticate takes "token T" and "Bearer T" and basic. Tokens in the query are not heard
// (ref 4.2, Auth); that Gitea 1.26 still hears them, with a warning, is left out so that no
// client comes to rely on it.
func (c *Call) authenticate() *Reply {
	head := c.R.Header.Get("Authorization")
	if head == "" {
		return nil
	}
	kind, value, _ := strings.Cut(head, " ")
	switch strings.ToLower(kind) {
	case "token", "bearer":
		c.User, c.Token = c.Forge.Token(value)
	case "basic":
		name, password, _ := c.R.BasicAuth()
		if c.User, c.Token = c.Forge.Token(password); c.User == nil {
			c.User, c.Basic = c.Forge.User(name), true
			if c.User != nil && (c.User.Password == "" || c.User.Password != password) {
				c.User = nil
			}
		}
	default:
		return nil
	}
	if c.User == nil {
		if c.Profile.Forgejo() { // Forgejo lets the cause out
			return new(c.Fail(http.StatusUnauthorized, "user does not exist [uid: 0, name: ]"))
		}
		return new(c.Fail(http.StatusUnauthorized, "invalid username, password or token"))
	}
	if c.User.Blocked {
		return new(Reply{Status: http.StatusForbidden, Body: Obj{
			"message": "This account is prohibited from signing in, please contact your site administrator."}})
	}
	return nil
}

// May is the caller's level in the repository of the path.
func (c *Call) May() forge.Level { return c.Forge.Level(c.User, c.Repo) }

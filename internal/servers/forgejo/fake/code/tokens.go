package code

import (
	"net/http"
	"slices"
	"strings"

	"drawbridge/internal/servers/forgejo/fake/exchange"
	"drawbridge/internal/servers/forgejo/fake/forge"
	"drawbridge/internal/servers/forgejo/fake/gitstore"
)

// categories are what scopes are about (ref 4.2, Auth); each exists to read: and to write:.
var categories = []string{"activitypub", "admin", "issue", "misc", "notification", "organization", "package", "repository", "user"}

// createToken works by password alone (ref 4.2, Auth; swagger CreateAccessTokenOption, AccessToken).
func (c call) createToken() exchange.Reply {
	owner := c.Forge.User(c.Vars["username"])
	if owner == nil {
		return c.Missing()
	}
	if owner != c.User && !c.User.Admin {
		return c.Fail(http.StatusForbidden, "doer should be the site admin or be same as the contextUser")
	}
	if !c.Basic {
		return c.Fail(http.StatusUnauthorized, "auth required")
	}
	var in struct {
		Name   string   `json:"name" rule:"required"`
		Scopes []string `json:"scopes"`
	}
	if rep := c.Bind(&in); rep != nil {
		return *rep
	}
	if forge.Find(owner.Tokens, func(t *forge.Token) bool { return t.Name == in.Name }) != nil {
		return c.Fail(http.StatusBadRequest, "access token name has been used already")
	}
	for _, scope := range in.Scopes {
		access, category, _ := strings.Cut(scope, ":")
		if scope != "all" && scope != "public-only" && (access != "read" && access != "write" || !slices.Contains(categories, category)) {
			return c.Fail(http.StatusBadRequest, "invalid access token scope provided: invalid access token scope: %s", scope)
		}
	}
	if len(in.Scopes) == 0 {
		return c.Fail(http.StatusBadRequest, "access token must have a scope")
	}
	t := &forge.Token{ID: c.Forge.ID(), Name: in.Name, Value: gitstore.Hash("token", []byte(owner.Login+in.Name)), Scopes: in.Scopes}
	owner.Tokens = append(owner.Tokens, t)
	out := exchange.Obj{"id": t.ID, "name": t.Name, "sha1": t.Value, "token_last_eight": t.Value[len(t.Value)-8:], "scopes": t.Scopes}
	if !c.Profile.Forgejo() {
		out["created_at"], out["last_used_at"] = c.Forge.Now(), c.Forge.Now()
	}
	return exchange.Created(out)
}

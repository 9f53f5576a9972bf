// Package code is the part of the fake's API about users, repositories, files, commits,
// branches and releases. Only the fake uses it.
package code

import (
	"net/http"

	"drawbridge/internal/servers/forgejo/fake/exchange"
	"drawbridge/internal/servers/forgejo/fake/forge"
)

// call is a call with the operations of this package.
type call struct{ *exchange.Call }

func add(t *exchange.Routing, how exchange.Route, method, path string, serve func(call) exchange.Reply) {
	t.Add(how, method, path, func(c *exchange.Call) exchange.Reply { return serve(call{c}) })
}

const (
	get, post, put, patch, del = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete
)

// Routes are the operations, the more particular path first.
func Routes(p exchange.Profile) []exchange.Route {
	misc, repos := exchange.Routing{Prefix: "/api/v1"}, exchange.Routing{Prefix: "/api/v1/repos/{owner}/{repo}"}
	miscRoutes(&misc)
	codeRoutes(&repos)
	if p.Forgejo() { // ref 4.2: Forgejo has a version of its own, too
		misc.Prefix = "/api/forgejo/v1"
		add(&misc, exchange.Route{}, get, "/version", call.version)
	}
	return append(misc.Routes, repos.Routes...)
}

func miscRoutes(t *exchange.Routing) {
	open := exchange.Route{}
	person := exchange.Route{Scopes: []string{"user"}}
	self := exchange.Route{Scopes: []string{"user"}, SignedIn: true}
	mine := exchange.Route{Scopes: []string{"user", "repository"}, SignedIn: true}
	orgs := exchange.Route{Scopes: []string{"organization"}, SignedIn: true}
	add(t, open, get, "/version", call.version)
	add(t, open, get, "/settings/api", call.settings)
	add(t, self, get, "/user", call.self)
	add(t, mine, get, "/user/repos", call.myRepos)
	add(t, mine, post, "/user/repos", call.createRepo)
	add(t, exchange.Route{Scopes: []string{"user organization"}, SignedIn: true}, get, "/user/orgs", call.myOrgs)
	add(t, person, get, "/users/search", call.searchUsers)
	add(t, person, get, "/users/{username}", call.getUser)
	add(t, exchange.Route{Scopes: []string{"user", "repository"}}, get, "/users/{username}/repos", call.userRepos)
	add(t, self, post, "/users/{username}/tokens", call.createToken)
	add(t, orgs, get, "/orgs/{org}", call.getOrg)
	add(t, exchange.Route{Scopes: []string{"organization repository"}, SignedIn: true}, get, "/orgs/{username}/repos", call.userRepos)
	add(t, exchange.Route{Scopes: []string{"organization repository"}, SignedIn: true}, post, "/orgs/{org}/repos", call.createRepo)
	add(t, exchange.Route{Scopes: []string{"repository"}}, get, "/repos/search", call.searchRepos)
}

func codeRoutes(t *exchange.Routing) {
	read := exchange.Route{Scopes: []string{"repository"}}
	self := exchange.Route{Scopes: read.Scopes, SignedIn: true}
	admin := exchange.Route{Scopes: read.Scopes, SignedIn: true, Need: forge.Admin}
	owner := exchange.Route{Scopes: read.Scopes, SignedIn: true, Need: forge.Owner}
	write := exchange.Route{Scopes: read.Scopes, SignedIn: true, Need: forge.Write}
	push := exchange.Route{Scopes: read.Scopes, SignedIn: true, Need: forge.Write, Live: true}
	edit := exchange.Route{Scopes: read.Scopes, SignedIn: true, Live: true} // rights depend on the branch
	add(t, read, get, "", call.getRepo)
	add(t, admin, patch, "", call.editRepo)
	add(t, owner, del, "", call.deleteRepo)
	add(t, self, post, "/forks", call.forkRepo)
	add(t, owner, post, "/transfer", call.transferRepo)
	add(t, read, get, "/topics", call.getTopics)
	add(t, read, get, "/languages", call.languages)
	add(t, self, get, "/collaborators", call.collaborators)
	add(t, self, get, "/assignees", call.collaborators)
	add(t, read, get, "/contents", call.contents)
	add(t, edit, post, "/contents", call.changeFiles)
	add(t, read, get, "/contents/{path...}", call.contents)
	add(t, edit, post, "/contents/{path...}", call.createFile)
	add(t, edit, put, "/contents/{path...}", call.updateFile)
	add(t, edit, del, "/contents/{path...}", call.deleteFile)
	add(t, read, get, "/raw/{path...}", call.rawFile)
	add(t, read, get, "/git/trees/{sha}", call.tree)
	add(t, read, get, "/git/blobs/{sha}", call.blob)
	add(t, read, get, "/git/commits/{sha}", call.getCommit)
	add(t, read, get, "/commits", call.commits)
	add(t, read, get, "/commits/{ref...}/status", call.combinedStatus)
	add(t, read, get, "/commits/{ref...}/statuses", call.statuses)
	add(t, read, get, "/statuses/{ref}", call.statuses)
	add(t, write, post, "/statuses/{ref}", call.createStatus)
	add(t, read, get, "/compare/{basehead...}", call.compare)
	add(t, read, get, "/branches", call.branches)
	add(t, push, post, "/branches", call.createBranch)
	add(t, read, get, "/branches/{branch...}", call.getBranch)
	add(t, push, del, "/branches/{branch...}", call.deleteBranch)
	add(t, read, get, "/tags", call.tags)
	add(t, read, get, "/releases", call.releases)
	add(t, write, post, "/releases", call.createRelease)
	add(t, read, get, "/releases/latest", call.latestRelease)
	add(t, read, get, "/releases/tags/{tag}", call.getRelease)
	add(t, read, get, "/releases/{id}", call.getRelease)
	add(t, write, patch, "/releases/{id}", call.editRelease)
	add(t, write, del, "/releases/{id}", call.deleteRelease)
}

package code

import (
	"context"
	"fmt"
	"strconv"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/forgejo/access"
	"drawbridge/internal/servers/forgejo/api"
	"drawbridge/internal/servers/kit"
)

type createRepoIn struct {
	Owner       string `json:"owner,omitempty" jsonschema:"An organization; yourself without it."`
	Name        string `json:"name,omitempty" jsonschema:"Of the repository; a fork keeps its own without it."`
	ForkOf      string `json:"fork_of,omitempty" jsonschema:"owner/name to fork."`
	Description string `json:"description,omitempty" jsonschema:"In a sentence."`
	Public      bool   `json:"public,omitempty" jsonschema:"Private without it."`
	Branch      string `json:"default_branch,omitempty" jsonschema:"Name of the first branch."`
}

type createRepoOut struct {
	Name string `json:"name"`
	URL  string `json:"url"`
}

func (t Tools) createRepo(ctx context.Context, c *kit.Call, in createRepoIn) (out createRepoOut, err error) {
	if in.ForkOf != "" {
		return t.fork(ctx, c, in)
	}
	if !access.NameRule().MatchString(in.Name) {
		return out, fault.New(fault.Invalid, "A repository needs a name of letters, digits, dots, - and _. Correct name.")
	}
	session, err := t.Session(ctx, c)
	if err != nil {
		return out, err
	}
	if err := t.mayMake(ctx, session, in.Owner, in.Name); err != nil {
		return out, err
	}
	f, err := session.CreateRepo(ctx, in.Owner, api.NewRepo{Name: in.Name, Description: in.Description, Private: !in.Public, AutoInit: true, Branch: in.Branch})
	return createRepoOut{f.FullName, f.HTMLURL}, err
}

func (t Tools) fork(ctx context.Context, c *kit.Call, in createRepoIn) (out createRepoOut, err error) {
	if in.Description != "" || in.Public || in.Branch != "" {
		return out, fault.New(fault.Invalid, "A fork keeps description, visibility and branches. Leave them out.")
	}
	r, err := t.Repo(ctx, c, in.ForkOf)
	if err != nil {
		return out, err
	}
	name := in.Name
	if name == "" {
		name = r.Name
	}
	if err := t.mayMake(ctx, r.Session, in.Owner, name); err != nil {
		return out, err
	}
	f, err := r.Fork(ctx, in.Owner, in.Name)
	return createRepoOut{f.FullName, f.HTMLURL}, err
}

// mayMake holds the new name to the operator's lists.
func (t Tools) mayMake(ctx context.Context, session api.Session, owner, name string) error {
	if owner == "" {
		u, err := session.Me(ctx)
		if err != nil {
			return err
		}
		owner = u.Login
	}
	return t.Repos.Check("repository", owner+"/"+name)
}

type manageRepoIn struct {
	access.RepoIn
	Action  string `json:"action" jsonschema:"What to do." enum:"archive,unarchive,transfer,delete"`
	Owner   string `json:"new_owner,omitempty" jsonschema:"For transfer."`
	Confirm string `json:"confirm_name,omitempty" jsonschema:"For delete: the repository's owner/name once more."`
}

type manageRepoOut struct {
	Done string `json:"done,omitempty"`
}

func (in manageRepoIn) check() error {
	switch {
	case (in.Action == "transfer") != (in.Owner != ""):
		return fault.New(fault.Invalid, "new_owner goes with transfer, and transfer with new_owner. Correct the one or the other.")
	case in.Action == "delete" && in.Confirm != in.Repo:
		return fault.New(fault.Invalid, "confirm_name is not the name of the repository. Repeat repo in it if it shall really be deleted.")
	}
	return nil
}

func (t Tools) previewManage(ctx context.Context, c *kit.Call, in manageRepoIn) (p kit.Preview, err error) {
	if err := in.check(); err != nil {
		return p, err
	}
	r, err := t.Repo(ctx, c, in.Repo)
	if err != nil {
		return p, err
	}
	f, err := r.Facts(ctx)
	if err != nil {
		return p, err
	}
	effect := map[string]string{
		"archive":   "Makes the repository read-only for everybody.",
		"unarchive": "Lets the repository change again.",
		"transfer":  "Gives the repository to " + in.Owner + ".",
		"delete":    fmt.Sprintf("Deletes the repository for good, with %d open issues, %d open pull requests, its wiki and its releases.", f.OpenIssues, f.OpenPulls),
	}
	return kit.Preview{Target: f.FullName, Effect: effect[in.Action], Bound: access.Bound(in.Action, strconv.FormatInt(f.ID, 10), f.FullName, in.Owner)}, nil
}

func (t Tools) manageRepo(ctx context.Context, c *kit.Call, in manageRepoIn) (out manageRepoOut, err error) {
	if err := in.check(); err != nil {
		return out, err
	}
	r, err := t.Repo(ctx, c, in.Repo)
	if err != nil {
		return out, err
	}
	switch in.Action {
	case "archive", "unarchive":
		_, err = r.Archive(ctx, in.Action == "archive")
	case "transfer":
		err = r.Transfer(ctx, in.Owner)
	case "delete":
		err = r.Delete(ctx)
	}
	return manageRepoOut{in.Action}, err
}

// Package forge is what the fake keeps: users, tokens, repositories, issues, pull
// requests, runs, and the rules that hold between them whatever asks. Only the fake's
// API uses it, which also locks it. It knows neither HTTP nor any shape of JSON.
package forge

import (
	"slices"
	"strings"
	"time"

	"drawbridge/internal/servers/forgejo/fake/gitstore"
)

// Forge is everything.
type Forge struct {
	Users   []*User
	Repos   []*Repo
	Threads []*Thread
	Now     func() time.Time
	// Checking is how often a pull request whose branches moved is found in the state in
	// which the real ones look for conflicts: not mergeable, and refusing to merge.
	Checking int
	lastID   int64
}

// ID is a new one. All kinds share one sequence, beginning far above the numbers of
// issues, so that whoever takes one for the other is found out.
func (f *Forge) ID() int64 {
	f.lastID++
	return f.lastID + 100
}

// Level is what somebody may do with a repository.
type Level int

// Levels, each with all that the former allows.
const (
	None Level = iota
	Read
	Write
	Admin
	Owner
)

// User is a person or an organization.
type User struct {
	ID                           int64
	Login, Name, Email, Password string
	Admin, Org, Blocked          bool
	Members                      map[int64]Level // of an organization
	Tokens                       []*Token
}

// Person is how the user signs commits.
func (u *User) Person() gitstore.Person {
	return gitstore.Person{Name: or(u.Name, u.Login), Email: u.Email}
}

// Token is an access token.
type Token struct {
	ID          int64
	Name, Value string
	Scopes      []string
}

// Allows tells that the token has a scope, as such, by writing, or by all.
func (t *Token) Allows(scope string) bool {
	access, category, _ := strings.Cut(scope, ":")
	return slices.ContainsFunc(t.Scopes, func(have string) bool {
		return have == "all" || have == scope || access == "read" && have == "write:"+category
	})
}

// Repo is a repository.
type Repo struct {
	ID                         int64
	Owner                      *User
	Name, Description, Website string
	Private, Archived          bool
	Template, Transfer         bool // Transfer: it waits for the new owner
	Parent                     *Repo
	Main                       string // default branch
	Topics                     []string
	Team                       map[int64]Level
	Git                        *gitstore.Store
	Issues                     []*Issue // and pull requests: one sequence of numbers (ref 4.2)
	Labels                     []*Label
	Milestones                 []*Milestone
	Releases                   []*Release // newest first, as runs and statuses are
	Statuses                   []*Status
	Runs                       []*Run
	Protected                  map[string]Protection
	Created, Updated           time.Time
}

// FullName is owner/name.
func (r *Repo) FullName() string { return r.Owner.Login + "/" + r.Name }

// Empty tells that nobody committed yet.
func (r *Repo) Empty() bool { return len(r.Git.Branches) == 0 }

// Tip is the newest commit of a branch, or nil.
func (r *Repo) Tip(branch string) *gitstore.Commit { return r.Git.Commits[r.Git.Branches[branch]] }

// Label of issues.
type Label struct {
	ID                       int64
	Name, Color, Description string
	Exclusive, Archived      bool
}

// Milestone of issues.
type Milestone struct {
	ID                 int64
	Title, Description string
	Created, Updated   time.Time
	Closed, Due        *time.Time
}

// Issue is one, or a pull request.
type Issue struct {
	ID, Number       int64
	Repo             *Repo
	By               *User
	Title, Body, Ref string
	Labels           []*Label
	Milestone        *Milestone
	Assignees        []*User
	Comments         []*Comment
	Created, Updated time.Time
	Closed, Due      *time.Time
	Version          int // of the body; Gitea 1.26 checks it when editing
	Pull             *Pull
}

// State is open or closed.
func (i *Issue) State() string {
	if i.Closed != nil {
		return "closed"
	}
	return "open"
}

// Mentions tells that the text speaks to u.
func (i *Issue) Mentions(u *User) bool {
	text := i.Body
	for _, c := range i.Comments {
		text += " " + c.Body
	}
	words := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \n\t,.;:!?()", r) })
	return slices.Contains(words, "@"+u.Login)
}

// Comment on an issue.
type Comment struct {
	ID               int64
	Issue            *Issue
	By               *User
	Body             string
	Created, Updated time.Time
}

// Release of a tag.
type Release struct {
	ID                       int64
	Tag, Target, Title, Body string
	Draft, Pre               bool
	By                       *User
	At                       time.Time
}

// Status of a commit, told by a check.
type Status struct {
	ID                                       int64
	SHA, State, Target, Description, Context string
	By                                       *User
	At                                       time.Time
}

// Run of a workflow.
type Run struct {
	ID, Number                           int64
	Workflow, Title, Event, Branch, Head string
	By                                   *User
	Status                               string // Forgejo's word
	Jobs                                 []*Job
	At                                   time.Time
}

// Job of a run. Task is 0 until it was started.
type Job struct {
	ID, Task, Attempt int64
	Name, Status, Log string
}

// Thread is one notification of one user.
type Thread struct {
	ID    int64
	User  *User
	Issue *Issue
	State string // unread, read, pinned
	At    time.Time
}

// Find is the first match, or nil.
func Find[T any](rows []*T, match func(*T) bool) *T {
	if i := slices.IndexFunc(rows, match); i >= 0 {
		return rows[i]
	}
	return nil
}

// User finds by login, which has no case.
func (f *Forge) User(login string) *User {
	return Find(f.Users, func(u *User) bool { return strings.EqualFold(u.Login, login) })
}

// ByEmail finds who signs commits so.
func (f *Forge) ByEmail(email string) *User {
	return Find(f.Users, func(u *User) bool { return u.Email == email })
}

// Repo finds by owner and name.
func (f *Forge) Repo(owner, name string) *Repo {
	return Find(f.Repos, func(r *Repo) bool { return strings.EqualFold(r.Owner.Login, owner) && strings.EqualFold(r.Name, name) })
}

// Token finds a token and whose it is.
func (f *Forge) Token(value string) (*User, *Token) {
	for _, u := range f.Users {
		if t := Find(u.Tokens, func(t *Token) bool { return t.Value == value }); t != nil {
			return u, t
		}
	}
	return nil, nil
}

// Level is what u, nil for a stranger, may do with r.
func (f *Forge) Level(u *User, r *Repo) Level {
	have := None
	if !r.Private {
		have = Read
	}
	if u == nil {
		return have
	}
	if u == r.Owner || u.Admin {
		return Owner
	}
	return max(have, r.Team[u.ID], r.Owner.Members[u.ID])
}

// MayPush tells whether u may put commits on a branch.
func (f *Forge) MayPush(u *User, r *Repo, branch string) bool {
	if rule, ok := r.Protected[branch]; ok {
		return slices.Contains(rule.Push, u.Login)
	}
	return f.Level(u, r) >= Write
}

// AddRepo makes an empty repository.
func (f *Forge) AddRepo(owner *User, name string) *Repo {
	r := &Repo{ID: f.ID(), Owner: owner, Name: name, Main: "main", Team: map[int64]Level{}, Git: gitstore.New(), Topics: []string{}, Created: f.Now()}
	r.Updated = r.Created
	f.Repos = append(f.Repos, r)
	return r
}

// Label finds labels by name; unknown names find nothing.
func (r *Repo) Label(names ...string) []*Label {
	var out []*Label
	for _, l := range r.Labels {
		if slices.Contains(names, l.Name) {
			out = append(out, l)
		}
	}
	return out
}

// Issue finds by number.
func (r *Repo) Issue(number int64) *Issue {
	return Find(r.Issues, func(i *Issue) bool { return i.Number == number })
}

// AddIssue opens an issue. Numbers are never used again.
func (f *Forge) AddIssue(r *Repo, by *User, title, body string) *Issue {
	i := &Issue{ID: f.ID(), Number: int64(len(r.Issues) + 1), Repo: r, By: by, Title: title, Body: body, Created: f.Now()}
	i.Updated = i.Created
	r.Issues = append(r.Issues, i)
	return i
}

// AddComment says something about an issue.
func (f *Forge) AddComment(i *Issue, by *User, body string) *Comment {
	c := &Comment{ID: f.ID(), Issue: i, By: by, Body: body, Created: f.Now()}
	c.Updated, i.Updated = c.Created, c.Created
	i.Comments = append(i.Comments, c)
	f.Notify(i, by)
	return c
}

// Close closes or opens an issue.
func (f *Forge) Close(i *Issue, closed bool) {
	i.Closed = nil
	if now := f.Now(); closed {
		i.Closed = &now
	}
}

// Notify tells everyone whom an issue concerns, but for who did it.
func (f *Forge) Notify(i *Issue, by *User) {
	people := append([]*User{i.By, i.Repo.Owner}, i.Assignees...)
	if i.Pull != nil {
		for _, r := range i.Pull.Reviews {
			people = append(people, r.By)
		}
	}
	for _, u := range f.Users {
		if i.Mentions(u) {
			people = append(people, u)
		}
	}
	for n, u := range people {
		if u == by || u.Org || slices.Contains(people[:n], u) {
			continue
		}
		t := Find(f.Threads, func(t *Thread) bool { return t.User == u && t.Issue == i })
		if t == nil {
			t = &Thread{ID: f.ID(), User: u, Issue: i}
			f.Threads = append(f.Threads, t)
		}
		t.State, t.At = "unread", f.Now()
	}
}

// StartRun adds a run at the tip of its branch.
func (f *Forge) StartRun(r *Repo, by *User, sr SeedRun) *Run {
	branch := or(sr.Branch, r.Main)
	n := &Run{ID: f.ID(), Number: int64(len(r.Runs) + 1), Workflow: sr.Workflow, Event: or(sr.Event, "push"), Branch: branch,
		Head: r.Git.Branches[branch], By: by, Status: or(sr.Status, "waiting"), At: f.Now(), Title: sr.Workflow}
	if c := r.Tip(branch); c != nil {
		n.Title = c.Title()
	}
	for _, sj := range sr.Jobs {
		j := &Job{ID: f.ID(), Name: sj.Name, Status: or(sj.Status, n.Status), Attempt: 1, Log: sj.Log}
		if j.Status != "waiting" && j.Status != "blocked" {
			j.Task = f.ID()
		}
		n.Jobs = append(n.Jobs, j)
	}
	r.Runs = slices.Insert(r.Runs, 0, n)
	return n
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

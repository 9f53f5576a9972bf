package forge

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"drawbridge/internal/servers/forgejo/fake/gitstore"
)

// Seed is what a server starts with. It reads from JSON, too.
type Seed struct {
	Users []SeedUser `json:"users"`
	Repos []SeedRepo `json:"repos"`
}

// SeedUser is a user or, with Org, an organization.
type SeedUser struct {
	Login    string            `json:"login"`
	Name     string            `json:"name"`
	Password string            `json:"password"`
	Admin    bool              `json:"admin"`
	Org      bool              `json:"org"`
	Blocked  bool              `json:"blocked"` // must not sign in
	Members  map[string]string `json:"members"` // of an organization: login to read, write, admin or owner
	Tokens   []SeedToken       `json:"tokens"`
}

// SeedToken is an access token; without scopes it may do everything.
type SeedToken struct {
	Value  string   `json:"value"`
	Scopes []string `json:"scopes"`
}

// SeedRepo is a repository. Pull requests follow issues in the sequence of numbers.
type SeedRepo struct {
	Owner       string                `json:"owner"`
	Name        string                `json:"name"`
	Description string                `json:"description"`
	Private     bool                  `json:"private"`
	Archived    bool                  `json:"archived"`
	Topics      []string              `json:"topics"`
	Team        map[string]string     `json:"team"` // login to read, write or admin
	Commits     []SeedCommit          `json:"commits"`
	Tags        map[string]string     `json:"tags"` // to a branch
	Protected   map[string]Protection `json:"protected"`
	Labels      []string              `json:"labels"` // "name" or "name#color"
	Milestones  []string              `json:"milestones"`
	Issues      []SeedIssue           `json:"issues"`
	Runs        []SeedRun             `json:"runs"`
}

// SeedCommit adds to a branch, which the first one makes out of From.
type SeedCommit struct {
	Branch  string             `json:"branch"` // "" for main
	From    string             `json:"from"`   // branch a new one starts at; "" for main
	By      string             `json:"by"`     // "" for the owner
	Message string             `json:"message"`
	Files   map[string]*string `json:"files"` // null deletes
}

// Protection is a rule about a branch.
type Protection struct {
	Push      []string `json:"push"`      // who may push; nobody if empty
	Approvals int      `json:"approvals"` // that a merge needs
	Checks    []string `json:"checks"`    // contexts that must have succeeded
}

// SeedIssue is an issue or, with Head, a pull request.
type SeedIssue struct {
	Title     string              `json:"title"`
	Body      string              `json:"body"`
	By        string              `json:"by"` // "" for the owner
	Labels    []string            `json:"labels"`
	Milestone string              `json:"milestone"`
	Assignees []string            `json:"assignees"`
	Closed    bool                `json:"closed"`
	Comments  []map[string]string `json:"comments"` // by, body
	Head      string              `json:"head"`
	Base      string              `json:"base"` // "" for main
}

// SeedRun is a run of a workflow.
type SeedRun struct {
	Workflow string    `json:"workflow"`
	Branch   string    `json:"branch"`
	Event    string    `json:"event"`
	Status   string    `json:"status"` // Forgejo's word
	Jobs     []SeedJob `json:"jobs"`
}

// SeedJob is a job of a run.
type SeedJob struct {
	Name   string `json:"name"`
	Status string `json:"status"`
	Log    string `json:"log"`
}

var levels = map[string]Level{"read": Read, "write": Write, "admin": Admin, "owner": Owner}

// New plants a seed. A seed that contradicts itself is an error.
func New(seed *Seed, now func() time.Time) (*Forge, error) {
	f := &Forge{Now: now}
	for _, su := range seed.Users {
		u := &User{ID: f.ID(), Login: su.Login, Name: su.Name, Email: su.Login + "@example.org", Password: su.Password,
			Admin: su.Admin, Org: su.Org, Blocked: su.Blocked, Members: map[int64]Level{}}
		for n, t := range su.Tokens {
			if t.Scopes == nil {
				t.Scopes = []string{"all"}
			}
			u.Tokens = append(u.Tokens, &Token{ID: f.ID(), Name: fmt.Sprint("seed", n), Value: t.Value, Scopes: t.Scopes})
		}
		f.Users = append(f.Users, u)
	}
	for _, su := range seed.Users {
		if err := f.enroll(f.User(su.Login).Members, su.Members); err != nil {
			return nil, fmt.Errorf("members of %s: %w", su.Login, err)
		}
	}
	for _, sr := range seed.Repos {
		if err := f.plant(sr); err != nil {
			return nil, fmt.Errorf("repository %s/%s: %w", sr.Owner, sr.Name, err)
		}
	}
	return f, nil
}

func (f *Forge) enroll(into map[int64]Level, names map[string]string) error {
	for name, word := range names {
		u := f.User(name)
		if u == nil || levels[word] == None {
			return fmt.Errorf("no user %s or no level %s", name, word)
		}
		into[u.ID] = levels[word]
	}
	return nil
}

func (f *Forge) plant(sr SeedRepo) error {
	owner := f.User(sr.Owner)
	if owner == nil {
		return errors.New("no such owner")
	}
	r := f.AddRepo(owner, sr.Name)
	r.Description, r.Private, r.Archived, r.Protected = sr.Description, sr.Private, sr.Archived, maps.Clone(sr.Protected)
	r.Topics = append(r.Topics, sr.Topics...)
	if err := f.enroll(r.Team, sr.Team); err != nil {
		return err
	}
	for _, sc := range sr.Commits {
		if err := f.plantCommit(r, sc); err != nil {
			return err
		}
	}
	for _, tag := range slices.Sorted(maps.Keys(sr.Tags)) {
		r.Git.Tags[tag] = r.Git.Branches[sr.Tags[tag]]
		r.Releases = slices.Insert(r.Releases, 0, &Release{ID: f.ID(), Tag: tag, Target: sr.Tags[tag], Title: tag, By: owner, At: f.Now()})
	}
	for _, l := range sr.Labels {
		name, color, _ := strings.Cut(l, "#")
		r.Labels = append(r.Labels, &Label{ID: f.ID(), Name: name, Color: (color + "ededed")[:6]})
	}
	for _, m := range sr.Milestones {
		r.Milestones = append(r.Milestones, &Milestone{ID: f.ID(), Title: m, Created: f.Now(), Updated: f.Now()})
	}
	for _, si := range sr.Issues {
		if err := f.plantIssue(r, si); err != nil {
			return fmt.Errorf("issue %q: %w", si.Title, err)
		}
	}
	for _, run := range sr.Runs {
		f.StartRun(r, owner, run)
	}
	return nil
}

func (f *Forge) plantCommit(r *Repo, sc SeedCommit) error {
	by := f.User(or(sc.By, r.Owner.Login))
	if by == nil {
		return fmt.Errorf("commit %q: no user %s", sc.Message, sc.By)
	}
	branch := or(sc.Branch, r.Main)
	parent := r.Tip(branch)
	if parent == nil {
		parent = r.Tip(or(sc.From, r.Main))
	}
	tree, parents := gitstore.Tree{}, []string{}
	if parent != nil {
		tree, parents = maps.Clone(parent.Files), append(parents, parent.SHA)
	}
	for path, content := range sc.Files {
		if content == nil {
			delete(tree, path)
			continue
		}
		tree[path] = r.Git.Put(*content)
	}
	r.Git.Branches[branch] = r.Git.Commit(tree, sc.Message, by.Person(), f.Now(), parents...).SHA
	return nil
}

func (f *Forge) plantIssue(r *Repo, si SeedIssue) error {
	by := f.User(or(si.By, r.Owner.Login))
	if by == nil {
		return fmt.Errorf("no user %s", si.By)
	}
	i := f.AddIssue(r, by, si.Title, si.Body)
	i.Labels = r.Label(si.Labels...)
	i.Milestone = Find(r.Milestones, func(m *Milestone) bool { return m.Title == si.Milestone })
	for _, name := range si.Assignees {
		u := f.User(name)
		if u == nil {
			return fmt.Errorf("no user %s", name)
		}
		i.Assignees = append(i.Assignees, u)
	}
	if si.Head != "" {
		if r.Tip(si.Head) == nil || r.Tip(or(si.Base, r.Main)) == nil {
			return fmt.Errorf("no branch %s or no base", si.Head)
		}
		f.AddPull(i, or(si.Base, r.Main), r, si.Head)
	}
	f.Notify(i, by)
	for _, sc := range si.Comments {
		u := f.User(sc["by"])
		if u == nil {
			return fmt.Errorf("no user %s", sc["by"])
		}
		f.AddComment(i, u, sc["body"])
	}
	f.Close(i, si.Closed)
	return nil
}

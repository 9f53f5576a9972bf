package forge

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"drawbridge/internal/servers/forgejo/fake/gitstore"
)

// Pull is what a pull request has beyond an issue.
type Pull struct {
	Base, Head  string // branches
	From        *Repo
	MergeBase   string // renewed until it is merged
	HeadSHA     string
	MergedAt    *time.Time
	MergedBy    *User
	MergedSHA   string
	Reviews     []*Review
	Auto        bool // merges when its checks succeed
	AllowsEdits bool
	unchecked   int    // looks that find it still being checked
	seen        string // both tips, when it was last checked
}

// Review states (swagger ReviewStateType).
const (
	Approved  = "APPROVED"
	Rejected  = "REQUEST_CHANGES"
	Commented = "COMMENT"
	Pending   = "PENDING"
	Requested = "REQUEST_REVIEW"
)

// Review of a pull request.
type Review struct {
	ID          int64
	By          *User
	State, Body string
	SHA         string
	Dismissed   bool
	Remarks     []*Remark
	At, Updated time.Time
}

// Remark is an inline comment of a review.
type Remark struct {
	ID         int64
	Path, Body string
	Line       int
	Old        bool // Line counts in the old file
	Hunk       string
}

// AddPull makes a pull request of an issue.
func (f *Forge) AddPull(i *Issue, base string, from *Repo, head string) {
	i.Pull = &Pull{Base: base, Head: head, From: from, AllowsEdits: true}
	i.Refresh()
}

// Refresh takes over what happened to the branches of an open pull request.
func (i *Issue) Refresh() {
	p := i.Pull
	if p == nil || i.Closed != nil {
		return
	}
	i.Repo.Git.Fetch(p.From.Git)
	if tip := p.From.Git.Branches[p.Head]; tip != "" {
		p.HeadSHA = tip
	}
	p.MergeBase = i.Repo.Git.MergeBase(i.Repo.Git.Branches[p.Base], p.HeadSHA)
}

// Look refreshes a pull request that is looked at, and brings its check nearer to its end.
func (f *Forge) Look(i *Issue) {
	i.Refresh()
	p := i.Pull
	tips := i.Repo.Git.Branches[p.Base] + p.HeadSHA
	switch {
	case p.seen != tips:
		p.seen, p.unchecked = tips, f.Checking
	case p.unchecked > 0:
		p.unchecked--
	}
}

// tree of a commit of the repository the issue is in; nil for "".
func (i *Issue) tree(sha string) gitstore.Tree {
	if c := i.Repo.Git.Commits[sha]; c != nil {
		return c.Files
	}
	return nil
}

// Changes are the files a pull request changes.
func (i *Issue) Changes() []gitstore.Change {
	return i.Repo.Git.Changes(i.tree(i.Pull.MergeBase), i.tree(i.Pull.HeadSHA))
}

// Commits are what a pull request brings, newest first.
func (i *Issue) Commits() []*gitstore.Commit {
	return i.Repo.Git.Ahead(i.Pull.MergeBase, i.Pull.HeadSHA)
}

// merged is the tree after merging.
func (i *Issue) merged() (gitstore.Tree, bool) {
	return gitstore.Merge(i.tree(i.Pull.MergeBase), i.tree(i.Repo.Git.Branches[i.Pull.Base]), i.tree(i.Pull.HeadSHA))
}

// Draft is told by the title alone.
func (i *Issue) Draft() bool {
	t := strings.ToUpper(i.Title)
	return strings.HasPrefix(t, "WIP:") || strings.HasPrefix(t, "[WIP]")
}

// Mergeable tells that there is no conflict.
func (i *Issue) Mergeable() bool {
	_, ok := i.merged()
	return i.Pull.MergedAt == nil && ok && !i.Draft() && i.Pull.unchecked == 0
}

// Unready is why the rules about the base branch keep a pull request from being
// merged, "" if they do not (Gitea 1.26, Forgejo: texts).
func (i *Issue) Unready() string {
	rule, ok := i.Repo.Protected[i.Pull.Base]
	if !ok {
		return ""
	}
	for _, name := range rule.Checks {
		s := Find(i.Repo.Statuses, func(s *Status) bool { return s.SHA == i.Pull.HeadSHA && s.Context == name })
		if s == nil || s.State != "success" {
			return "Not all required status checks successful"
		}
	}
	approvals := 0
	last := map[*User]string{}
	for _, r := range i.Pull.Reviews {
		if !r.Dismissed && (r.State == Approved || r.State == Rejected) {
			last[r.By] = r.State
		}
	}
	for _, state := range last {
		if state == Approved {
			approvals++
		}
	}
	if approvals < rule.Approvals {
		return "Does not have enough approvals"
	}
	return ""
}

// Merge merges; the caller has checked what must be checked. It is false where the
// style does not fit: a fast forward that is none.
func (f *Forge) Merge(i *Issue, by *User, style, message string) bool {
	g, p := i.Repo.Git, i.Pull
	base := g.Branches[p.Base]
	tree, _ := i.merged()
	if strings.HasPrefix(style, "rebase") {
		p.MergedSHA = f.replay(i, base)
	}
	at := f.Now()
	switch style {
	case "rebase":
	case "rebase-merge":
		p.MergedSHA = g.Commit(tree, message, by.Person(), at, base, p.MergedSHA).SHA
	case "fast-forward-only":
		if p.MergeBase != base {
			return false
		}
		p.MergedSHA = p.HeadSHA
	case "squash":
		p.MergedSHA = g.Commit(tree, message, by.Person(), at, base).SHA
	default:
		p.MergedSHA = g.Commit(tree, message, by.Person(), at, base, p.HeadSHA).SHA
	}
	g.Branches[p.Base] = p.MergedSHA
	p.MergedAt, p.MergedBy, i.Closed, i.Updated = &at, by, &at, at
	f.Notify(i, by)
	return true
}

// replay puts the commits of a pull request on top of base, one by one.
func (f *Forge) replay(i *Issue, base string) string {
	g := i.Repo.Git
	commits := i.Commits()
	slices.Reverse(commits)
	for _, c := range commits {
		var before gitstore.Tree
		if len(c.Parents) > 0 {
			before = i.tree(c.Parents[0])
		}
		if tree, ok := gitstore.Merge(before, i.tree(base), c.Files); ok {
			base = g.Commit(tree, c.Message, c.Author, f.Now(), base).SHA
		}
	}
	return base
}

// Update merges the base branch into the head. It is false where they conflict.
func (f *Forge) Update(i *Issue, by *User) bool {
	tree, ok := i.merged()
	if !ok {
		return false
	}
	p := i.Pull
	message := fmt.Sprintf("Merge branch '%s' into %s", p.Base, p.Head)
	c := i.Repo.Git.Commit(tree, message, by.Person(), f.Now(), p.HeadSHA, i.Repo.Git.Branches[p.Base])
	p.From.Git.Fetch(i.Repo.Git)
	p.From.Git.Branches[p.Head] = c.SHA
	i.Refresh()
	return true
}

package code

import (
	"encoding/base64"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"

	"drawbridge/internal/servers/forgejo/fake/exchange"
	"drawbridge/internal/servers/forgejo/fake/gitstore"
	"drawbridge/internal/servers/forgejo/fake/shape"
)

// treesPerPage is the real default (ref 4.2, Paging).
const treesPerPage = 1000

// at resolves the ref of the query, the default branch if there is none.
func (c call) at() (*gitstore.Commit, string, *exchange.Reply) {
	ref := exchange.Or(strings.TrimSpace(c.Query.Get("ref")), c.Repo.Main)
	if found := c.Repo.Git.Resolve(ref); found != nil {
		return found, ref, nil
	}
	if c.Profile.Forgejo() {
		return nil, "", new(c.Missing())
	}
	return nil, "", new(c.Missing(fmt.Sprintf("object does not exist [id: %s, rel_path: ]", ref)))
}

// contents is an object for a file and a list for a folder (swagger ContentsResponse).
func (c call) contents() exchange.Reply {
	at, ref, rep := c.at()
	if rep != nil {
		return *rep
	}
	where := strings.Trim(c.Vars["path"], "/")
	if sha := at.Files[where]; sha != "" {
		return exchange.OK(c.V.Content(c.Repo, at, ref, gitstore.Node{Name: path.Base(where), Path: where, SHA: sha}, true))
	}
	nodes := gitstore.Folder(at.Files, where)
	if len(nodes) == 0 && where != "" {
		return c.Missing(fmt.Sprintf("object does not exist [id: , rel_path: %s]", where))
	}
	return exchange.OK(shape.Each(nodes, func(n gitstore.Node) any { return c.V.Content(c.Repo, at, ref, n, false) }))
}

// rawFile serves bytes, with an ETag and ranges.
func (c call) rawFile() exchange.Reply {
	at, _, rep := c.at()
	if rep != nil {
		return *rep
	}
	where := strings.Trim(c.Vars["path"], "/")
	sha := at.Files[where]
	if sha == "" {
		return c.Missing(fmt.Sprintf("object does not exist [id: , rel_path: %s]", where))
	}
	tag := `"` + sha + `"`
	if c.R.Header.Get("If-None-Match") == tag {
		return exchange.Reply{Status: http.StatusNotModified, Header: http.Header{"Etag": {tag}}}
	}
	content := c.Repo.Git.Blobs[sha]
	kind := exchange.PlainText
	if strings.Contains(content, "\x00") {
		kind = exchange.Or(mime.TypeByExtension(path.Ext(where)), "application/octet-stream")
	}
	return c.Ranged(kind, content, http.Header{"Etag": {tag}, "X-Gitea-Object-Type": {"blob"}})
}

// tree is swagger GitTreeResponse; it is paged by per_page and says when it was cut.
func (c call) tree() exchange.Reply {
	at := c.Repo.Git.Resolve(c.Vars["sha"])
	if at == nil {
		return c.Fail(http.StatusBadRequest, "sha not found [%s]", c.Vars["sha"])
	}
	nodes := gitstore.Folder(at.Files, "")
	if c.Truth("recursive") {
		nodes = gitstore.Deep(at.Files, "")
	}
	per := c.Number("per_page")
	if per <= 0 || per > treesPerPage {
		per = treesPerPage
	}
	page := max(c.Number("page"), 1)
	from := min(per*(page-1), len(nodes))
	part := nodes[from:min(from+per, len(nodes))]
	entries := shape.Each(part, func(n gitstore.Node) any {
		name := n.Path // in a recursive list; otherwise both are the same
		if n.Dir {
			return exchange.Obj{"path": name, "mode": "040000", "type": "tree", "size": 0, "sha": n.SHA, "url": c.V.API(c.Repo) + "/git/trees/" + n.SHA}
		}
		return exchange.Obj{"path": name, "mode": "100644", "type": "blob", "size": len(c.Repo.Git.Blobs[n.SHA]), "sha": n.SHA, "url": c.V.API(c.Repo) + "/git/blobs/" + n.SHA}
	})
	sha := gitstore.TreeSHA(at.Files, "")
	rep := exchange.OK(exchange.Obj{"sha": sha, "url": c.V.API(c.Repo) + "/git/trees/" + sha, "tree": entries, "truncated": from+len(part) < len(nodes), "page": page, "total_count": len(nodes)})
	rep.Header = http.Header{"X-Total-Count": {fmt.Sprint(len(nodes))}}
	return rep
}

// blob is swagger GitBlobResponse.
func (c call) blob() exchange.Reply {
	content, there := c.Repo.Git.Blobs[c.Vars["sha"]]
	if !there {
		return c.Fail(http.StatusBadRequest, "object does not exist [id: %s, rel_path: ]", c.Vars["sha"])
	}
	return exchange.OK(exchange.Obj{"content": base64.StdEncoding.EncodeToString([]byte(content)), "encoding": "base64", "sha": c.Vars["sha"], "size": len(content),
		"url": c.V.API(c.Repo) + "/git/blobs/" + c.Vars["sha"]})
}

// fileOptions is what all changes of files have in common (swagger ChangeFilesOptions).
type fileOptions struct {
	Message   string            `json:"message"`
	Branch    string            `json:"branch"`
	NewBranch string            `json:"new_branch"`
	Force     bool              `json:"force_push"`
	Author    map[string]string `json:"author"`
	Committer map[string]string `json:"committer"`
	Dates     map[string]string `json:"dates"`
	Signoff   bool              `json:"signoff"`
}

// operation is swagger ChangeFileOperation.
type operation struct {
	Operation string `json:"operation" rule:"required"`
	Path      string `json:"path" rule:"required"`
	Content   string `json:"content"`
	SHA       string `json:"sha"`
	FromPath  string `json:"from_path"`
}

// changeFiles makes one commit of many operations, all of them or none.
func (c call) changeFiles() exchange.Reply {
	var in struct {
		fileOptions
		Files []operation `json:"files" rule:"required"`
	}
	if rep := c.Bind(&in); rep != nil {
		return *rep
	}
	made, rep := c.change(in.fileOptions, in.Files)
	if rep != nil {
		return *rep
	}
	var out []any
	for _, op := range in.Files {
		out = append(out, c.changed(made, op.Path))
	}
	return exchange.Created(c.filed(made, exchange.Obj{"files": out}))
}

func (c call) createFile() exchange.Reply {
	var in struct {
		fileOptions
		Content string `json:"content"`
	}
	if rep := c.Bind(&in); rep != nil {
		return *rep
	}
	return c.oneFile(in.fileOptions, operation{Operation: "create", Content: in.Content}, http.StatusCreated)
}

// updateFile needs the sha of what it replaces in Forgejo; Gitea 1.26 takes a missing one
// for the wish to create.
func (c call) updateFile() exchange.Reply {
	var in struct {
		fileOptions
		SHA      string `json:"sha"`
		Content  string `json:"content"`
		FromPath string `json:"from_path"`
	}
	if rep := c.Bind(&in); rep != nil {
		return *rep
	}
	if in.SHA != "" {
		return c.oneFile(in.fileOptions, operation{Operation: "update", Content: in.Content, SHA: in.SHA, FromPath: in.FromPath}, http.StatusOK)
	}
	if c.Profile.Forgejo() {
		return c.Invalid("[SHA]: Required")
	}
	return c.oneFile(in.fileOptions, operation{Operation: "create", Content: in.Content}, http.StatusCreated)
}

func (c call) deleteFile() exchange.Reply {
	var in struct {
		fileOptions
		SHA string `json:"sha" rule:"required"`
	}
	if rep := c.Bind(&in); rep != nil {
		return *rep
	}
	rep := c.oneFile(in.fileOptions, operation{Operation: "delete", SHA: in.SHA}, http.StatusOK)
	if rep.Status == http.StatusUnprocessableEntity && c.Profile.Forgejo() {
		rep.Status = http.StatusBadRequest // Forgejo: deleting has its own error table
	}
	return rep
}

// oneFile is swagger FileResponse; of a deleted one the content is null.
func (c call) oneFile(in fileOptions, op operation, status int) exchange.Reply {
	op.Path = c.Vars["path"]
	made, rep := c.change(in, []operation{op})
	if rep != nil {
		return *rep
	}
	return exchange.Reply{Status: status, Body: c.filed(made, exchange.Obj{"content": c.changed(made, op.Path)})}
}

// filed is swagger FileCommitResponse around what was changed.
func (c call) filed(made *commitOn, out exchange.Obj) exchange.Obj {
	m := c.V.Commit(c.Repo, func(string) bool { return false })(made.Commit).(exchange.Obj)
	inner := m["commit"].(exchange.Obj)
	out["commit"] = exchange.Obj{"url": m["url"], "sha": m["sha"], "created": time.Time{}, "html_url": m["html_url"], "author": inner["author"],
		"committer": inner["committer"], "parents": m["parents"], "message": inner["message"], "tree": inner["tree"]}
	out["verification"] = shape.Unsigned()
	return out
}

func (c call) changed(made *commitOn, where string) any {
	sha := made.Files[where]
	if sha == "" {
		return nil
	}
	return c.V.Content(c.Repo, made.Commit, made.branch, gitstore.Node{Name: path.Base(where), Path: where, SHA: sha}, true)
}

// commitOn is a commit just made, and the branch it is on.
type commitOn struct {
	*gitstore.Commit
	branch string
}

// change checks everything ahead of the first effect (Gitea 1.26, Forgejo: order and
// texts of the checks).
func (c call) change(in fileOptions, ops []operation) (*commitOn, *exchange.Reply) {
	r := c.Repo
	in.Branch = exchange.Or(in.Branch, r.Main)
	in.NewBranch = exchange.Or(in.NewBranch, in.Branch)
	if !c.Forge.MayPush(c.User, r, in.NewBranch) {
		which := "the target"
		if c.Profile.Forgejo() {
			which = "this"
		}
		return nil, new(c.Fail(http.StatusForbidden, "user should have a permission to write to %s branch", which))
	}
	tip := r.Tip(in.Branch)
	if tip == nil && !r.Empty() {
		return nil, new(c.Fail(http.StatusNotFound, "branch does not exist [repo_id: %d name: %s]", r.ID, in.Branch))
	}
	if in.NewBranch != in.Branch && r.Tip(in.NewBranch) != nil && !in.Force {
		return nil, new(c.Invalid("branch already exists [name: %s]", in.NewBranch))
	}
	tree, parents := gitstore.Tree{}, []string{}
	if tip != nil {
		tree, parents = maps.Clone(tip.Files), append(parents, tip.SHA)
	}
	titles := []string{}
	for _, op := range ops {
		if rep := c.apply(tree, op); rep != nil {
			return nil, rep
		}
		verb := map[string]string{"create": "Add ", "delete": "Delete "}[op.Operation]
		titles = append(titles, exchange.Or(verb, "Update ")+op.Path)
	}
	made := r.Git.Commit(tree, exchange.Or(in.Message, strings.Join(titles, "\n")), c.author(in), c.Forge.Now(), parents...)
	r.Git.Branches[in.NewBranch] = made.SHA
	r.Updated = made.When
	return &commitOn{made, in.NewBranch}, nil
}

func (c call) author(in fileOptions) gitstore.Person {
	who := c.User.Person()
	return gitstore.Person{Name: exchange.Or(in.Author["name"], who.Name), Email: exchange.Or(in.Author["email"], who.Email)}
}

func (c call) apply(tree gitstore.Tree, op operation) *exchange.Reply {
	content, err := base64.StdEncoding.DecodeString(op.Content)
	if err != nil {
		return new(c.Invalid("%s", err))
	}
	clean := strings.TrimPrefix(path.Clean("/"+op.Path), "/")
	if clean == "" || clean == ".git" || strings.HasPrefix(clean, ".git/") {
		return new(c.Invalid("path contains a malformed path component [path: %s]", op.Path))
	}
	from := exchange.Or(op.FromPath, clean)
	old := tree[from]
	switch op.Operation {
	case "update", "delete", "rename":
		if old == "" {
			return new(c.Fail(http.StatusNotFound, "object does not exist [id: , rel_path: %s]", from))
		}
	case "create", "upload":
	default:
		return new(c.Broken()) // both answer 500 to an operation they do not know
	}
	if op.Operation != "create" && op.SHA != "" && op.SHA != old {
		return new(c.Invalid("sha does not match [given: %s, expected: %s]", op.SHA, old))
	}
	if op.Operation == "delete" {
		delete(tree, clean)
		return nil
	}
	if rep := c.free(tree, clean, from != clean || op.Operation == "create"); rep != nil {
		return rep
	}
	if from != clean {
		delete(tree, from)
	}
	if op.Operation == "rename" && op.Content == "" {
		tree[clean] = old
		return nil
	}
	tree[clean] = c.Repo.Git.Put(string(content))
	return nil
}

// free tells whether a file may be put there.
func (c call) free(tree gitstore.Tree, where string, fresh bool) *exchange.Reply {
	for dir := path.Dir(where); dir != "."; dir = path.Dir(dir) {
		if tree[dir] != "" {
			return new(c.Invalid("a file exists where you’re trying to create a subdirectory [path: %s]", dir))
		}
	}
	if len(gitstore.Folder(tree, where)) > 0 {
		return new(c.Invalid("a directory exists where you’re trying to create a file [path: %s]", where))
	}
	if fresh && tree[where] != "" {
		return new(c.Invalid("repository file already exists [path: %s]", where))
	}
	return nil
}

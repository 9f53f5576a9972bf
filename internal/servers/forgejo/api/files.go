package api

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
)

// Entry is a file or folder.
type Entry struct {
	Path string `json:"path"`
	Type string `json:"type"` // file, dir, symlink, submodule
	Size int64  `json:"size"`
	SHA  string `json:"sha"`
}

// File is a file with its content.
type File struct {
	Entry
	Content []byte
}

// contents is the path of a file or folder in the API, with its slashes.
func (r Repo) contents(path string) string {
	path = strings.Trim(path, "/")
	if path == "" {
		return r.path("contents")
	}
	return r.path("contents") + kit.Path(strings.Split(path, "/")...)
}

func (r Repo) named(path, ref string) string {
	if ref == "" {
		return "the path " + path + " in " + r.String()
	}
	return "the path " + path + " at " + ref + " in " + r.String()
}

// List lists a folder; of a file, it alone.
func (r Repo) List(ctx context.Context, path, ref string) ([]Entry, error) {
	raw, err := r.at(ctx, path, ref)
	if err != nil {
		return nil, err
	}
	if len(raw) > 0 && raw[0] == '[' {
		var entries []Entry
		return entries, decode(raw, &entries)
	}
	var one Entry
	err = decode(raw, &one)
	return []Entry{one}, err
}

// Read reads a file.
func (r Repo) Read(ctx context.Context, path, ref string) (File, error) {
	raw, err := r.at(ctx, path, ref)
	if err != nil {
		return File{}, err
	}
	if len(raw) > 0 && raw[0] == '[' {
		return File{}, fault.New(fault.Invalid, "%s is a folder. list_files shows what is in it.", path)
	}
	var f struct {
		Entry
		Encoding string  `json:"encoding"`
		Content  *string `json:"content"`
	}
	if err := decode(raw, &f); err != nil {
		return File{}, err
	}
	if f.Type != "file" || f.Content == nil || f.Encoding != "base64" || *f.Content == "" && f.Size > 0 {
		return File{}, fault.New(fault.Invalid, "%s is a %s of %d bytes whose content the API does not give. Clone the repository to read it.", path, kind(f.Type), f.Size)
	}
	content, err := base64.StdEncoding.DecodeString(*f.Content)
	if err != nil {
		return File{}, garbage()
	}
	return File{f.Entry, content}, nil
}

// kind is a type of entry in words of ours.
func kind(t string) string {
	switch t {
	case "symlink", "submodule":
		return t
	}
	return "file"
}

// at asks for a file or a folder, which the API answers with an object or an array.
func (r Repo) at(ctx context.Context, path, ref string) (raw json.RawMessage, err error) {
	q := url.Values{}
	setIf(q, "ref", ref)
	return raw, r.get(ctx, r.contents(path), q, &raw, r.named(path, ref))
}

func decode(raw []byte, into any) error {
	if err := json.Unmarshal(raw, into); err != nil {
		return garbage()
	}
	return nil
}

func garbage() error {
	return fault.New(fault.Upstream, "The answer is not what the API describes. The operator can check that FORGEJO_URL leads to a Forgejo or Gitea of a supported version.")
}

// Tree lists everything below a commit or tree, with paths from there.
func (r Repo) Tree(ctx context.Context, sha string, w Window) ([]Entry, int, error) {
	kinds := map[string]string{"blob": "file", "tree": "dir", "commit": "submodule"}
	return pages(ctx, r.Session, w, func(ctx context.Context, q url.Values) ([]Entry, int, error) {
		var out struct {
			Tree  []Entry
			Total int `json:"total_count"`
		}
		q.Set("recursive", "true")
		q.Set("per_page", q.Get("limit"))
		err := r.get(ctx, r.path("git", "trees", sha), q, &out, "the tree "+sha+" of "+r.String())
		for i := range out.Tree {
			out.Tree[i].Type = kinds[out.Tree[i].Type]
		}
		return out.Tree, out.Total, err
	})
}

// FileChange is what a commit does to one file.
type FileChange struct {
	Op   string `json:"operation"` // create, update, delete
	Path string `json:"path"`
	// Content is the new content; encoding/json writes it in base64.
	Content []byte `json:"content,omitempty"`
	SHA     string `json:"sha,omitempty"`       // of the blob that is there
	From    string `json:"from_path,omitempty"` // where it was, for an update that moves
}

// Change is one commit.
type Change struct {
	Branch    string       `json:"branch,omitempty"`
	NewBranch string       `json:"new_branch,omitempty"`
	Message   string       `json:"message"`
	Files     []FileChange `json:"files"`
}

// Changed is a commit that was made.
type Changed struct {
	Commit struct {
		SHA     string `json:"sha"`
		HTMLURL string `json:"html_url"`
	} `json:"commit"`
	Files []*Entry `json:"files"` // nil for one that was deleted
}

// Commit changes many files in one commit.
func (r Repo) Commit(ctx context.Context, c Change) (out Changed, err error) {
	return out, r.send(ctx, http.MethodPost, r.path("contents"), c, &out, "the branch or one of the files in "+r.String())
}

package code

import (
	"context"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/forgejo/access"
	"drawbridge/internal/servers/forgejo/api"
	"drawbridge/internal/servers/forgejo/show"
	"drawbridge/internal/servers/kit"
)

type listReleasesIn struct {
	access.RepoIn
	kit.PageIn
}

type listReleasesOut struct {
	Releases []releaseRow `json:"releases"`
	kit.PageOut
}

type releaseRow struct {
	ID         int64         `json:"id"`
	Tag        string        `json:"tag"`
	Name       kit.Untrusted `json:"name"`
	Draft      bool          `json:"draft,omitempty"`
	Prerelease bool          `json:"prerelease,omitempty"`
	Published  string        `json:"published,omitempty"`
	Body       kit.Untrusted `json:"body,omitempty"`
}

func (t Tools) listReleases(ctx context.Context, c *kit.Call, in listReleasesIn) (out listReleasesOut, err error) {
	w, err := in.Window(10)
	if err != nil {
		return out, err
	}
	r, err := t.Repo(ctx, c, in.Repo)
	if err != nil {
		return out, err
	}
	found, total, err := r.Releases(ctx, w)
	if err != nil {
		return out, err
	}
	all := make([]releaseRow, len(found))
	for i, f := range found {
		all[i] = releaseRow{f.ID, show.Ref(f.Tag), show.Clip(f.Name, 200), f.Draft, f.Prerelease, kit.Time(f.Published), show.Clip(f.Body, show.NoteRoom)}
	}
	out.Releases, out.PageOut = kit.Fit(w, all, total)
	return out, nil
}

type saveReleaseIn struct {
	access.RepoIn
	ID         int64   `json:"id,omitempty" jsonschema:"Change this one."`
	Tag        string  `json:"tag,omitempty" jsonschema:"Needed for a new one; made where it is not there."`
	Target     string  `json:"target,omitempty" jsonschema:"Branch or commit for a new tag."`
	Name       *string `json:"name,omitempty" jsonschema:"Title."`
	Body       *string `json:"body,omitempty" jsonschema:"Markdown."`
	Draft      *bool   `json:"draft,omitempty" jsonschema:"Not shown to others yet."`
	Prerelease *bool   `json:"prerelease,omitempty" jsonschema:"Not for everybody."`
}

type saveReleaseOut struct {
	ID  int64  `json:"id"`
	URL string `json:"url"`
}

func (t Tools) saveRelease(ctx context.Context, c *kit.Call, in saveReleaseIn) (out saveReleaseOut, err error) {
	if in.ID == 0 && in.Tag == "" {
		return out, fault.New(fault.Invalid, "A new release needs a tag. Add it, or the id of the release to change.")
	}
	r, err := t.Repo(ctx, c, in.Repo)
	if err != nil {
		return out, err
	}
	edit := api.ReleaseEdit{Tag: in.Tag, Target: in.Target, Name: in.Name, Body: in.Body, Draft: in.Draft, Prerelease: in.Prerelease}
	var done api.Release
	if in.ID == 0 {
		done, err = r.CreateRelease(ctx, edit)
	} else {
		done, err = r.EditRelease(ctx, in.ID, edit)
	}
	return saveReleaseOut{done.ID, done.HTMLURL}, err
}

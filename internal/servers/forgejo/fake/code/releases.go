package code

import (
	"net/http"
	"slices"

	"drawbridge/internal/servers/forgejo/fake/exchange"
	"drawbridge/internal/servers/forgejo/fake/forge"
)

// releases hides drafts from those who cannot write.
func (c call) releases() exchange.Reply {
	rows := slices.DeleteFunc(slices.Clone(c.Repo.Releases), func(l *forge.Release) bool {
		return l.Draft && c.May() < forge.Write || c.Truth("draft") && !l.Draft || c.Truth("pre-release") && !l.Pre
	})
	return exchange.List(c.Call, rows, c.V.Release(c.Repo))
}

func (c call) latestRelease() exchange.Reply {
	l := forge.Find(c.Repo.Releases, func(l *forge.Release) bool { return !l.Draft && !l.Pre })
	if l == nil {
		return c.Missing()
	}
	return exchange.OK(c.V.Release(c.Repo)(l))
}

// release is the one the path names, by id or by tag.
func (c call) release() *forge.Release {
	return forge.Find(c.Repo.Releases, func(l *forge.Release) bool {
		if tag, by := c.Vars["tag"]; by {
			return l.Tag == tag && !l.Draft
		}
		return l.ID == c.VarID("id") && (!l.Draft || c.May() >= forge.Write)
	})
}

func (c call) getRelease() exchange.Reply {
	l := c.release()
	if l == nil {
		return c.Missing()
	}
	return exchange.OK(c.V.Release(c.Repo)(l))
}

// createRelease makes the tag, too, where it is missing (swagger CreateReleaseOption).
func (c call) createRelease() exchange.Reply {
	var in struct {
		Tag     string `json:"tag_name" rule:"required" go:"TagName"`
		Message string `json:"tag_message"`
		Target  string `json:"target_commitish"`
		Title   string `json:"name"`
		Body    string `json:"body"`
		Draft   bool   `json:"draft"`
		Pre     bool   `json:"prerelease"`
		Hide    bool   `json:"hide_archive_links"`
	}
	if rep := c.Bind(&in); rep != nil {
		return *rep
	}
	if c.Repo.Empty() {
		return c.Invalid("repo is empty")
	}
	if forge.Find(c.Repo.Releases, func(l *forge.Release) bool { return l.Tag == in.Tag }) != nil {
		return c.Fail(http.StatusConflict, "Release is has no Tag")
	}
	target := exchange.Or(in.Target, c.Repo.Main)
	at := c.Repo.Git.Resolve(target)
	if c.Repo.Git.Tags[in.Tag] == "" && !in.Draft {
		if at == nil {
			return c.Fail(http.StatusNotFound, "target \"%s\" not found: object does not exist [id: %s, rel_path: ]", target, target)
		}
		c.Repo.Git.Tags[in.Tag] = at.SHA
	}
	l := &forge.Release{ID: c.Forge.ID(), Tag: in.Tag, Target: target, Title: in.Title, Body: in.Body, Draft: in.Draft, Pre: in.Pre, By: c.User, At: c.Forge.Now()}
	c.Repo.Releases = slices.Insert(c.Repo.Releases, 0, l)
	return exchange.Created(c.V.Release(c.Repo)(l))
}

// editRelease is swagger EditReleaseOption; empty texts change nothing.
func (c call) editRelease() exchange.Reply {
	l := c.release()
	if l == nil {
		return c.Missing()
	}
	var in struct {
		Tag    string `json:"tag_name"`
		Target string `json:"target_commitish"`
		Title  string `json:"name"`
		Body   string `json:"body"`
		Draft  *bool  `json:"draft"`
		Pre    *bool  `json:"prerelease"`
		Hide   *bool  `json:"hide_archive_links"`
	}
	if rep := c.Bind(&in); rep != nil {
		return *rep
	}
	l.Tag, l.Target, l.Title, l.Body = exchange.Or(in.Tag, l.Tag), exchange.Or(in.Target, l.Target), exchange.Or(in.Title, l.Title), exchange.Or(in.Body, l.Body)
	exchange.Set(&l.Draft, in.Draft)
	exchange.Set(&l.Pre, in.Pre)
	if at := c.Repo.Git.Resolve(l.Target); !l.Draft && c.Repo.Git.Tags[l.Tag] == "" && at != nil {
		c.Repo.Git.Tags[l.Tag] = at.SHA
	}
	return exchange.OK(c.V.Release(c.Repo)(l))
}

func (c call) deleteRelease() exchange.Reply {
	l := c.release()
	if l == nil {
		return c.Missing()
	}
	c.Repo.Releases = slices.DeleteFunc(c.Repo.Releases, func(o *forge.Release) bool { return o == l })
	return exchange.Empty(http.StatusNoContent)
}

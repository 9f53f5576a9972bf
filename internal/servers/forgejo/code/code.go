// Package code has the tools about repositories and what is in them: files, commits,
// branches, releases.
//
// A commit is planned first, from what is there: with the sha of every file it
// changes, so that it fails if somebody was faster. The forgejo server offers the
// tools.
package code

import (
	"drawbridge/internal/servers/forgejo/access"
	"drawbridge/internal/servers/kit"
)

// Tools are the tools.
type Tools struct{ *access.Desk }

// Finders are the tools that are always there.
func (t Tools) Finders() []kit.Tool {
	return []kit.Tool{
		kit.Read("search_repos", "Search Repositories", "Find repositories that you may see.", t.SearchRepos),
		kit.Read("get_repo", "Get Repository", "Describe a repository; also its README, branches, labels or milestones.", t.GetRepo),
	}
}

// Files are the tools about files, commits and branches.
func (t Tools) Files() []kit.Tool {
	return []kit.Tool{
		kit.Read("list_files", "List Files", "List a folder, or everything below it.", t.listFiles),
		kit.Read("read_file", "Read File", "Read a file, or some of its lines.", t.readFile),
		kit.WithPreview(kit.Write("commit_files", "Commit Files", "Change any number of files in one commit. Commits to the default branch are asked about.", t.commitFiles), t.previewCommit).Within(access.Slow),
		kit.Read("list_commits", "List Commits", "List commits, newest first.", t.listCommits),
		kit.Read("get_commit", "Get Commit", "Show a commit with its files, and its difference on request.", t.getCommit),
		kit.Read("compare_refs", "Compare", "List the commits of head that base lacks.", t.compareRefs),
		kit.Write("create_branch", "Create Branch", "Make a branch.", t.createBranch).Undoable(),
	}
}

// Releases are the tools about releases.
func (t Tools) Releases() []kit.Tool {
	return []kit.Tool{
		kit.Read("list_releases", "List Releases", "List releases, newest first.", t.listReleases),
		kit.Write("save_release", "Save Release", "Make a release with its tag, or change one (id).", t.saveRelease),
	}
}

// Management are the tools that make and end repositories and branches.
func (t Tools) Management() []kit.Tool {
	return []kit.Tool{
		kit.Write("create_repo", "Create Repository", "Make a repository, or fork one.", t.createRepo),
		kit.WithPreview(kit.Destroy("delete_branch", "Delete Branch", "Delete a branch. A person approves it.", t.deleteBranch), t.previewDelete),
		kit.WithPreview(kit.Destroy("manage_repo", "Manage Repository", "Archive, unarchive, transfer or delete a repository. A person approves it.", t.manageRepo), t.previewManage),
	}
}

// Package pulls has the tools about pull requests: reading them, opening them,
// reviews, merges.
//
// Comments of a review are held against the difference before anything is sent. What
// is merged is the commit that was looked at. The forgejo server offers the tools.
package pulls

import (
	"drawbridge/internal/servers/forgejo/access"
	"drawbridge/internal/servers/kit"
)

// Tools are the tools.
type Tools struct{ *access.Desk }

// Pulls are the tools about pull requests.
func (t Tools) Pulls() []kit.Tool {
	return []kit.Tool{
		kit.Read("list_pull_requests", "List Pull Requests", "List pull requests of a repository.", t.listPulls),
		kit.Read("get_pull_request", "Get Pull Request", "Describe a pull request: checks, reviews, files.", t.GetPull).Within(access.Slow),
		kit.Read("get_pull_request_diff", "Get Difference", "Show what a pull request changes, without generated files.", t.pullDiff),
		kit.Write("create_pull_request", "Create Pull Request", "Open a pull request, or change one (number).", t.createPull),
		kit.Write("submit_review", "Submit Review", "Review a pull request with comments on lines. Approving asks.", t.submitReview).Within(access.Slow),
		kit.WithPreview(kit.Write("merge_pull_request", "Merge Pull Request", "Merge a pull request. Asks for the default branch, or if checks are not green.", t.mergePull), t.previewMerge).Within(access.Slow),
	}
}

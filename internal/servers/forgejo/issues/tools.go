// Package issues has the tools about issues and their comments, and about what waits
// for the caller in all repositories.
//
// Labels and milestones are given by name; an unknown one changes nothing. The forgejo
// server offers the tools.
package issues

import (
	"drawbridge/internal/servers/forgejo/access"
	"drawbridge/internal/servers/kit"
)

// Tools are the tools.
type Tools struct{ *access.Desk }

// Issues are the tools about issues, which pull requests are, too.
func (t Tools) Issues() []kit.Tool {
	return []kit.Tool{
		kit.Read("search_issues", "Search Issues", "Find issues and pull requests, in one repository or all.", t.searchIssues),
		kit.Read("get_issue", "Get Issue", "Read an issue or pull request with its comments, oldest first.", t.GetIssue),
		kit.Write("save_issue", "Save Issue", "Open an issue, or change an issue or pull request (number).", t.saveIssue).Undoable(),
		kit.Write("add_comment", "Add Comment", "Comment on an issue or pull request; change or delete a comment (comment_id).", t.addComment),
	}
}

// Inbox is the tool that is always there.
func (t Tools) Inbox() []kit.Tool {
	return []kit.Tool{
		kit.Read("get_inbox", "Get Inbox", "What waits for you in all repositories: news, requested reviews, assigned issues, mentions.", t.getInbox),
	}
}

// Marking is the tool that empties the inbox.
func (t Tools) Marking() []kit.Tool {
	return []kit.Tool{
		kit.Write("mark_notifications", "Mark Notifications", "Mark notifications as read: those named, or all up to a time.", t.markRead).Idempotent(),
	}
}

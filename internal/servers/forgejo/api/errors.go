package api

import (
	"bytes"
	"errors"
	"net/http"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kit/pattern"
)

// known are the answers of the API that mean something of their own. A word is part
// of the message that the installation sends; "" is any message.
var known = []struct {
	status int
	word   string
	code   fault.Code
	text   string
}{
	{422, "sha does not match", fault.Conflict, "A file has changed since it was read, so nothing was committed. Read it again and repeat the change on what is there now."},
	{409, "sha does not match", fault.Conflict, "A file has changed since it was read, so nothing was committed. Read it again and repeat the change on what is there now."},
	{422, "already exists", fault.Conflict, "Something of that name or path is there already, so nothing was changed. Change it instead, or choose another name."},
	{422, "approve your own", fault.Invalid, "Nobody can approve a pull request of their own. Send the review with event comment, or let somebody else approve."},
	{422, "reject your own", fault.Invalid, "Nobody can request changes on a pull request of their own. Send the review with event comment."},
	{422, "requires a body", fault.Invalid, "This kind of review needs a body. Add one and send it again."},
	{405, "already merged", fault.Conflict, "The pull request is merged already. get_pull_request shows it."},
	{405, "", fault.Conflict, "The pull request cannot be merged now: it is a draft, has conflicts, lacks approvals or checks, or the style or the branch does not allow it. get_pull_request shows which."},
	{409, "head out of date", fault.Conflict, "The pull request has new commits since expected_head. Read it again with get_pull_request, then merge what is there now."},
	{409, "pull request already exists", fault.Conflict, "There is an open pull request for these branches. Find it with list_pull_requests and change it by its number."},
	{403, "archived", fault.Forbidden, "The repository is archived, so nothing in it can change. Its owner can take it out of the archive."},
	{403, "protected", fault.Forbidden, "The branch is protected against this. Commit to another branch (new_branch) and open a pull request."},
	{423, "", fault.Forbidden, "The repository is archived or locked, so nothing in it can change. Its owner can take it out of the archive."},
	{413, "", fault.Limited, "This is more than the quota of the repository or the server takes. Send less, or ask its administrator."},
	{416, "", fault.Invalid, "The offset is behind the end. Ask with a smaller offset, or for the tail."},
}

// refine gives the answers that the API explains a sentence of their own.
func refine(err error) error {
	e, ok := errors.AsType[*kit.StatusError](err)
	if !ok {
		return err
	}
	body := bytes.ToLower(e.Body)
	for _, k := range known {
		if k.status == e.Status && bytes.Contains(body, []byte(k.word)) {
			return fault.Wrap(e, k.code, "%s", k.text)
		}
	}
	if e.Status == http.StatusForbidden {
		if scope := missingScope(body); scope != "" {
			return fault.Wrap(e, fault.Forbidden, "The token lacks the scope %s. Make one that has it, in the settings of the account under Applications, and store it for this server.", scope)
		}
	}
	return err
}

// scopeRule finds the scope that a token lacks: "required=[write:issue]". The names
// are the API's fixed ones, so that the text can be repeated.
var scopeRule = pattern.New(`required=\[((?:read|write):(?:activitypub|admin|issue|misc|notification|organization|package|repository|user))\b`)

func missingScope(body []byte) string {
	if m := scopeRule().FindSubmatch(body); m != nil {
		return string(m[1])
	}
	return ""
}

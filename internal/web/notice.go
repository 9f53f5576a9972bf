package web

import "net/http"

// Notice is a page that only says something: what happened, what it means, what to
// do next.
type Notice struct {
	Title    string
	Text     string
	Next     string // "": Text says it
	Word     string // of the OAuth specifications, for whoever debugs a client
	Link     string // path of ours; "": none
	LinkText string
}

// Say answers with a notice.
func Say(w http.ResponseWriter, status int, n Notice) error {
	return Render(w, status, "notice", FormNone, n)
}

package api

import (
	"context"
	"net/url"
	"time"

	"drawbridge/internal/servers/kit"
)

// User is an account or an organization.
type User struct {
	ID    int64  `json:"id"`
	Login string `json:"login"`
}

// name is the login of a user who may not be there.
func (u *User) name() string {
	if u == nil {
		return ""
	}
	return u.Login
}

// Logins are the names of users.
func Logins(users []User) []string {
	names := make([]string, len(users))
	for i, u := range users {
		names[i] = u.Login
	}
	return names
}

// Me is the owner of the token.
func (s Session) Me(ctx context.Context) (u User, err error) {
	return u, s.get(ctx, "/user", nil, &u, "the user of the token")
}

// Account finds a user or an organization by name.
func (s Session) Account(ctx context.Context, name string) (u User, err error) {
	return u, s.get(ctx, kit.Path("users", name), nil, &u, "the user "+name)
}

// Orgs are the organizations of the token's owner.
func (s Session) Orgs(ctx context.Context, w Window) ([]User, int, error) {
	type org struct {
		ID   int64  `json:"id"`
		Name string `json:"username"`
	}
	rows, total, err := list[org](ctx, s, w, "/user/orgs", nil, "organizations")
	users := make([]User, len(rows))
	for i, o := range rows {
		users[i] = User{o.ID, o.Name}
	}
	return users, total, err
}

// Notification is a thread with news.
type Notification struct {
	ID      int64     `json:"id"`
	Updated time.Time `json:"updated_at"`
	Repo    struct {
		FullName string `json:"full_name"`
	} `json:"repository"`
	Subject struct {
		Title string `json:"title"`
		Type  string `json:"type"` // Issue, Pull, Commit, Repository
		State string `json:"state"`
		URL   string `json:"url"` // of the API; ends in the number
	} `json:"subject"`
}

// Notifications lists unread threads, newest first. since may be zero.
func (s Session) Notifications(ctx context.Context, w Window, since time.Time) ([]Notification, int, error) {
	q := url.Values{}
	if !since.IsZero() {
		q.Set("since", since.UTC().Format(time.RFC3339))
	}
	return list[Notification](ctx, s, w, "/notifications", q, "notifications")
}

// MarkThread marks one thread as read.
func (s Session) MarkThread(ctx context.Context, id int64) error {
	_, err := s.call(ctx, kit.Request{Method: "PATCH", Path: kit.Path("notifications", "threads", digits(id)), Query: url.Values{"to-status": {"read"}}, What: "notification " + digits(id)})
	return err
}

// MarkAll marks everything as read that was last changed before a time.
func (s Session) MarkAll(ctx context.Context, before time.Time) error {
	_, err := s.call(ctx, kit.Request{Method: "PUT", Path: "/notifications", Query: url.Values{"last_read_at": {before.UTC().Format(time.RFC3339)}, "to-status": {"read"}}, What: "notifications"})
	return err
}

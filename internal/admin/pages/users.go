package pages

import (
	"net/http"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/admin/desk"
	"drawbridge/internal/secret"
)

type usersPage struct {
	Frame
	Users    []account.User
	Profiles []string
}

func (p *Pages) users(r *http.Request, f Frame) (string, any, error) {
	users, err := p.Desk.Users.List(r.Context())
	if err != nil {
		return "", nil, err
	}
	profiles, err := p.profileNames(r)
	return "admin_users", usersPage{f, users, profiles}, err
}

func (p *Pages) profileNames(r *http.Request) ([]string, error) {
	profiles, err := p.Desk.Profiles.List(r.Context())
	names := make([]string, len(profiles))
	for i, one := range profiles {
		names[i] = one.Name
	}
	return names, err
}

func (p *Pages) createUser(r *http.Request, f *form) (answer, error) {
	n := desk.NewUser{ID: f.text("id"), Name: f.text("name"), Role: account.Role(f.text("role")),
		Profile: f.text("profile"), Password: secret.New(f.secret("password"))}
	if err := f.end(); err != nil {
		return answer{}, err
	}
	user, password, err := p.Desk.Users.Create(r.Context(), n)
	if err != nil || password.Empty() {
		return answer{to: userPath(n.ID), done: "user-saved"}, err
	}
	return passwordAnswer(user.ID, password), nil
}

func userPath(id string) string { return "/admin/users/" + id }

func passwordAnswer(id string, password secret.String) answer {
	return answer{secret: &shown{Title: "The password of " + id, Text: "It is shown this once. Give it to whoever it is for; nobody can read it here later.",
		Labels: []label{{"Password", password.Reveal()}}, Back: userPath(id)}}
}

type userPage struct {
	Frame
	User     account.User
	Self     bool
	Admin    bool // the user whom the configuration may give a password
	Profiles []string
	Keys     int
	Grants   int

	Credentials credentials
}

func (p *Pages) user(r *http.Request, f Frame) (string, any, error) {
	ctx, id := r.Context(), r.PathValue("id")
	user, err := p.Desk.Users.Get(ctx, id)
	if err != nil {
		return "", nil, err
	}
	profiles, err := p.profileNames(r)
	if err != nil {
		return "", nil, err
	}
	keys, err := p.Desk.Keys.List(ctx)
	if err != nil {
		return "", nil, err
	}
	grants, err := p.Desk.Grants.List(ctx, id)
	if err != nil {
		return "", nil, err
	}
	page := userPage{Frame: f, User: user, Self: f.By == id, Admin: id == account.Admin, Profiles: profiles}
	for _, k := range keys {
		if k.User == id && k.Live(time.Now()) {
			page.Keys++
		}
	}
	page.Grants = live(grants, time.Now())
	if page.Credentials, err = p.credentials(r, id); err != nil {
		return "", nil, err
	}
	return "admin_user", page, nil
}

func (p *Pages) changeUser(r *http.Request, f *form) (answer, error) {
	name, role, profile := f.text("name"), account.Role(f.text("role")), f.text("profile")
	if err := f.end(); err != nil {
		return answer{}, err
	}
	_, err := p.Desk.Users.Change(r.Context(), r.PathValue("id"), desk.UserChange{Name: &name, Role: &role, Profile: &profile})
	return answer{to: userPath(r.PathValue("id")), done: "user-saved"}, err
}

func (p *Pages) disableUser(r *http.Request, f *form) (answer, error) {
	return p.setDisabled(r, f, true, "user-disabled")
}

func (p *Pages) enableUser(r *http.Request, f *form) (answer, error) {
	return p.setDisabled(r, f, false, "user-enabled")
}

func (p *Pages) setDisabled(r *http.Request, f *form, disabled bool, done string) (answer, error) {
	if err := f.end(); err != nil {
		return answer{}, err
	}
	_, err := p.Desk.Users.Change(r.Context(), r.PathValue("id"), desk.UserChange{Disabled: &disabled})
	return answer{to: userPath(r.PathValue("id")), done: done}, err
}

func (p *Pages) setPassword(r *http.Request, f *form) (answer, error) {
	id, chosen := r.PathValue("id"), secret.New(f.secret("password"))
	if err := f.end(); err != nil {
		return answer{}, err
	}
	made, err := p.Desk.Users.SetPassword(r.Context(), id, chosen)
	if err != nil || made.Empty() {
		return answer{to: userPath(id), done: "password-set"}, err
	}
	return passwordAnswer(id, made), nil
}

func (p *Pages) signOutUser(r *http.Request, f *form) (answer, error) {
	id := r.PathValue("id")
	if err := f.confirm(id); err != nil {
		return answer{}, err
	}
	return answer{to: userPath(id), done: "signed-out"}, p.Desk.Users.SignOut(r.Context(), id)
}

func (p *Pages) deleteUser(r *http.Request, f *form) (answer, error) {
	id := r.PathValue("id")
	if err := f.confirm(id); err != nil {
		return answer{}, err
	}
	return answer{to: "/admin/users", done: "user-deleted"}, p.Desk.Users.Delete(r.Context(), id)
}

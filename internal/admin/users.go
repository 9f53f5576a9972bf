package admin

import (
	"net/http"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/admin/desk"
	"drawbridge/internal/secret"
)

type user struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	Role        string    `json:"role" enum:"admin,member"`
	Profile     string    `json:"profile,omitempty" jsonschema:"The profile that bounds whatever this user does. Absent: none."`
	Disabled    bool      `json:"disabled" jsonschema:"Its keys and grants are refused and it cannot sign in; its state is kept."`
	HasPassword bool      `json:"has_password"`
	Created     time.Time `json:"created"`
}

func showUser(u account.User) user {
	return user{ID: u.ID, Name: u.Name, Role: string(u.Role), Profile: u.Profile, Disabled: u.Disabled,
		HasPassword: u.PasswordHash != "", Created: u.Created.UTC()}
}

type userList struct {
	Users   []user `json:"users"`
	LeftOut int    `json:"left_out,omitempty" jsonschema:"How many more there are than a list has room for."`
}

type newUser struct {
	ID       string `json:"id" jsonschema:"1 to 64 characters of a-z, 0-9 and . _ @ + -, the first a letter or digit." min:"1" max:"64"`
	Name     string `json:"name,omitempty" jsonschema:"As it is shown. Absent: the id."`
	Role     string `json:"role,omitempty" enum:"admin,member" jsonschema:"Absent: member."`
	Profile  string `json:"profile,omitempty" jsonschema:"The profile that bounds whatever this user does."`
	Password string `json:"password,omitempty" jsonschema:"12 to 1024 characters. Absent: one is made and returned."`
}

type madeUser struct {
	User     user   `json:"user"`
	Password string `json:"password,omitempty" jsonschema:"The password that was made. It is shown this once."`
}

type userChange struct {
	Name     *string `json:"name,omitempty"`
	Role     *string `json:"role,omitempty" enum:"admin,member"`
	Profile  *string `json:"profile,omitempty" jsonschema:"An empty text takes the user out of its profile."`
	Disabled *bool   `json:"disabled,omitempty" jsonschema:"true also ends its browser sessions."`
}

type newPassword struct {
	Password string `json:"password,omitempty" jsonschema:"12 to 1024 characters. Absent: one is made and returned."`
}

type madePassword struct {
	Password string `json:"password,omitempty" jsonschema:"The password that was made. It is shown this once."`
}

func (a *API) userOperations() []operation {
	return []operation{
		op(http.MethodGet, "/users", "listUsers", http.StatusOK, "All users.", a.listUsers),
		op(http.MethodPost, "/users", "createUser", http.StatusCreated, "Make a user. A password that is not given is made and returned.", a.createUser),
		op(http.MethodGet, "/users/{id}", "getUser", http.StatusOK, "One user.", a.getUser),
		op(http.MethodPatch, "/users/{id}", "changeUser", http.StatusOK, "Change what a user is. What is absent stays. The last admin keeps the role, and nobody disables themselves.", a.changeUser),
		op(http.MethodDelete, "/users/{id}", "deleteUser", http.StatusNoContent, "Delete a user with its keys, grants and sessions. Not yourself, and not the last admin.", a.deleteUser),
		op(http.MethodPost, "/users/{id}/password", "setPassword", http.StatusOK, "Replace a user's password. Its browser sessions and grants end.", a.setPassword),
		op(http.MethodPost, "/users/{id}/sign-out", "signOutUser", http.StatusNoContent, "End a user's browser sessions and grants everywhere. Its keys stay.", a.signOutUser),
	}
}

func (a *API) listUsers(r request[nothing]) (out userList, err error) {
	users, err := a.desk.Users.List(r.ctx)
	out.Users, out.LeftOut = bounded(users, showUser)
	return out, err
}

func (a *API) createUser(r request[newUser]) (madeUser, error) {
	role := account.RoleMember
	if r.in.Role != "" {
		role = account.Role(r.in.Role)
	}
	u, password, err := a.desk.Users.Create(r.ctx, desk.NewUser{ID: r.in.ID, Name: r.in.Name, Role: role,
		Profile: r.in.Profile, Password: secret.New(r.in.Password)})
	return madeUser{User: showUser(u), Password: password.Reveal()}, err
}

func (a *API) getUser(r request[nothing]) (user, error) {
	u, err := a.desk.Users.Get(r.ctx, r.id)
	return showUser(u), err
}

func (a *API) changeUser(r request[userChange]) (user, error) {
	u, err := a.desk.Users.Change(r.ctx, r.id, desk.UserChange{Name: r.in.Name, Role: (*account.Role)(r.in.Role),
		Profile: r.in.Profile, Disabled: r.in.Disabled})
	return showUser(u), err
}

func (a *API) deleteUser(r request[nothing]) (nothing, error) {
	return nothing{}, a.desk.Users.Delete(r.ctx, r.id)
}

func (a *API) setPassword(r request[newPassword]) (madePassword, error) {
	made, err := a.desk.Users.SetPassword(r.ctx, r.id, secret.New(r.in.Password))
	return madePassword{made.Reveal()}, err
}

func (a *API) signOutUser(r request[nothing]) (nothing, error) {
	return nothing{}, a.desk.Users.SignOut(r.ctx, r.id)
}

package pages

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"drawbridge/internal/account"
	"drawbridge/internal/secret"
)

// credentials are the credentials on the page of a user.
type credentials struct {
	Stored []account.CredentialName
	Kinds  []string // "server name", what can be stored here; names with a * are left to the command
}

func (p *Pages) credentials(r *http.Request, user string) (c credentials, err error) {
	own := p.Desk.Credentials.Own()
	for _, server := range slices.Sorted(maps.Keys(own)) {
		for _, name := range own[server] {
			if !strings.Contains(name, "*") {
				c.Kinds = append(c.Kinds, server+" "+name)
			}
		}
	}
	c.Stored, err = p.Desk.Credentials.List(r.Context(), user)
	return c, err
}

func (p *Pages) putCredential(r *http.Request, f *form) (answer, error) {
	id, kind, value := r.PathValue("id"), f.text("credential"), f.secret("value")
	if err := f.end(); err != nil {
		return answer{}, err
	}
	if strings.Contains(strings.TrimSpace(value), "\n") { // a private key, whose last line has to end
		value = strings.TrimSpace(strings.ReplaceAll(value, "\r\n", "\n")) + "\n"
	}
	server, name, _ := strings.Cut(kind, " ")
	err := p.Desk.Credentials.Put(r.Context(), id, server, name, secret.New(value))
	return answer{to: userPath(id), done: "credential-stored"}, err
}

func (p *Pages) deleteCredential(r *http.Request, f *form) (answer, error) {
	id, kind := r.PathValue("id"), f.text("stored")
	if err := f.end(); err != nil {
		return answer{}, err
	}
	server, name, _ := strings.Cut(kind, " ")
	err := p.Desk.Credentials.Delete(r.Context(), id, server, name)
	return answer{to: userPath(id), done: "credential-removed"}, err
}

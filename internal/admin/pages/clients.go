package pages

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/admin/desk"
	"drawbridge/internal/oauth"
)

type clientsPage struct {
	Frame
	Clients []clientRow
	LeftOut int
	Users   []account.User
	Methods []option
	Rights  rightsForm
}

type clientRow struct {
	oauth.Client
	Name    string // as it calls itself, safe to show
	Proven  string // its host, where that is proven
	State   state
	Path    string
	Sent    string // hosts it is sent back to
	Machine string // what it may do by itself
	Word    string // to be typed for what cannot be taken back
	Own     bool   // an admin has entered it
	Secret  bool   // it has one
}

var kinds = map[oauth.Kind]state{
	oauth.Document:   {"ok", "host proven"},
	oauth.Static:     {"ok", "entered by an admin"},
	oauth.Registered: {"warn", "registered itself, unchecked"},
}

var methods = []option{
	{oauth.AuthBasic, "a secret"},
	{oauth.AuthNone, "nothing"},
}

// maxWord is the longest part of an id that somebody is asked to type.
const maxWord = 12

func rowOfClient(c oauth.Client) clientRow {
	row := clientRow{Client: c, Name: claimed(c.Metadata.Name, "(no name)"), Proven: c.Host(), State: kinds[c.Kind],
		Path: clientPath(c.ID), Word: c.ID[:min(len(c.ID), maxWord)], Own: c.Kind == oauth.Static, Secret: c.HasSecret()}
	if row.Proven != "" {
		row.Word = row.Proven
	}
	hosts := make([]string, 0, len(c.Metadata.RedirectURIs))
	for _, uri := range c.Metadata.RedirectURIs {
		if host := hostOf(uri); !strings.Contains(strings.Join(hosts, ", "), host) {
			hosts = append(hosts, host)
		}
	}
	row.Sent = strings.Join(hosts, ", ")
	if c.MachineUser != "" {
		row.Machine = says(c.MachineRights) + ", as " + c.MachineUser
	}
	return row
}

func hostOf(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return uri
	}
	if u.Host == "" {
		return u.Scheme + ":"
	}
	return u.Hostname()
}

// clientPath has the id as a parameter, for it may be a URL.
func clientPath(id string) string { return "/admin/clients/client?id=" + url.QueryEscape(id) }

func (p *Pages) clients(r *http.Request, f Frame) (string, any, error) {
	clients, err := p.Desk.Clients.List(r.Context())
	if err != nil {
		return "", nil, err
	}
	users, err := p.Desk.Users.List(r.Context())
	page := clientsPage{Frame: f, Users: users, Methods: methods, Rights: p.rightsForm(f.formRights(account.ReadRights()))}
	for _, c := range clients[:min(len(clients), maxShown)] {
		page.Clients = append(page.Clients, rowOfClient(c))
	}
	page.LeftOut = len(clients) - len(page.Clients)
	return "admin_clients", page, err
}

func (p *Pages) createClient(r *http.Request, f *form) (answer, error) {
	n := desk.NewClient{ID: f.text("id"), MayAdmin: f.ticked("may_admin"), MachineUser: f.text("machine_user"),
		Metadata: oauth.Metadata{Name: f.text("name"), RedirectURIs: f.lines("redirects"), AuthMethod: f.text("method")}}
	if rights := f.rights(); n.MachineUser != "" {
		n.MachineRights = rights
	}
	if err := f.end(); err != nil {
		return answer{}, err
	}
	client, value, err := p.Desk.Clients.Create(r.Context(), n)
	if err != nil || value.Empty() {
		return answer{to: clientPath(client.ID), done: "client-saved"}, err
	}
	return secretAnswer(client, value.Reveal()), nil
}

func secretAnswer(c oauth.Client, value string) answer {
	return answer{secret: &shown{Title: "The secret of " + c.Metadata.Name, Back: clientPath(c.ID),
		Text:   "It is shown this once. Enter both in the client; nobody can read the secret here later.",
		Labels: []label{{"Client ID", c.ID}, {"Client secret", value}}}}
}

type clientPage struct {
	Frame
	Client clientRow
	Users  []account.User
	Rights rightsForm
	Grants []grantRow
}

func (p *Pages) client(r *http.Request, f Frame) (string, any, error) {
	ctx, id := r.Context(), r.URL.Query().Get("id")
	client, err := p.Desk.Clients.Get(ctx, id)
	if err != nil {
		return "", nil, err
	}
	users, err := p.Desk.Users.List(ctx)
	if err != nil {
		return "", nil, err
	}
	grants, err := p.Desk.Grants.List(ctx, "")
	if err != nil {
		return "", nil, err
	}
	rights := account.ReadRights()
	if client.MachineUser != "" {
		rights = client.MachineRights
	}
	page := clientPage{Frame: f, Client: rowOfClient(client), Users: users, Rights: p.rightsForm(f.formRights(rights))}
	for _, g := range grants {
		if g.Client == id && g.Live(time.Now()) && len(page.Grants) < maxShown {
			page.Grants = append(page.Grants, rowOfGrant(g))
		}
	}
	return "admin_client", page, nil
}

func (p *Pages) changeClient(r *http.Request, f *form) (answer, error) {
	id, may := r.URL.Query().Get("id"), f.ticked("may_admin")
	change := desk.ClientChange{MayAdmin: &may}
	if name, redirects := f.text("name"), f.lines("redirects"); f.ticked("own") {
		change.Name, change.Redirects = &name, &redirects
		user, rights := f.text("machine_user"), f.rights()
		if f.ticked("machine") {
			change.MachineUser, change.MachineRights = &user, &rights
		}
	}
	if err := f.end(); err != nil {
		return answer{}, err
	}
	_, err := p.Desk.Clients.Change(r.Context(), id, change)
	return answer{to: clientPath(id), done: "client-saved"}, err
}

// confirmed makes sure that the word of a client was typed.
func (p *Pages) confirmed(r *http.Request, f *form) (oauth.Client, error) {
	client, err := p.Desk.Clients.Get(r.Context(), r.URL.Query().Get("id"))
	if err != nil {
		return client, err
	}
	return client, f.confirm(rowOfClient(client).Word)
}

func (p *Pages) newSecret(r *http.Request, f *form) (answer, error) {
	client, err := p.confirmed(r, f)
	if err != nil {
		return answer{}, err
	}
	client, value, err := p.Desk.Clients.NewSecret(r.Context(), client.ID)
	if err != nil {
		return answer{}, err
	}
	return secretAnswer(client, value.Reveal()), nil
}

func (p *Pages) deleteClient(r *http.Request, f *form) (answer, error) {
	client, err := p.confirmed(r, f)
	if err != nil {
		return answer{}, err
	}
	return answer{to: "/admin/clients", done: "client-deleted"}, p.Desk.Clients.Delete(r.Context(), client.ID)
}

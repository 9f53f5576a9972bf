package admin

import (
	"encoding/json"
	"net/http"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/admin/desk"
	"drawbridge/internal/oauth"
)

type client struct {
	ID            string    `json:"id" jsonschema:"Its client_id. Of kind document it is a URL."`
	Kind          string    `json:"kind" enum:"registered,static,document" jsonschema:"registered: by itself, nothing about it was checked. static: by an admin. document: its id is the URL of its description, so that its host is proven."`
	Name          string    `json:"name" jsonschema:"As it calls itself."`
	Host          string    `json:"host,omitempty" jsonschema:"Its proven host. Absent: nobody has checked."`
	Redirects     []string  `json:"redirect_uris"`
	GrantTypes    []string  `json:"grant_types"`
	AuthMethod    string    `json:"token_endpoint_auth_method"`
	HasSecret     bool      `json:"has_secret"`
	MayAdmin      bool      `json:"may_admin" jsonschema:"It may ask users for the scope admin."`
	MachineUser   string    `json:"machine_user,omitempty" jsonschema:"The user it acts for with client_credentials."`
	MachineRights *rights   `json:"machine_rights,omitempty"`
	Created       time.Time `json:"created"`
	LastUsed      time.Time `json:"last_used,omitzero" jsonschema:"Absent: never."`
}

func showClient(c oauth.Client) client {
	out := client{ID: c.ID, Kind: string(c.Kind), Name: c.Metadata.Name, Host: c.Host(),
		Redirects: texts(c.Metadata.RedirectURIs), GrantTypes: texts(c.Metadata.GrantTypes), AuthMethod: c.Metadata.AuthMethod,
		HasSecret: c.HasSecret(), MayAdmin: c.MayAdmin, MachineUser: c.MachineUser,
		Created: c.Created.UTC(), LastUsed: moment(c.LastUsed)}
	if c.MachineUser != "" {
		r := showRights(c.MachineRights)
		out.MachineRights = &r
	}
	return out
}

// texts is a list that is [] rather than null.
func texts(of []string) []string {
	if of == nil {
		return []string{}
	}
	return of
}

type clientList struct {
	Clients []client `json:"clients"`
	LeftOut int      `json:"left_out,omitempty" jsonschema:"How many more there are than a list has room for; the newest are shown."`
}

type clientFilter struct {
	ID string `json:"id,omitempty" jsonschema:"Only the client of this id. It may be a URL, so it is a parameter and no part of the path."`
}

type newClient struct {
	ID            string         `json:"id,omitempty" jsonschema:"Its client_id: letters, digits, dots, dashes and underscores. Absent: one is made." max:"64"`
	Name          string         `json:"name" min:"1" max:"64"`
	Redirects     []string       `json:"redirect_uris,omitempty" max:"10"`
	GrantTypes    []string       `json:"grant_types,omitempty" jsonschema:"Absent: what it needs for its redirect_uris and its machine_user." max:"3"`
	AuthMethod    string         `json:"token_endpoint_auth_method,omitempty" enum:"none,client_secret_basic,client_secret_post,private_key_jwt" jsonschema:"Absent: client_secret_basic."`
	JWKSURI       string         `json:"jwks_uri,omitempty" jsonschema:"Of private_key_jwt: where its keys are."`
	JWKS          map[string]any `json:"jwks,omitempty" jsonschema:"Of private_key_jwt: its keys."`
	SigningAlg    string         `json:"token_endpoint_auth_signing_alg,omitempty"`
	MayAdmin      bool           `json:"may_admin,omitempty" jsonschema:"It may ask users for the scope admin."`
	MachineUser   string         `json:"machine_user,omitempty" jsonschema:"The user it acts for with client_credentials."`
	MachineRights *rights        `json:"machine_rights,omitempty" jsonschema:"Absent: read from all backends."`
}

type madeClient struct {
	Client client `json:"client"`
	Secret string `json:"secret,omitempty" jsonschema:"Its secret, if it has one. It is shown this once."`
}

type clientChange struct {
	ID            string    `json:"id" min:"1"`
	Name          *string   `json:"name,omitempty"`
	Redirects     *[]string `json:"redirect_uris,omitempty" max:"10"`
	MayAdmin      *bool     `json:"may_admin,omitempty"`
	MachineUser   *string   `json:"machine_user,omitempty"`
	MachineRights *rights   `json:"machine_rights,omitempty"`
}

type clientRef struct {
	ID string `json:"id" min:"1"`
}

func (a *API) clientOperations() []operation {
	return []operation{
		op(http.MethodGet, "/clients", "listClients", http.StatusOK, "OAuth clients, the newest first, or the one of an id.", a.listClients),
		op(http.MethodPost, "/clients", "createClient", http.StatusCreated, "Enter a client. Its secret is in the answer and nowhere else.", a.createClient),
		op(http.MethodPost, "/clients/change", "changeClient", http.StatusOK, "Change a client. Of one that describes itself only may_admin can be changed.", a.changeClient),
		op(http.MethodPost, "/clients/secret", "newClientSecret", http.StatusOK, "Give a client another secret. The old one is no good any more.", a.newClientSecret),
		op(http.MethodPost, "/clients/delete", "deleteClient", http.StatusNoContent, "Delete a client, and with it every grant it has.", a.deleteClient),
	}
}

func (a *API) listClients(r request[clientFilter]) (out clientList, err error) {
	var clients []oauth.Client
	if r.in.ID != "" {
		one, failed := a.desk.Clients.Get(r.ctx, r.in.ID)
		clients, err = []oauth.Client{one}, failed
	} else {
		clients, err = a.desk.Clients.List(r.ctx)
	}
	out.Clients, out.LeftOut = bounded(clients, showClient)
	return out, err
}

func (a *API) createClient(r request[newClient]) (madeClient, error) {
	n := desk.NewClient{ID: r.in.ID, MayAdmin: r.in.MayAdmin, MachineUser: r.in.MachineUser, Metadata: oauth.Metadata{
		Name: r.in.Name, RedirectURIs: r.in.Redirects, GrantTypes: r.in.GrantTypes, AuthMethod: r.in.AuthMethod,
		JWKSURI: r.in.JWKSURI, SigningAlg: r.in.SigningAlg}}
	if r.in.JWKS != nil {
		keys, err := json.Marshal(r.in.JWKS)
		if err != nil {
			return madeClient{}, err
		}
		n.Metadata.JWKS = keys
	}
	switch {
	case r.in.MachineRights != nil:
		n.MachineRights = r.in.MachineRights.rights()
	case n.MachineUser != "":
		n.MachineRights = account.ReadRights()
	}
	c, value, err := a.desk.Clients.Create(r.ctx, n)
	return madeClient{Client: showClient(c), Secret: value.Reveal()}, err
}

func (a *API) changeClient(r request[clientChange]) (client, error) {
	change := desk.ClientChange{Name: r.in.Name, Redirects: r.in.Redirects, MayAdmin: r.in.MayAdmin, MachineUser: r.in.MachineUser}
	if r.in.MachineRights != nil {
		machine := r.in.MachineRights.rights()
		change.MachineRights = &machine
	}
	c, err := a.desk.Clients.Change(r.ctx, r.in.ID, change)
	return showClient(c), err
}

func (a *API) newClientSecret(r request[clientRef]) (madeClient, error) {
	c, value, err := a.desk.Clients.NewSecret(r.ctx, r.in.ID)
	return madeClient{Client: showClient(c), Secret: value.Reveal()}, err
}

func (a *API) deleteClient(r request[clientRef]) (nothing, error) {
	return nothing{}, a.desk.Clients.Delete(r.ctx, r.in.ID)
}

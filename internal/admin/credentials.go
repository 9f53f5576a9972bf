package admin

import (
	"net/http"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/secret"
)

type credential struct {
	Server  string    `json:"server" jsonschema:"The built-in server."`
	Name    string    `json:"name" jsonschema:"As among the server's settings, such as token."`
	Updated time.Time `json:"updated"`
}

func showCredential(c account.CredentialName) credential {
	return credential{c.Server, c.Name, c.Updated.UTC()}
}

type credentialList struct {
	Credentials []credential `json:"credentials" jsonschema:"What is stored, without the values."`
	LeftOut     int          `json:"left_out,omitempty" jsonschema:"How many more there are than a list has room for."`
}

type newCredential struct {
	Server string `json:"server" jsonschema:"The built-in server." min:"1"`
	Name   string `json:"name" jsonschema:"As among the server's settings, such as token." min:"1"`
	Value  string `json:"value" jsonschema:"It is sealed and never shown again." min:"1"`
}

type oldCredential struct {
	Server string `json:"server" jsonschema:"The built-in server." min:"1"`
	Name   string `json:"name,omitempty" jsonschema:"Absent: all that the user has for the server."`
}

func (a *API) credentialOperations() []operation {
	const path = "/users/{id}/credentials"
	return []operation{
		op(http.MethodGet, path, "listCredentials", http.StatusOK, "What a user has of its own toward the systems behind built-in servers.", a.listCredentials),
		op(http.MethodPut, path, "putCredential", http.StatusNoContent, "Store a value. From then on the server works for this user with the user's own credentials alone.", a.putCredential),
		op(http.MethodDelete, path, "deleteCredential", http.StatusNoContent, "Remove what is stored. Without any of its own, a user works with the operator's.", a.deleteCredential),
	}
}

func (a *API) listCredentials(r request[nothing]) (out credentialList, err error) {
	found, err := a.desk.Credentials.List(r.ctx, r.id)
	out.Credentials, out.LeftOut = bounded(found, showCredential)
	return out, err
}

func (a *API) putCredential(r request[newCredential]) (nothing, error) {
	return nothing{}, a.desk.Credentials.Put(r.ctx, r.id, r.in.Server, r.in.Name, secret.New(r.in.Value))
}

func (a *API) deleteCredential(r request[oldCredential]) (nothing, error) {
	return nothing{}, a.desk.Credentials.Delete(r.ctx, r.id, r.in.Server, r.in.Name)
}

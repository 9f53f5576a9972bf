package admin

import (
	"net/http"
	"time"

	"drawbridge/internal/account"
)

type grant struct {
	ID         string    `json:"id"`
	User       string    `json:"user"`
	Client     string    `json:"client" jsonschema:"The client_id of whom it was given to."`
	ClientName string    `json:"client_name" jsonschema:"As the client called itself at consent."`
	Resource   string    `json:"resource" jsonschema:"Path of what it is for: /mcp, or /mcp/ and a profile."`
	Rights     rights    `json:"rights"`
	Role       string    `json:"role" enum:"admin,member" jsonschema:"admin: the scope admin was ticked at consent."`
	Status     string    `json:"status" enum:"live,expired,revoked"`
	Created    time.Time `json:"created"`
	LastUsed   time.Time `json:"last_used,omitzero" jsonschema:"Absent: never."`
	Expires    time.Time `json:"expires,omitzero" jsonschema:"Absent: never."`
	Revoked    time.Time `json:"revoked,omitzero"`
}

func showGrant(g account.Grant) grant {
	return grant{ID: g.ID, User: g.User, Client: g.Client, ClientName: g.ClientName, Resource: g.Resource,
		Rights: showRights(g.Rights), Role: string(g.Role), Status: g.Status(time.Now()),
		Created: g.Created.UTC(), LastUsed: moment(g.LastUsed), Expires: moment(g.Expires), Revoked: moment(g.Revoked)}
}

type grantList struct {
	Grants  []grant `json:"grants"`
	LeftOut int     `json:"left_out,omitempty" jsonschema:"How many more there are than a list has room for; the newest are shown."`
}

type grantFilter struct {
	User string `json:"user,omitempty" jsonschema:"Only the grants of this user."`
}

type grantChange struct {
	Rights rights `json:"rights" jsonschema:"They replace those that the grant has."`
}

func (a *API) grantOperations() []operation {
	return []operation{
		op(http.MethodGet, "/grants", "listGrants", http.StatusOK, "What users have allowed clients, the newest first.", a.listGrants),
		op(http.MethodGet, "/grants/{id}", "getGrant", http.StatusOK, "One grant.", a.getGrant),
		op(http.MethodPatch, "/grants/{id}", "changeGrant", http.StatusOK, "Replace what a grant allows, from its next use on.", a.changeGrant),
		op(http.MethodDelete, "/grants/{id}", "revokeGrant", http.StatusNoContent, "End a grant with every token that came of it. It stays in the list as revoked.", a.revokeGrant),
	}
}

func (a *API) listGrants(r request[grantFilter]) (out grantList, err error) {
	grants, err := a.desk.Grants.List(r.ctx, r.in.User)
	out.Grants, out.LeftOut = bounded(grants, showGrant)
	return out, err
}

func (a *API) getGrant(r request[nothing]) (grant, error) {
	g, err := a.desk.Grants.Get(r.ctx, r.id)
	return showGrant(g), err
}

func (a *API) changeGrant(r request[grantChange]) (grant, error) {
	g, err := a.desk.Grants.SetRights(r.ctx, r.id, r.in.Rights.rights())
	return showGrant(g), err
}

func (a *API) revokeGrant(r request[nothing]) (nothing, error) {
	_, err := a.desk.Grants.Revoke(r.ctx, r.id)
	return nothing{}, err
}

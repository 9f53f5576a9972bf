package admin

import (
	"net/http"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/admin/desk"
	"drawbridge/internal/fault"
)

// rights are account.Rights with descriptions.
type rights struct {
	Backends    []string `json:"backends" jsonschema:"Names of backends, or * for all. An empty list is refused: it would allow nothing." min:"1" max:"200"`
	Write       bool     `json:"write,omitempty" jsonschema:"May use tools that change things."`
	Destructive []string `json:"destructive,omitempty" jsonschema:"Backends whose dangerous tools may be used, or * for all." max:"200"`
}

func showRights(r account.Rights) rights {
	if r.Backends == nil {
		r.Backends = []string{}
	}
	return rights{Backends: r.Backends, Write: r.Write, Destructive: r.Destructive}
}

func (r rights) rights() account.Rights {
	return account.Rights{Backends: r.Backends, Write: r.Write, Destructive: r.Destructive}
}

type key struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	User     string    `json:"user" jsonschema:"The id of the user it belongs to."`
	Role     string    `json:"role" enum:"admin,member" jsonschema:"The user's own role caps it."`
	Profile  string    `json:"profile,omitempty" jsonschema:"The only profile it may be used at. Absent: any address."`
	Rights   rights    `json:"rights"`
	Networks []string  `json:"networks,omitempty" jsonschema:"Networks it may be used from. Absent: from anywhere."`
	Prefix   string    `json:"prefix" jsonschema:"Its first characters, to tell keys apart."`
	Status   string    `json:"status" enum:"live,expired,revoked"`
	Created  time.Time `json:"created"`
	Expires  time.Time `json:"expires,omitzero" jsonschema:"Absent: never."`
	LastUsed time.Time `json:"last_used,omitzero" jsonschema:"Absent: never."`
	Revoked  time.Time `json:"revoked,omitzero"`
}

func showKey(k account.Key) key {
	networks := make([]string, len(k.Networks))
	for i, n := range k.Networks {
		networks[i] = n.String()
	}
	return key{ID: k.ID, Name: k.Name, User: k.User, Role: string(k.Role), Profile: k.Profile, Rights: showRights(k.Rights),
		Networks: networks, Prefix: k.Prefix, Status: k.Status(time.Now()),
		Created: k.Created.UTC(), Expires: moment(k.Expires), LastUsed: moment(k.LastUsed), Revoked: moment(k.Revoked)}
}

// moment is a time in UTC; never stays never.
func moment(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC()
}

type keyList struct {
	Keys    []key `json:"keys"`
	LeftOut int   `json:"left_out,omitempty" jsonschema:"How many more there are than a list has room for; the newest are shown."`
}

type newKey struct {
	Name     string   `json:"name" jsonschema:"Unique among a user's live keys." min:"1" max:"64"`
	User     string   `json:"user,omitempty" jsonschema:"The id of the user it belongs to. Absent: yourself."`
	Role     string   `json:"role,omitempty" enum:"admin,member" jsonschema:"No higher than your own and the user's. Absent: member."`
	Profile  string   `json:"profile,omitempty" jsonschema:"The only profile it may be used at. Absent: any address."`
	Rights   *rights  `json:"rights,omitempty" jsonschema:"Absent: read from all backends."`
	Networks []string `json:"networks,omitempty" jsonschema:"Addresses or networks it may be used from, such as 192.168.1.0/24. Absent: from anywhere." max:"50"`
	Expires  string   `json:"expires,omitempty" jsonschema:"RFC 3339, such as 2027-01-31T00:00:00Z. Absent: never."`
}

type madeKey struct {
	Key   key    `json:"key"`
	Value string `json:"value" jsonschema:"The key itself. It is shown this once."`
}

type keyRef struct {
	Key string `json:"key" jsonschema:"Id, name or shown prefix of a live key." min:"1"`
}

func (a *API) keyOperations() []operation {
	return []operation{
		op(http.MethodGet, "/keys", "listKeys", http.StatusOK, "All keys, the newest first, without their values.", a.listKeys),
		op(http.MethodPost, "/keys", "createKey", http.StatusCreated, "Make a key. Its value is in the answer and nowhere else.", a.createKey),
		op(http.MethodPost, "/keys/revoke", "revokeKey", http.StatusOK, "End a key by its id, name or shown prefix, from its next use on.", a.revokeKey),
		op(http.MethodGet, "/keys/{id}", "getKey", http.StatusOK, "One key, without its value.", a.getKey),
		op(http.MethodDelete, "/keys/{id}", "deleteKey", http.StatusNoContent, "End a key by its id. It stays in the list as revoked.", a.deleteKey),
	}
}

func (a *API) listKeys(r request[nothing]) (out keyList, err error) {
	keys, err := a.desk.Keys.List(r.ctx)
	out.Keys, out.LeftOut = bounded(keys, showKey)
	return out, err
}

func (a *API) createKey(r request[newKey]) (made madeKey, err error) {
	ask := account.KeyRequest{Name: r.in.Name, User: r.in.User, Role: account.RoleMember, Profile: r.in.Profile, Rights: account.ReadRights()}
	if r.in.Role != "" {
		ask.Role = account.Role(r.in.Role)
	}
	if r.in.Rights != nil {
		ask.Rights = r.in.Rights.rights()
	}
	if ask.Networks, err = desk.ParseNetworks(r.in.Networks); err != nil {
		return made, err
	}
	if r.in.Expires != "" {
		if ask.Expires, err = time.Parse(time.RFC3339, r.in.Expires); err != nil {
			return made, fault.New(fault.Invalid, "The expiry cannot be read. Write it like 2027-01-31T00:00:00Z.")
		}
	}
	k, value, err := a.desk.Keys.Create(r.ctx, ask)
	return madeKey{Key: showKey(k), Value: value.Reveal()}, err
}

func (a *API) revokeKey(r request[keyRef]) (key, error) {
	k, err := a.desk.Keys.Revoke(r.ctx, r.in.Key)
	return showKey(k), err
}

func (a *API) getKey(r request[nothing]) (key, error) {
	k, err := a.desk.Keys.Get(r.ctx, r.id)
	return showKey(k), err
}

func (a *API) deleteKey(r request[nothing]) (nothing, error) {
	_, err := a.desk.Keys.RevokeID(r.ctx, r.id)
	return nothing{}, err
}

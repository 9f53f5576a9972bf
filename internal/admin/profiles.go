package admin

import (
	"net/http"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
)

// profile is account.Profile with descriptions.
type profile struct {
	Name     string   `json:"name" jsonschema:"1 to 32 characters of a-z, 0-9 and -, the first a letter. Part of its address /mcp/<name>." min:"1" max:"32"`
	Title    string   `json:"title,omitempty" jsonschema:"As it is shown. Absent: the name."`
	Backends []string `json:"backends" jsonschema:"Names of backends, or * for all." min:"1" max:"200"`
	Allow    []string `json:"allow" jsonschema:"Patterns of tool and prompt names; * stands for any characters." min:"1" max:"200"`
	Deny     []string `json:"deny,omitempty" jsonschema:"Patterns that win over allow." max:"200"`
	Tier     string   `json:"tier" enum:"read,write,destructive" jsonschema:"The most that tools may do."`
}

func showProfile(p account.Profile) profile {
	return profile{Name: p.Name, Title: p.Title, Backends: texts(p.Backends), Allow: texts(p.Allow), Deny: p.Deny, Tier: p.Tier.String()}
}

func (p profile) profile() (account.Profile, error) {
	tier, err := account.ParseTier(p.Tier)
	return account.Profile{Name: p.Name, Title: p.Title, Backends: p.Backends, Allow: p.Allow, Deny: p.Deny, Tier: tier}, err
}

type profileList struct {
	Profiles []profile `json:"profiles"`
	LeftOut  int       `json:"left_out,omitempty" jsonschema:"How many more there are than a list has room for."`
}

func (a *API) profileOperations() []operation {
	return []operation{
		op(http.MethodGet, "/profiles", "listProfiles", http.StatusOK, "All profiles.", a.listProfiles),
		op(http.MethodPost, "/profiles", "createProfile", http.StatusCreated, "Make a profile. Its name must be free.", a.createProfile),
		op(http.MethodGet, "/profiles/{name}", "getProfile", http.StatusOK, "One profile.", a.getProfile),
		op(http.MethodPut, "/profiles/{name}", "saveProfile", http.StatusOK, "Make a profile, or replace the one of this name.", a.saveProfile),
		op(http.MethodDelete, "/profiles/{name}", "deleteProfile", http.StatusNoContent, "Delete a profile. Refused while a user, a live key or a live grant is bound to it.", a.deleteProfile),
	}
}

func (a *API) listProfiles(r request[nothing]) (out profileList, err error) {
	profiles, err := a.desk.Profiles.List(r.ctx)
	out.Profiles, out.LeftOut = bounded(profiles, showProfile)
	return out, err
}

func (a *API) createProfile(r request[profile]) (profile, error) {
	p, err := r.in.profile()
	if err != nil {
		return profile{}, err
	}
	p, err = a.desk.Profiles.Create(r.ctx, p)
	return showProfile(p), err
}

func (a *API) getProfile(r request[nothing]) (profile, error) {
	p, err := a.desk.Profiles.Get(r.ctx, r.id)
	return showProfile(p), err
}

func (a *API) saveProfile(r request[profile]) (profile, error) {
	if r.in.Name != r.id {
		return profile{}, fault.New(fault.Invalid, "The name in the body is not the one in the address. Send the same; a profile cannot be renamed.")
	}
	p, err := r.in.profile()
	if err != nil {
		return profile{}, err
	}
	p, err = a.desk.Profiles.Save(r.ctx, p)
	return showProfile(p), err
}

func (a *API) deleteProfile(r request[nothing]) (nothing, error) {
	return nothing{}, a.desk.Profiles.Delete(r.ctx, r.id)
}

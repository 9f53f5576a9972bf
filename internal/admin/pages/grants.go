package pages

import (
	"net/http"
	"time"

	"drawbridge/internal/account"
)

type grantRow struct {
	account.Grant
	Name  string // as the client called itself, safe to show
	State state
	May   string
	Path  string
}

func rowOfGrant(g account.Grant) grantRow {
	return grantRow{g, claimed(g.ClientName, "(no name)"), statusState(g.Status(time.Now())), says(g.Rights), grantPath(g.ID)}
}

func grantPath(id string) string { return "/admin/grants/" + id }

type grantsPage struct {
	Frame
	Of      string // the user whose grants these are; "": everybody's
	Live    []grantRow
	Ended   []grantRow
	LeftOut int
}

func (p *Pages) grants(r *http.Request, f Frame) (string, any, error) {
	page := grantsPage{Frame: f, Of: r.URL.Query().Get("user")}
	grants, err := p.Desk.Grants.List(r.Context(), page.Of)
	page.Live, page.Ended, page.LeftOut = split(grants, rowOfGrant)
	return "admin_grants", page, err
}

type grantPage struct {
	Frame
	Grant      grantRow
	ClientPath string
	Rights     rightsForm
}

func (p *Pages) grant(r *http.Request, f Frame) (string, any, error) {
	grant, err := p.Desk.Grants.Get(r.Context(), r.PathValue("id"))
	if err != nil {
		return "", nil, err
	}
	return "admin_grant", grantPage{f, rowOfGrant(grant), clientPath(grant.Client), p.rightsForm(f.formRights(grant.Rights))}, nil
}

func (p *Pages) changeGrant(r *http.Request, f *form) (answer, error) {
	rights := f.rights()
	if err := f.end(); err != nil {
		return answer{}, err
	}
	grant, err := p.Desk.Grants.SetRights(r.Context(), r.PathValue("id"), rights)
	return answer{to: grantPath(grant.ID), done: "grant-saved"}, err
}

func (p *Pages) revokeGrant(r *http.Request, f *form) (answer, error) {
	grant, err := p.Desk.Grants.Get(r.Context(), r.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	if err := f.confirm(grant.User); err != nil {
		return answer{}, err
	}
	_, err = p.Desk.Grants.Revoke(r.Context(), grant.ID)
	return answer{to: grantPath(grant.ID), done: "grant-revoked"}, err
}

package pages

import (
	"net/http"
	"slices"
	"strings"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
)

type profilesPage struct {
	Frame
	Profiles []profileRow
	Fields   profileFields
}

type profileRow struct {
	account.Profile
	Place string // of which backends
	Most  string // what tools may do at most
}

func rowOfProfile(p account.Profile) profileRow {
	row := profileRow{Profile: p, Place: place(p.Backends)}
	for _, t := range tiers {
		if t.Value == p.Tier.String() {
			row.Most = t.Label
		}
	}
	return row
}

// profileFields are the fields of a profile's form, as they are or as they were
// sent.
type profileFields struct {
	Name     string
	Title    string
	All      bool
	Backends []backendTick
	Allow    string
	Deny     string
	Tier     string
	Tiers    []option
}

var tiers = []option{{"read", "look only"}, {"write", "also change things"}, {"destructive", "everything, dangerous tools too"}}

func (p *Pages) profileFields(f Frame, from account.Profile) profileFields {
	fields := profileFields{Name: from.Name, Title: from.Title, Allow: strings.Join(from.Allow, "\n"), Deny: strings.Join(from.Deny, "\n"),
		Tier: from.Tier.String(), Tiers: tiers}
	if f.Form.Sent() {
		fields.Name, fields.Title, fields.Tier = f.Form.Was("name"), f.Form.Was("title"), f.Form.Was("tier")
		fields.Allow, fields.Deny = f.Form.Was("allow"), f.Form.Was("deny")
		from.Backends = f.Form.values["backends"]
	}
	ticks := p.rightsForm(account.Rights{Backends: from.Backends})
	fields.All, fields.Backends = ticks.All, ticks.Backends
	return fields
}

func (p *Pages) profiles(r *http.Request, f Frame) (string, any, error) {
	profiles, err := p.Desk.Profiles.List(r.Context())
	fresh := account.Profile{Backends: []string{account.Any}, Allow: []string{account.Any}, Tier: account.TierRead}
	page := profilesPage{Frame: f, Fields: p.profileFields(f, fresh)}
	for _, one := range profiles {
		page.Profiles = append(page.Profiles, rowOfProfile(one))
	}
	return "admin_profiles", page, err
}

// profileOf reads a profile's form but for its name.
func profileOf(f *form) (account.Profile, error) {
	profile := account.Profile{Title: f.text("title"), Backends: f.list("backends"), Allow: f.lines("allow"), Deny: f.lines("deny")}
	if slices.Contains(profile.Backends, account.Any) {
		profile.Backends = []string{account.Any}
	}
	tier, err := account.ParseTier(f.text("tier"))
	if err != nil {
		return profile, fault.New(fault.Invalid, "The tier cannot be read. Choose one from the list.")
	}
	profile.Tier = tier
	return profile, nil
}

func (p *Pages) createProfile(r *http.Request, f *form) (answer, error) {
	name := f.text("name")
	profile, err := profileOf(f)
	if err != nil {
		return answer{}, err
	}
	if err := f.end(); err != nil {
		return answer{}, err
	}
	profile.Name = name
	_, err = p.Desk.Profiles.Create(r.Context(), profile)
	return answer{to: profilePath(name), done: "profile-saved"}, err
}

func profilePath(name string) string { return "/admin/profiles/" + name }

func (p *Pages) profile(r *http.Request, f Frame) (string, any, error) {
	profile, err := p.Desk.Profiles.Get(r.Context(), r.PathValue("name"))
	return "admin_profile", struct {
		Frame
		Profile account.Profile
		Address string
		Fields  profileFields
	}{f, profile, p.Base() + "/mcp/" + profile.Name, p.profileFields(f, profile)}, err
}

func (p *Pages) changeProfile(r *http.Request, f *form) (answer, error) {
	profile, err := profileOf(f)
	if err != nil {
		return answer{}, err
	}
	if err := f.end(); err != nil {
		return answer{}, err
	}
	// Only one that is there can be changed.
	if _, err := p.Desk.Profiles.Get(r.Context(), r.PathValue("name")); err != nil {
		return answer{}, err
	}
	profile.Name = r.PathValue("name")
	_, err = p.Desk.Profiles.Save(r.Context(), profile)
	return answer{to: profilePath(profile.Name), done: "profile-saved"}, err
}

func (p *Pages) deleteProfile(r *http.Request, f *form) (answer, error) {
	name := r.PathValue("name")
	if err := f.confirm(name); err != nil {
		return answer{}, err
	}
	return answer{to: "/admin/profiles", done: "profile-deleted"}, p.Desk.Profiles.Delete(r.Context(), name)
}

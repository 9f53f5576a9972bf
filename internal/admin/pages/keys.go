package pages

import (
	"net/http"
	"strconv"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/admin/desk"
	"drawbridge/internal/fault"
)

// maxEnded is how many revoked and expired things a page lists, the newest first.
const maxEnded = 50

// maxShown is how many live ones.
const maxShown = 500

// lives are the lives that the form of a key offers, in days; 0 is for ever.
var lives = []option{{"365", "1 year"}, {"90", "90 days"}, {"30", "30 days"}, {"1", "1 day"}, {"0", "until I revoke it"}}

type option struct{ Value, Label string }

type keysPage struct {
	Frame
	Live     []keyRow
	Ended    []keyRow
	LeftOut  int
	Users    []account.User
	Profiles []string
	Rights   rightsForm
	Lives    []option
}

type keyRow struct {
	account.Key
	State state
	May   string
}

func rowOfKey(k account.Key) keyRow {
	return keyRow{k, statusState(k.Status(time.Now())), says(k.Rights)}
}

func (p *Pages) keys(r *http.Request, f Frame) (string, any, error) {
	ctx := r.Context()
	keys, err := p.Desk.Keys.List(ctx)
	if err != nil {
		return "", nil, err
	}
	users, err := p.Desk.Users.List(ctx)
	if err != nil {
		return "", nil, err
	}
	profiles, err := p.profileNames(r)
	page := keysPage{Frame: f, Users: users, Profiles: profiles, Rights: p.rightsForm(f.formRights(account.ReadRights())), Lives: lives}
	page.Live, page.Ended, page.LeftOut = split(keys, rowOfKey)
	return "admin_keys", page, err
}

// split parts what is live from what has ended, as far as a page has room.
func split[T interface{ Live(now time.Time) bool }, R any](list []T, row func(T) R) (live, ended []R, leftOut int) {
	for _, one := range list {
		switch {
		case one.Live(time.Now()) && len(live) < maxShown:
			live = append(live, row(one))
		case !one.Live(time.Now()) && len(ended) < maxEnded:
			ended = append(ended, row(one))
		default:
			leftOut++
		}
	}
	return live, ended, leftOut
}

func (p *Pages) createKey(r *http.Request, f *form) (answer, error) {
	ask := account.KeyRequest{Name: f.text("name"), User: f.text("user"), Role: account.Role(f.text("role")),
		Profile: f.text("profile"), Rights: f.rights()}
	networks, days := f.lines("networks"), f.text("days")
	if err := f.end(); err != nil {
		return answer{}, err
	}
	var err error
	if ask.Networks, err = desk.ParseNetworks(networks); err != nil {
		return answer{}, err
	}
	n, err := strconv.Atoi(days)
	if err != nil || n < 0 || n > 36500 {
		return answer{}, fault.New(fault.Invalid, "The life of the key cannot be read. Choose one from the list.")
	}
	if n > 0 {
		ask.Expires = time.Now().AddDate(0, 0, n)
	}
	key, value, err := p.Desk.Keys.Create(r.Context(), ask)
	if err != nil {
		return answer{}, err
	}
	return answer{secret: &shown{Title: "The key " + key.Name, Back: keyPath(key.ID),
		Text:   "It works at once and is shown this once. Put it where it is needed; nobody can read it here later.",
		Labels: []label{{"Key", value.Reveal()}, {"As a header", "Authorization: Bearer " + value.Reveal()}}}}, nil
}

func keyPath(id string) string { return "/admin/keys/" + id }

func (p *Pages) key(r *http.Request, f Frame) (string, any, error) {
	key, err := p.Desk.Keys.Get(r.Context(), r.PathValue("id"))
	return "admin_key", struct {
		Frame
		Key keyRow
	}{f, rowOfKey(key)}, err
}

func (p *Pages) revokeKey(r *http.Request, f *form) (answer, error) {
	key, err := p.Desk.Keys.Get(r.Context(), r.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	if err := f.confirm(key.Name); err != nil {
		return answer{}, err
	}
	_, err = p.Desk.Keys.RevokeID(r.Context(), key.ID)
	return answer{to: keyPath(key.ID), done: "key-revoked"}, err
}

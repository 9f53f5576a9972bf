package authorize

import (
	"net/http"
	"strconv"
	"time"

	"drawbridge/internal/limit"
	"drawbridge/internal/route"
	"drawbridge/internal/web"
)

// How many answers may be posted, and how many networks are remembered. A page takes
// one, and a few more where passwords are mistyped; a whole office may stand behind
// one address.
const (
	answersOfNetwork = 120 // a minute
	answersOfSite    = 480
	remembered       = 4096
)

// answers hands posts to consent, as many as their network may send: whoever has
// once fetched a page could go on for ever.
type answers struct {
	*Handler
	network *limit.Buckets
	site    *limit.Buckets
}

func newAnswers(h *Handler) *answers {
	return &answers{h,
		limit.New(answersOfNetwork, time.Minute, answersOfNetwork, remembered),
		limit.New(answersOfSite, time.Minute, answersOfSite, remembered)}
}

func (a *answers) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		a.ask(w, r)
		return
	}
	// What another site has a browser post is refused at no cost, and must not use up
	// what the person in front of it may send.
	if web.FromOwnPage(r, a.Base()) {
		if wait, ok := a.take(r, time.Now()); !ok {
			a.tooMany(w, wait)
			return
		}
	}
	a.Consent.Answer(w, r)
}

func (a *answers) take(r *http.Request, now time.Time) (time.Duration, bool) {
	addr := route.PeerFrom(r.Context()).Addr
	if wait, ok := a.network.Take(limit.Network(addr), now); !ok {
		return wait, false
	}
	return a.site.Take(limit.Site(addr), now)
}

// tooMany tells whoever answers to wait. The page that was answered stays good.
func (a *answers) tooMany(w http.ResponseWriter, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
	a.say(w, http.StatusTooManyRequests, web.Notice{
		Title: "Too many answers at once", Text: "Nothing was done with this one: too many came from your network.",
		Next: "Wait a minute, go back to the page and answer again.",
	})
}

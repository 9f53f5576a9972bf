package gatewaytest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// Redirect is where the programs that Register makes have the browser sent back to.
const Redirect = "http://127.0.0.1:7777/callback"

// Door is a program that comes in by OAuth, and the browser of the person who lets
// it in, both over plain HTTP. Each method is one request; an error is one of the
// connection, an answer of whatever status is none. Safe for concurrent use.
type Door struct {
	Base string // of the gateway, without a path
	HTTP *http.Client
	// From, if set, is the address that a trusted proxy would have seen.
	From string
	// Note, if set, is told of every answer.
	Note func(request string, a Reply)
}

// NewDoor is a door of the gateway at base, with connections of its own.
func NewDoor(base string) *Door {
	return &Door{Base: base, HTTP: &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 64},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Reply is an answer that came whole.
type Reply struct {
	Status int
	Header http.Header
	Body   string
}

// Get is a text member of an answer in JSON, or "".
func (r Reply) Get(name string) string {
	var s string
	_ = json.Unmarshal([]byte(member(r.Body, name)), &s) // then it is not there
	return s
}

// Back is what a browser that is sent on takes along.
func (r Reply) Back() url.Values {
	u, err := url.Parse(r.Header.Get("Location"))
	if err != nil {
		return nil
	}
	return u.Query()
}

// Cookie is the value of a cookie that the answer sets, or "".
func (r Reply) Cookie(name string) string {
	for _, c := range (&http.Response{Header: r.Header}).Cookies() {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// Send makes any request; header is pairs.
func (d *Door) Send(ctx context.Context, method, path, body string, header ...string) (Reply, error) {
	req, err := http.NewRequestWithContext(ctx, method, d.Base+path, strings.NewReader(body))
	if err != nil {
		return Reply{}, err
	}
	if d.From != "" {
		req.Header.Set("X-Forwarded-For", d.From)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	res, err := d.HTTP.Do(req)
	if err != nil {
		return Reply{}, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return Reply{}, err
	}
	a := Reply{res.StatusCode, res.Header, string(raw)}
	if d.Note != nil {
		name, _, _ := strings.Cut(path, "?")
		d.Note(method+" "+name, a)
	}
	return a, nil
}

// JSON sends a body in JSON with a credential.
func (d *Door) JSON(ctx context.Context, method, path, credential, body string) (Reply, error) {
	return d.Send(ctx, method, path, body, "Content-Type", "application/json", "Authorization", "Bearer "+credential)
}

// Form sends a form, with more headers.
func (d *Door) Form(ctx context.Context, path string, form url.Values, header ...string) (Reply, error) {
	return d.Send(ctx, http.MethodPost, path, form.Encode(), append(header, "Content-Type", "application/x-www-form-urlencoded")...)
}

// List lists the tools with a credential, which is the least that one is good for.
func (d *Door) List(ctx context.Context, credential string) (Reply, error) {
	const body = `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{` +
		`"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
	return d.Send(ctx, http.MethodPost, "/mcp", body, "Content-Type", "application/json", "Accept", "application/json, text/event-stream",
		"MCP-Protocol-Version", R2026, "Mcp-Method", "tools/list", "Authorization", "Bearer "+credential)
}

// Register registers a program of a name, which keeps no secret unless auth says how
// it sends one.
func (d *Door) Register(ctx context.Context, name, auth string) (Reply, error) {
	body, err := json.Marshal(map[string]any{"client_name": name, "redirect_uris": []string{Redirect},
		"grant_types": []string{"authorization_code", "refresh_token"}, "token_endpoint_auth_method": auth})
	if err != nil {
		return Reply{}, err
	}
	return d.Send(ctx, http.MethodPost, "/oauth/register", string(body), "Content-Type", "application/json")
}

// Challenge is what an authorization request has of a code verifier.
func Challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Page is a consent page in front of a person.
type Page struct {
	Reply
	Request string // the hidden field
	Browser string // the cookie
}

var hiddenRequest = regexp.MustCompile(`name="request" value="([^"]*)"`)

// Ask opens the consent page for a program. more is added to the request.
func (d *Door) Ask(ctx context.Context, client, verifier string, more url.Values) (Page, error) {
	query := url.Values{"response_type": {"code"}, "client_id": {client}, "redirect_uri": {Redirect},
		"code_challenge": {Challenge(verifier)}, "code_challenge_method": {"S256"}}
	maps.Copy(query, more)
	a, err := d.Send(ctx, http.MethodGet, "/oauth/authorize?"+query.Encode(), "")
	p := Page{Reply: a, Browser: a.Cookie("drawbridge-consent")}
	if m := hiddenRequest.FindStringSubmatch(a.Body); m != nil {
		p.Request = html.UnescapeString(m[1])
	}
	return p, err
}

// Allow answers a consent page with a password. more is added to the form.
func (d *Door) Allow(ctx context.Context, p Page, password string, more url.Values) (Reply, error) {
	form := url.Values{"request": {p.Request}, "answer": {"allow"}, "days": {"0"}, "password": {password}}
	maps.Copy(form, more)
	return d.Form(ctx, "/oauth/authorize", form, "Sec-Fetch-Site", "same-origin", "Cookie", "drawbridge-consent="+p.Browser)
}

// Redeem exchanges a code.
func (d *Door) Redeem(ctx context.Context, client, code, verifier string) (Reply, error) {
	return d.Form(ctx, "/oauth/token", url.Values{"grant_type": {"authorization_code"}, "code": {code}, "client_id": {client},
		"redirect_uri": {Redirect}, "code_verifier": {verifier}})
}

// Refresh exchanges a refresh token.
func (d *Door) Refresh(ctx context.Context, client, token string) (Reply, error) {
	return d.Form(ctx, "/oauth/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "client_id": {client}})
}

// Revoke gives a token back.
func (d *Door) Revoke(ctx context.Context, client, token string) (Reply, error) {
	return d.Form(ctx, "/oauth/revoke", url.Values{"token": {token}, "client_id": {client}})
}

// Visitor is a program that was let in.
type Visitor struct {
	Client, Code, Verifier string
	Access, Refresh        string
}

// Enter goes the whole way for a program: it registers, is let in by a user and has
// tokens. user is "" where there is only one.
func (d *Door) Enter(ctx context.Context, user, password string, more url.Values) (v Visitor, err error) {
	a, err := d.Register(ctx, "Visitor", "none")
	if err := expect(a, err, http.StatusCreated, "register"); err != nil {
		return v, err
	}
	v.Client, v.Verifier = a.Get("client_id"), strings.Repeat("verifier-", 6)
	page, err := d.Ask(ctx, v.Client, v.Verifier, nil)
	if err := expect(page.Reply, err, http.StatusOK, "ask for consent"); err != nil {
		return v, err
	}
	form := url.Values{"user": {user}}
	maps.Copy(form, more)
	a, err = d.Allow(ctx, page, password, form)
	if err := expect(a, err, http.StatusSeeOther, "allow"); err != nil {
		return v, err
	}
	v.Code = a.Back().Get("code")
	a, err = d.Redeem(ctx, v.Client, v.Code, v.Verifier)
	if err := expect(a, err, http.StatusOK, "redeem"); err != nil {
		return v, err
	}
	v.Access, v.Refresh = a.Get("access_token"), a.Get("refresh_token")
	return v, nil
}

// expect makes an error of an answer that is not the one expected.
func expect(a Reply, err error, status int, what string) error {
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", what, err)
	case a.Status != status:
		return fmt.Errorf("%s: %d %s", what, a.Status, a.Body)
	}
	return nil
}

// Whole is all of an answer, as somebody who reads along would see it.
func (r Reply) Whole() string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%d\n", r.Status)
	_ = r.Header.Write(&b) // a buffer takes everything
	return b.String() + "\n" + r.Body
}

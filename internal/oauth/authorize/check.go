package authorize

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
)

const (
	maxID    = 2 << 10 // bytes of a client_id
	maxState = 8 << 10 // bytes of what a client wants back

	// wordUnknown makes clients forget an id that we do not know, and register anew
	// (R13; ecosystem reference, section 2).
	wordUnknown = "invalid_client"
	reconnect   = "In the program, remove and add the connector again."
)

// sender finds who sent a request and where an answer may go: a known client and
// one of its redirect URIs. Without both, nobody may be redirected (OAuth 2.1,
// 4.1.2.1).
func (h *Handler) sender(ctx context.Context, p oauth.Params) (oauth.Client, string, *oauth.Error) {
	client, err := h.client(ctx, p.Get("client_id"))
	if err != nil {
		return oauth.Client{}, "", err
	}
	registered, asked := client.Metadata.RedirectURIs, p.Get("redirect_uri")
	switch {
	case asked == "" && len(registered) == 1:
		asked = registered[0]
	case asked == "":
		return oauth.Client{}, "", oauth.Errorf("invalid_request", "The request does not say where to go back to (redirect_uri). Remove and add the connector again.")
	case !oauth.MatchRedirect(registered, asked):
		return oauth.Client{}, "", oauth.Errorf("invalid_request", "The address to go back to (redirect_uri) is not one that the program has registered. Remove and add the connector again; if it was entered here by hand, correct its redirect URIs.")
	}
	switch {
	case takesAnswer(asked):
		return oauth.Client{}, "", oauth.Errorf("invalid_request", "The address to go back to (redirect_uri) holds a part of an answer already. Register it without code, error, iss and state.")
	case len(p.Get("state")) > maxState: // more than the answer could bring back
		return oauth.Client{}, "", oauth.Errorf("invalid_request", "The state is too long. Send at most %d bytes.", maxState)
	}
	return client, asked, nil
}

// client finds a client by its id.
func (h *Handler) client(ctx context.Context, id string) (oauth.Client, *oauth.Error) {
	if id == "" {
		return oauth.Client{}, oauth.Errorf("invalid_request", "The request does not say which program sent it (client_id). Remove and add the connector again.")
	}
	unknown := oauth.Errorf(wordUnknown, "It was removed here, or was never added.")
	if len(id) > maxID {
		return oauth.Client{}, unknown
	}
	clients := h.Clients
	if strings.HasPrefix(id, "https://") {
		clients = h.Documents
	}
	client, err := clients.Client(ctx, id)
	switch {
	case err == nil && client.ID == id:
		return client, nil
	case err == nil || fault.CodeOf(err) == fault.NotFound:
		return oauth.Client{}, unknown
	}
	return oauth.Client{}, oauth.FromFault(err)
}

// takesAnswer tells whether a redirect URI has parameters that would be mistaken
// for those of our answer: each must be there once (RFC 9207, 2.4).
func takesAnswer(uri string) bool {
	_, query, _ := strings.Cut(uri, "?")
	have, err := url.ParseQuery(query)
	return err != nil || slices.ContainsFunc([]string{"code", "error", "error_description", "iss", "state"}, have.Has)
}

// check checks the rest of a request, and gives what the client is to get.
func (h *Handler) check(ctx context.Context, client oauth.Client, p oauth.Params) (oauth.Code, *oauth.Error) {
	if err := checkKind(client, p); err != nil {
		return oauth.Code{}, err
	}
	if err := oauth.CheckChallenge(p.Get("code_challenge"), p.Get("code_challenge_method")); err != nil {
		return oauth.Code{}, err
	}
	resource, err := h.resource(ctx, p)
	if err != nil {
		return oauth.Code{}, err
	}
	return oauth.Code{Client: client.ID, Challenge: p.Get("code_challenge"), Resource: resource}, nil
}

// checkKind checks what kind of answer is asked for.
func checkKind(client oauth.Client, p oauth.Params) *oauth.Error {
	grants, prompt := client.Metadata.GrantTypes, strings.Fields(p.Get("prompt"))
	switch {
	case p.Has("request") || p.Has("request_uri"):
		return oauth.Errorf("request_not_supported", "Request objects are not supported. Send the parameters themselves.")
	case !p.Has("response_type"):
		return oauth.Errorf("invalid_request", "response_type is missing. Send response_type=code.")
	case p.Get("response_type") != "code":
		return oauth.Errorf("unsupported_response_type", "The response type is not supported. Send response_type=code.")
	case p.Has("response_mode") && p.Get("response_mode") != "query":
		return oauth.Errorf("invalid_request", "The response mode is not supported. Send response_mode=query, or none.")
	case len(grants) > 0 && !slices.Contains(grants, oauth.GrantCode):
		return oauth.Errorf("unauthorized_client", "This client is not registered for the authorization code grant. Register it with grant_types authorization_code.")
	case slices.Contains(prompt, "none") && len(prompt) > 1:
		return oauth.Errorf("invalid_request", "prompt=none cannot be joined with others. Send one of them.")
	case slices.Contains(prompt, "none"):
		return oauth.Errorf("consent_required", "A person is asked every time. Send the request without prompt=none.")
	}
	return nil
}

// resource finds which protected resource is asked for (RFC 8707). A profile that
// does not exist passes, so that strangers do not learn which ones do.
func (h *Handler) resource(ctx context.Context, p oauth.Params) (string, *oauth.Error) {
	path, bad := oauth.Resource(h.Base(), p.All("resource"))
	if bad != nil {
		return "", bad
	}
	profile := oauth.ProfileOf(path)
	if profile == "" {
		return path, nil
	}
	_, err := h.Profiles.Profile(ctx, profile)
	if err != nil && fault.CodeOf(err) != fault.NotFound {
		return "", oauth.FromFault(err)
	}
	return path, nil
}

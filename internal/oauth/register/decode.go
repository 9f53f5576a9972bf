package register

import (
	"bytes"
	"encoding/json"

	"drawbridge/internal/jsonscan"
	"drawbridge/internal/oauth"
)

// decode reads what a client says of itself. Members are taken by their exact names:
// encoding/json would take REDIRECT_URIS for redirect_uris, and the last one of two.
// One that is null counts as left out.
func decode(body []byte) (oauth.Metadata, *oauth.Error) {
	var m oauth.Metadata
	if jsonscan.Check(body) != nil || !bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
		return m, invalid("The body is not a JSON object in which every member occurs once. Correct it.")
	}
	fields := fieldsOf(&m)
	for member := range jsonscan.Members(body) {
		value := member.Value.Of(body)
		if string(value) == "null" {
			continue
		}
		for name, field := range fields {
			if jsonscan.Is(member.Key, name) && json.Unmarshal(value, field) != nil {
				return m, invalid("The member " + name + " has the wrong type. RFC 7591 says which is right.")
			}
		}
	}
	return m, nil
}

func fieldsOf(m *oauth.Metadata) map[string]any {
	return map[string]any{
		"redirect_uris":                   &m.RedirectURIs,
		"token_endpoint_auth_method":      &m.AuthMethod,
		"grant_types":                     &m.GrantTypes,
		"response_types":                  &m.ResponseTypes,
		"client_name":                     &m.Name,
		"client_uri":                      &m.URI,
		"logo_uri":                        &m.LogoURI,
		"scope":                           &m.Scope,
		"contacts":                        &m.Contacts,
		"tos_uri":                         &m.TermsURI,
		"policy_uri":                      &m.PolicyURI,
		"jwks_uri":                        &m.JWKSURI,
		"jwks":                            &m.JWKS,
		"token_endpoint_auth_signing_alg": &m.SigningAlg,
		"software_id":                     &m.SoftwareID,
		"software_version":                &m.SoftwareVersion,
		"application_type":                &m.ApplicationType,
	}
}

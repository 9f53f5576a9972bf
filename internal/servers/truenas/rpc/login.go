package rpc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/secret"
)

// Key is an API key and the user whose it is. Without a user only servers that still
// have the old login take it.
type Key struct {
	User string
	Key  secret.String
}

// loginAnswer is what auth.login_ex says.
type loginAnswer struct {
	Type      string `json:"response_type"`
	ScramType string `json:"scram_type"`
	Text      string `json:"rfc_str"`
	User      *struct {
		Name      string `json:"pw_name"`
		Privilege struct {
			Roles Set `json:"roles"`
		} `json:"privilege"`
	} `json:"user_info"`
}

// login logs a connection in and gives the roles of the user, where it is told.
func login(ctx context.Context, c *Conn, api Release, k Key) ([]string, error) {
	id, secretPart, ok := strings.Cut(k.Key.Reveal(), "-")
	if !ok || id == "" || secretPart == "" {
		return nil, fault.New(fault.Forbidden, "The API key is not of the form that TrueNAS makes (a number, a hyphen, 64 characters). Copy it again, from where it was shown once, or make a new one.")
	}
	if k.User == "" {
		return nil, oldLogin(ctx, c, k)
	}
	current := api == Release{} // newer than all we know
	if current || !api.Before(V26) {
		var choices []string
		if err := c.Call(ctx, "auth.mechanism_choices", nil, &choices); err != nil {
			return nil, loginFailed(err)
		}
		if slices.Contains(choices, "SCRAM") {
			return scramLogin(ctx, c, newScram(k.User, id, secretPart))
		}
	}
	var a loginAnswer
	err := c.Call(ctx, "auth.login_ex", []any{map[string]any{
		"mechanism": "API_KEY_PLAIN", "username": k.User, "api_key": k.Key.Reveal(),
		"login_options": map[string]bool{"user_info": true, "reconnect_token": false},
	}}, &a)
	if err != nil {
		return nil, loginFailed(err)
	}
	return a.roles(), a.refusal()
}

// scramLogin proves to have the key, and has the server prove that it knows it.
func scramLogin(ctx context.Context, c *Conn, s *scram) ([]string, error) {
	step := func(kind, text string) (a loginAnswer, err error) {
		err = c.Call(ctx, "auth.login_ex", []any{map[string]string{"mechanism": "SCRAM", "scram_type": kind, "rfc_str": text}}, &a)
		if err != nil {
			return a, loginFailed(err)
		}
		if a.Type == "SCRAM_RESPONSE" {
			return a, nil
		}
		if err = a.refusal(); err == nil { // success without a proof of its own
			err = notGenuine(errScram)
		}
		return a, err
	}
	a, err := step("CLIENT_FIRST_MESSAGE", s.clientFirst())
	if err != nil {
		return nil, err
	}
	final, err := s.clientFinal(a.Text)
	if err != nil {
		return nil, notGenuine(err)
	}
	if a, err = step("CLIENT_FINAL_MESSAGE", final); err != nil {
		return nil, err
	}
	if err := s.verify(a.Text); err != nil {
		return nil, notGenuine(err)
	}
	return a.roles(), nil
}

func notGenuine(err error) error {
	return fault.Wrap(err, fault.Forbidden, "The server at this address could not prove that it knows the API key, so it may not be your TrueNAS. Nothing was asked of it. The operator can check TRUENAS_URL and the certificate.")
}

// oldLogin is the login without a user, which leaves with release 27.
func oldLogin(ctx context.Context, c *Conn, k Key) error {
	var ok bool
	err := c.Call(ctx, "auth.login_with_api_key", []any{k.Key.Reveal()}, &ok)
	switch {
	case Is(err, CodeNoMethod):
		return fault.New(fault.Forbidden, "This TrueNAS takes an API key only together with the name of its user. The operator can set TRUENAS_USERNAME to the user whose key it is.")
	case err != nil:
		return loginFailed(err)
	case !ok:
		return refused("AUTH_ERR")
	}
	return nil
}

func (a loginAnswer) roles() []string {
	if a.User == nil {
		return nil
	}
	return a.User.Privilege.Roles
}

// refusal is the error of an answer that lets nobody in.
func (a loginAnswer) refusal() error {
	if a.Type == "SUCCESS" {
		return nil
	}
	return refused(a.Type)
}

func refused(why string) error {
	cause := errors.New("login refused")
	switch why {
	case "AUTH_ERR":
		return fault.Wrap(cause, fault.Forbidden, "TrueNAS does not accept the API key. Check that TRUENAS_API_KEY is whole and TRUENAS_USERNAME is the user whose key it is, and in TrueNAS that the key has not expired and was not revoked; or make a new key.")
	case "EXPIRED":
		return fault.Wrap(cause, fault.Forbidden, "The API key has expired or was revoked. TrueNAS revokes a key that arrives without TLS, from whatever client. Make a new key, and set TRUENAS_API_KEY to it.")
	case "OTP_REQUIRED":
		return fault.Wrap(cause, fault.Forbidden, "TrueNAS asks for a one-time password, which a program cannot give. Use the API key of a user without two-factor authentication.")
	case "DENIED":
		return fault.Wrap(cause, fault.Forbidden, "The user of the API key may not use the API. Give it a privilege with roles (Credentials, Groups, Privileges), such as READONLY_ADMIN.")
	case "REDIRECT":
		return fault.Wrap(cause, fault.Unavailable, "This TrueNAS is the one of a pair that stands by. The operator can set TRUENAS_URL to the address of the pair.")
	}
	return fault.Wrap(cause, fault.Upstream, "TrueNAS answered the login in a way that this version does not know. Update Drawbridge.")
}

// busyErrno is EBUSY: the rate limit of methods that need no login.
const busyErrno = 16

// loginFailed gives an error in the middle of a login its words.
func loginFailed(err error) error {
	if e, ok := errors.AsType[*Error](err); ok && e.Data.Errno == busyErrno {
		return fault.Wrap(errors.New("truenas limits logins"), fault.Limited, "TrueNAS limits how often one address may log in. Wait a minute, then call again.")
	}
	if e, ok := errors.AsType[*Error](err); ok { // whose reason may quote the key
		return fault.Wrap(fmt.Errorf("truenas error %d (%d) at the login", e.Code, e.Data.Errno), fault.Upstream, "TrueNAS could not log the API key in. Its log (/var/log/middlewared.log) has the reason.")
	}
	return err
}

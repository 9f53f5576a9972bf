package api

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"regexp"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/homeassistant/link"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kit/pattern"
)

// Renew says how to correct a token that is refused.
const Renew = "Make a long-lived access token in Home Assistant (your name at the bottom left, Security) and store it, or let the operator set HASS_TOKEN to one."

// CodeOf is the error code of Home Assistant in err's chain, or "".
func CodeOf(err error) string {
	if e, ok := errors.AsType[*link.Error](err); ok {
		return e.Code
	}
	return ""
}

// Unknown tells that the installation does not know a command: it is older, or the
// integration that has it is not loaded.
func Unknown(err error) bool { return CodeOf(err) == "unknown_command" }

// Denied tells that the token's owner may not do something.
func Denied(err error) bool {
	return CodeOf(err) == "unauthorized" || kit.StatusOf(err) == http.StatusUnauthorized
}

func garbage() error {
	return fault.New(fault.Upstream, "Home Assistant sent an answer that is not what its API describes. Look whether its version is one that Drawbridge supports.")
}

// refine gives an error of the WebSocket its public sentence.
func refine(err error, what string) error {
	if errors.Is(err, link.ErrUndetermined) {
		return undetermined(err)
	}
	e, ok := errors.AsType[*link.Error](err)
	if !ok {
		return err
	}
	switch {
	case e.Code == "home_assistant_error" && e.Message == "Unauthorized": // of an action
		return fault.Wrap(e, fault.Forbidden, "Home Assistant does not let the owner of the token do this (%s). Use a token of somebody who may, or do something else.", what)
	}
	switch e.Code {
	case "unauthorized":
		return fault.Wrap(e, fault.Forbidden, "Home Assistant allows this (%s) to administrators only. Use a token of an administrator, or do something else.", what)
	case "unknown_command":
		return fault.Wrap(e, fault.Unavailable, "This Home Assistant does not know how to do this (%s): it is too old, or the integration that does it is not loaded. Update it, or do without.", what)
	case "not_found":
		return fault.Wrap(e, fault.NotFound, "Home Assistant does not have %s. Look for its name or id with search_entities, list_actions or list_registry.", what)
	case "invalid_format", "service_validation_error", "invalid_info", "template_error", "not_supported":
		return fault.Wrap(e, fault.Invalid, "Home Assistant cannot use these values for %s%s Correct them and call again; list_actions with detail full shows what an action takes.", what, hint(e.Message))
	case "not_allowed":
		return fault.Wrap(e, fault.Forbidden, "Home Assistant does not allow this now (%s). Look at the state of things, and decide from there.", what)
	case "timeout":
		return fault.Wrap(e, fault.Timeout, "Home Assistant gave up waiting (%s). Look at the states before you repeat anything.", what)
	}
	return fault.Wrap(e, fault.Upstream, "Home Assistant tried and failed (%s): the device or the integration did not do it. get_system_health with the section logs says more.", what)
}

func undetermined(err error) error {
	return fault.Wrap(err, fault.Upstream, "Undetermined: Home Assistant got the call, and its answer was lost, so nobody knows yet whether it was done. It was not repeated. "+
		"Look with get_states, or get_logbook for the last minutes, before you call again.")
}

// reasons are what Home Assistant says of values, by what we repeat of it: words of
// ours, with the name of a member that has the form of one.
var reasons = []struct {
	rule func() *regexp.Regexp
	text string
}{
	{pattern.New(`extra keys not allowed @ data\['([a-z0-9_]{1,40})'\]`), "%s is not a member it takes"},
	{pattern.New(`required key not provided @ data\['([a-z0-9_]{1,40})'\]`), "%s is missing"},
	{pattern.New(`@ data\['([a-z0-9_]{1,40})'\]`), "%s has a value that does not fit"},
	{pattern.New(`data\['([a-z0-9_]{1,40})'\]`), "%s has a value that does not fit"},
	{pattern.New(`must contain at least one of entity_id`), "a target is missing"},
}

// hint is what a message of Home Assistant tells of the values, in our words.
func hint(message string) string {
	for _, r := range reasons {
		m := r.rule().FindStringSubmatch(message)
		if m == nil {
			continue
		}
		if len(m) > 1 {
			return ": " + strings.Replace(r.text, "%s", m[1], 1) + "."
		}
		return ": " + r.text + "."
	}
	return "."
}

// refineDial gives an error of opening the WebSocket a sentence that says what is
// wrong in a home.
func (c *Client) refineDial(err error) error {
	if errors.Is(err, link.ErrToken) {
		return fault.Wrap(err, fault.Forbidden, "Home Assistant does not accept the token. %s It is not tried again for a minute, because Home Assistant bans who keeps trying.", Renew)
	}
	switch kit.StatusOf(err) {
	case http.StatusForbidden:
		return fault.Wrap(err, fault.Forbidden, "Home Assistant turns Drawbridge away before it has signed in (403): it has probably banned its address after wrong tokens. Remove the address from ip_bans.yaml and restart Home Assistant.")
	case http.StatusNotFound:
		return fault.Wrap(err, fault.Upstream, "What answers at HASS_URL has no /api/websocket (404). Set HASS_URL to Home Assistant itself, such as http://192.168.1.10:8123.")
	case http.StatusBadRequest:
		return fault.Wrap(err, fault.Upstream, "Home Assistant refuses the WebSocket (400). If a proxy stands in front of it, add the proxy to http.trusted_proxies and let it pass upgrades; or set HASS_URL to Home Assistant itself.")
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		return fault.Wrap(err, fault.Unavailable, "The proxy in front of Home Assistant does not reach it (502): it is restarting, or off. Try again in a minute.")
	}
	return c.unresolved(err)
}

// unresolved explains the name that every guide of Home Assistant uses, and no
// container knows.
func (c *Client) unresolved(err error) error {
	_, dns := errors.AsType[*net.DNSError](err)
	if dns && strings.HasSuffix(strings.ToLower(c.host), ".local") {
		return fault.Wrap(err, fault.Unavailable, "The name %s does not resolve here. Names in .local are found by multicast DNS, which does not reach into a container. "+
			"Set HASS_URL to the address instead, such as http://192.168.1.10:8123 (Home Assistant shows it under Settings, System, Network), "+
			"or start the container with extra_hosts: [\"%s:192.168.1.10\"].", c.host, c.host)
	}
	return err
}

// refineREST gives the answers of the REST API that mean something of their own a
// sentence.
func (c *Client) refineREST(err error) error {
	e, ok := errors.AsType[*kit.StatusError](err)
	switch {
	case !ok:
	case e.Status == http.StatusUnauthorized:
		return fault.Wrap(e, fault.Forbidden, "Home Assistant does not accept the token for this, or allows it to administrators only (401). %s", Renew)
	case e.Status == http.StatusBadRequest && bytes.Contains(e.Body, []byte("Resource not found")): // of a DELETE
		return fault.Wrap(e, fault.NotFound, "Home Assistant does not have this item among those that its editor keeps. list_automations has their ids.")
	case e.Status == http.StatusBadRequest && bytes.Contains(e.Body, []byte("malformed")):
		return fault.Wrap(e, fault.Invalid, "Home Assistant does not accept this configuration%s Nothing was changed. Correct it and call again, with dry_run first.", hint(string(e.Body)))
	}
	return c.unresolved(err)
}

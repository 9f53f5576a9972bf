package signin_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	shop "drawbridge/internal/servers/erpnext/fake"
	home "drawbridge/internal/servers/homeassistant/fake"
	nas "drawbridge/internal/servers/truenas/fake"
	"drawbridge/test/harness"
)

// TestSeedVariables: with the variables of the seed and nothing else, a token for which
// nothing was ticked reads from a house, a disk station and a shop, and changes nothing;
// after the one tick "change things" it switches a lamp. The seed has no TRUENAS_USERNAME.
func TestSeedVariables(t *testing.T) {
	t.Parallel()
	for name, more := range map[string][]string{"of the seed": nil, "and the name of the key's user": {"TRUENAS_USERNAME=" + nas.AdminUser}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			house, seed := seedSystems(t)
			g := harness.Serve(t, harness.Servers{}, append(seed, more...)...)
			const lamp = "light.hallway"
			services := func() (n int) {
				for _, c := range house.Calls() {
					if c.Command == "call_service" || c.Method == "POST" {
						n++
					}
				}
				return n
			}

			handler, logins := signsIn(t)
			reads := enters(t, base(g), handler)
			defer reads.Close()
			for tool, tc := range map[string]struct {
				args  map[string]any
				shows string
			}{
				"homeassistant_get_states":  {map[string]any{"target": []string{lamp}}, "off"},
				"truenas_get_system_status": {map[string]any{}, "tank ONLINE"},
				"erpnext_list_documents":    {map[string]any{"doctype": "Customer"}, "Ada Lovelace"},
			} {
				if text, ok := calls(t, reads, tool, tc.args); !ok || !strings.Contains(text, tc.shows) {
					t.Errorf("%s: %s", tool, text)
				}
			}
			on := map[string]any{"target": []string{lamp}, "action": "turn_on"}
			if text, ok := calls(t, reads, "homeassistant_control_entities", on); ok || !strings.Contains(text, "tick it") {
				t.Errorf("nothing was ticked, and: %s", text)
			}
			if state := house.State(lamp); state != "off" || services() != 0 {
				t.Fatalf("nothing was ticked, and the lamp is %s after %d calls", state, services())
			}
			if *logins != 1 {
				t.Errorf("signed in %d times to read", *logins)
			}

			handler, logins = signsIn(t, `input[name=write]`)
			writes := enters(t, base(g), handler)
			defer writes.Close()
			if text, ok := calls(t, writes, "homeassistant_control_entities", on); !ok {
				t.Errorf("with the tick: %s", text)
			}
			if state := house.State(lamp); state != "on" || services() != 1 || *logins != 1 {
				t.Errorf("with the tick the lamp is %s after %d calls and %d sign-ins", state, services(), *logins)
			}
		})
	}
}

// seedSystems starts the three systems, and gives the variables of the seed for them.
func seedSystems(t *testing.T) (*home.Server, []string) {
	t.Helper()
	house, disks := home.New(home.Options{}), nas.New(nas.Options{})
	erp, err := shop.New(shop.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := house.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(house.Close)
	if err := disks.Start(); err != nil { // with a certificate that it has signed itself
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := disks.Close(); err != nil {
			t.Error(err)
		}
	})
	erp.Start()
	t.Cleanup(erp.Close)
	key, secret, _ := strings.Cut(strings.TrimPrefix(shop.Auth(shop.Owner), "token "), ":")
	return house, []string{"OAUTH_PASSWORD=" + password, "HASS_URL=" + house.URL(), "HASS_TOKEN=" + home.AdminToken,
		"TRUENAS_URL=" + disks.URL(), "TRUENAS_API_KEY=" + nas.AdminKey, "TRUENAS_FINGERPRINT=" + disks.Fingerprint(),
		"ERPNEXT_URL=" + erp.URL(), "ERPNEXT_API_KEY=" + key, "ERPNEXT_API_SECRET=" + secret}
}

// calls calls a tool, and gives what it says and whether it worked.
func calls(t *testing.T, s *mcp.ClientSession, tool string, args map[string]any) (text string, ok bool) {
	t.Helper()
	res, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: args})
	if err != nil {
		return fmt.Sprint(err), false
	}
	for _, c := range res.Content {
		if one, is := c.(*mcp.TextContent); is {
			text += one.Text
		}
	}
	return text, !res.IsError
}

package system_test

import (
	"encoding/json"
	"testing"

	"drawbridge/internal/servers/truenas/system"
)

// What may be secret is in no row, at whatever level; flags about it stay.
func TestWithoutSecrets(t *testing.T) {
	t.Parallel()
	for row, want := range map[string]string{
		`{"username":"ada","unixhash":"$6$x","smbhash":"y","sshpubkey":"ssh-ed25519 A","locked":false}`:                                       `{"locked":false,"username":"ada"}`,
		`{"devices":[{"attributes":{"password":"vnc","port":5900}}],"initenv":{"A":"b"},"key_loaded":true}`:                                   `{"devices":[{"attributes":{"port":5900}}],"key_loaded":true}`,
		`{"credentials":{"id":1},"Attributes":{"access_key_id":"x","bucket":"b"},"api_token":"t","environment":{"X":"y"},"n":[1]}`:            `{"Attributes":{"bucket":"b"},"n":[1]}`,
		`{"name":"win","raw":{"config":{"user.ix_vnc_config":"{\"vnc_password\":\"x\"}"}},"vnc_port":5900,"vnc_enabled":true,"rawvalue":"1"}`: `{"name":"win","rawvalue":"1","vnc_enabled":true}`,
		`"plain"`: `"plain"`,
	} {
		got, err := system.WithoutSecrets(json.RawMessage(row))
		if err != nil || string(got) != want {
			t.Errorf("%s: %s %v", row, got, err)
		}
	}
	if _, err := system.WithoutSecrets(json.RawMessage(`{`)); err == nil {
		t.Error("no JSON")
	}
}

// A filter on a secret would tell it bit by bit.
func TestAsksSecret(t *testing.T) {
	t.Parallel()
	for filters, want := range map[string]bool{
		`[["name","=","password"]]`: false, `[["username","^","key"],["id","in",["token"]]]`: false, `[]`: false,
		`[["unixhash","^","$6$a"]]`: true, `[["raw.config.user\\.ix_vnc_config","~","x"]]`: true, `[["raw","~","x"]]`: true, `[["OR",[["name","=","x"],["attributes.password","~","a"]]]]`: true, `["smbhash","^","a"]`: true, `[[["unixhash","=","x"],"y","z"]]`: true,
	} {
		var f []any
		if err := json.Unmarshal([]byte(filters), &f); err != nil {
			t.Fatal(err)
		}
		if got := system.AsksSecret(f); got != want {
			t.Errorf("%s: %v", filters, got)
		}
	}
}

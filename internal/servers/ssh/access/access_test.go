package access_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/ssh/access"
	"drawbridge/internal/servers/ssh/command"
	"drawbridge/internal/servers/ssh/hosts"
	"drawbridge/internal/servers/ssh/link"
	"drawbridge/internal/servers/ssh/remote"
)

// How a call comes to a host is tested with real ones, beside the tools.

func TestRights(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		grant hosts.Grant
		want  []string
	}{
		{hosts.Grant{}, nil},
		{hosts.Grant{Read: true, Sudo: true}, []string{"read", "sudo"}},
		{hosts.Grant{Read: true, Run: true, Write: true, Sudo: true}, []string{"read", "run", "write", "sudo"}},
	} {
		if diff := cmp.Diff(c.want, access.Rights(c.grant)); diff != "" {
			t.Error(diff)
		}
	}
	if access.Right("").In(hosts.Grant{Read: true, Run: true, Write: true, Sudo: true}) {
		t.Error("a right that does not exist is given")
	}
}

func TestWritable(t *testing.T) {
	t.Parallel()
	at := func(patterns ...string) access.Reached {
		return access.Reached{Conn: remote.Conn{Conn: &link.Conn{Host: hosts.Host{Alias: "web1"}}}, Grant: hosts.Grant{Rules: command.Rules{Write: patterns}}}
	}
	for p, ok := range map[string]bool{"/srv/a": true, "/srv/a/b": true, "/srv": false, "/etc/passwd": false, "/srv/../etc/passwd": false, "relative": false} {
		if err := at("/srv/**").Writable(p); (err == nil) != ok || err != nil && fault.CodeOf(err) != fault.Forbidden {
			t.Errorf("%s: %v", p, err)
		}
	}
	if err := at().Writable("/anywhere"); err != nil {
		t.Errorf("without patterns: %v", err)
	}
	// What may not be read may not be written: the difference would show it.
	limited := at("/srv/**")
	limited.Grant.Rules.Read = []string{"/srv/www/**"}
	for p, ok := range map[string]bool{"/srv/www/a": true, "/srv/a": false, "/etc/passwd": false} {
		if err := limited.Writable(p); (err == nil) != ok || strings.Contains(fault.PublicOf(err), p) {
			t.Errorf("%s: %v", p, err)
		}
	}
	if rule := limited.ReadRule(); rule("/srv/www/a") != nil || fault.CodeOf(rule("/srv/a")) != fault.Forbidden {
		t.Error("the patterns for reading are not held to")
	}
	if at("/srv/**").ReadRule() != nil {
		t.Error("without patterns for reading there is a rule")
	}
}

package hosts

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"

	"drawbridge/internal/fault"
)

// Addr is where the host listens.
func (h Host) Addr() string { return net.JoinHostPort(h.Address, strconv.Itoa(h.Port)) }

// Verifier checks the host's key, and says which kinds of key to ask the host for:
// one that is vouched for, where the host has several.
func (h Host) Verifier() (check ssh.HostKeyCallback, algorithms []string, err error) {
	if len(h.Pins) > 0 {
		return h.checkPins, nil, nil
	}
	var files []string
	for _, f := range h.KnownHosts {
		if _, err := os.Stat(f); err == nil {
			files = append(files, f)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, fmt.Errorf("look at known hosts: %w", err)
		}
	}
	db, err := knownhosts.NewDB(files...)
	if err != nil {
		return nil, nil, fault.Wrap(err, fault.Unavailable, "The known hosts of the ssh server cannot be read, so %s cannot be verified. The operator can correct the file; the log has the line.", h.Alias)
	}
	name := h.Addr()
	if h.KeyName != "" {
		name = net.JoinHostPort(h.KeyName, "22") // known hosts have such a name without port
	}
	vouches := db.HostKeyCallback()
	check = func(_ string, remote net.Addr, key ssh.PublicKey) error {
		return h.explain(vouches(name, remote, key), key, db.HostKeys(name))
	}
	return check, db.HostKeyAlgorithms(name), nil
}

func (h Host) checkPins(_ string, _ net.Addr, key ssh.PublicKey) error {
	if slices.Contains(h.Pins, ssh.FingerprintSHA256(key)) {
		return nil
	}
	return h.wrongKey(nil, key, h.Pins)
}

// explain makes public what is wrong with a key.
func (h Host) explain(err error, key ssh.PublicKey, known []knownhosts.PublicKey) error {
	switch {
	case err == nil:
		return nil
	case knownhosts.IsHostUnknown(err):
		return fault.Wrap(err, fault.Forbidden, "The host key of %s is not known, so nothing was sent to it. It shows the %s key %s. "+
			"An admin compares that with ssh-keygen -lf on the host itself, and then pins the fingerprint in the policy or adds the key to the known hosts of the ssh server. No tool can do it.",
			h.Alias, key.Type(), ssh.FingerprintSHA256(key))
	}
	expected := make([]string, len(known))
	for i, k := range known {
		expected[i] = ssh.FingerprintSHA256(k)
	}
	return h.wrongKey(err, key, expected)
}

func (h Host) wrongKey(cause error, key ssh.PublicKey, expected []string) error {
	return fault.Wrap(cause, fault.Forbidden, "The host key of %s is WRONG, so nothing was sent to it. Expected %s, but it shows the %s key %s. "+
		"Either the host was installed anew, or somebody stands between. An admin finds out which, and only then replaces the key in the known hosts or the policy. No tool can do it.",
		h.Alias, strings.Join(expected, " or "), key.Type(), ssh.FingerprintSHA256(key))
}

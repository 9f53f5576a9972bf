package api

import (
	"fmt"
	"slices"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/truenas/rpc"
)

// Numbers of errors that the middleware uses (errno.h, and some of its own).
const (
	errPerm     = 1
	errNoEnt    = 2
	errAccess   = 13
	errFault    = 14
	errBusy     = 16
	errExists   = 17
	errInvalid  = 22
	errNoSpace  = 28
	errNotEmpty = 39
	errQuota    = 122
	errLocked   = 205
	errNoLogin  = 207
)

// known are messages that mean something of their own.
var known = []struct {
	word string
	code fault.Code
	text string
}{
	{"more recent snapshots", fault.Conflict, "There are newer snapshots, which a rollback would destroy. Set destroy_newer to accept that; dry_run lists them."},
	{"has dependent clones", fault.Conflict, "A clone depends on it. Delete the clone first, or promote it."},
	{"has children", fault.Conflict, "There are datasets below it. Set recursive to delete them, too; dry_run lists them."},
	{"is held", fault.Conflict, "A snapshot is held, so that nothing can delete it. Release the hold in TrueNAS first."},
	{"dataset is busy", fault.Conflict, "The dataset is in use. Stop what uses it: dry_run shows what is attached."},
	{"already exists", fault.Conflict, "Something of that name is there already, so nothing was changed. Change it instead, or choose another name."},
	{"locked", fault.Conflict, "The dataset is encrypted and locked. Unlock it in TrueNAS first."},
	{"not running", fault.Conflict, "It is not running. Start it first."},
	{"already running", fault.Conflict, "It is running already."},
	{"in progress", fault.Conflict, "Something of the kind is under way. get_job shows it; wait for its end."},
}

// explained is the fault of an error of the server's. What the server says is for the
// log, and recognized here.
func (s Session) explained(method string, e *rpc.Error) error {
	switch e.Code {
	case rpc.CodeNoMethod:
		return fault.Wrap(e, fault.Unavailable, "This TrueNAS (API %s) has no method %s. The tool needs another release; get_system_status shows which one this is.", s.version(), method)
	case rpc.CodeTooMany:
		return fault.Wrap(e, fault.Limited, "TrueNAS has too many calls to do at once, so it did not take this one. Call again in a moment.")
	}
	switch {
	case e.Data.Errno == errAccess, e.Data.Errno == errPerm:
		return fault.Wrap(e, fault.Forbidden, "The user of the API key may not call %s. Give it a role that has it: %s.", method, roleFor(method))
	case e.Data.Errno == errNoLogin, e.Data.Name == "ENOTAUTHENTICATED":
		s.line.Retire()
		return fault.Wrap(e, fault.Forbidden, "TrueNAS has ended the session of the API key. Call again; if that does not help, the operator can set TRUENAS_API_KEY to a new key.")
	}
	said := strings.ToLower(e.Data.Reason)
	for _, k := range known {
		if strings.Contains(said, k.word) {
			return fault.Wrap(e, k.code, "%s", k.text)
		}
	}
	if e.Data.Errno == errFault { // what the middleware says of anything that went wrong
		return fault.Wrap(e, fault.Upstream, "TrueNAS could not carry out %s. Look at what is there now; list_alerts or its log (/var/log/middlewared.log) may say why.", method)
	}
	if refused := e.Attributes(); len(refused) > 0 {
		return fault.Wrap(e, fault.Invalid, "TrueNAS refuses %s, so nothing was changed. Correct it and call again.", spell(refused))
	}
	return fault.Wrap(e, codeOf(e.Data.Errno), "TrueNAS refused %s: %s. Look at what is there, and call again if it is still right.", method, words(e.Data.Errno))
}

func (s Session) version() string {
	if s.API == (rpc.Release{}) {
		return "newer than 26"
	}
	return s.API.String()
}

// spell names the values that a validation refuses, and why as far as its number tells.
func spell(refused []rpc.Attribute) string {
	var all []string
	for _, a := range refused {
		all = append(all, fmt.Sprintf("%s (%s)", a.Name, words(a.Errno)))
	}
	slices.Sort(all)
	all = slices.Compact(all)
	const most = 6
	if len(all) > most {
		all = append(all[:most], "and others")
	}
	return strings.Join(all, ", ")
}

// words says what an error's number means.
func words(errno int) string {
	switch errno {
	case errNoEnt:
		return "it does not exist"
	case errExists:
		return "it exists already"
	case errBusy:
		return "it is busy"
	case errInvalid:
		return "the value does not fit"
	case errNoSpace:
		return "there is no space"
	case errNotEmpty:
		return "it is not empty"
	case errQuota:
		return "a quota is reached"
	case errLocked:
		return "it is locked"
	}
	return fmt.Sprintf("error %d", errno)
}

func codeOf(errno int) fault.Code {
	switch errno {
	case errNoEnt:
		return fault.NotFound
	case errExists, errBusy, errNotEmpty, errLocked, errNoSpace, errQuota:
		return fault.Conflict
	case errInvalid:
		return fault.Invalid
	}
	return fault.Upstream
}

// roles are those that hold the methods of a namespace.
var roles = []struct{ prefix, role string }{
	{"pool.snapshot.delete", "SNAPSHOT_DELETE"}, {"zfs.snapshot.delete", "SNAPSHOT_DELETE"},
	{"pool.snapshottask", "SNAPSHOT_TASK_WRITE"}, {"pool.snapshot", "SNAPSHOT_WRITE"}, {"zfs.snapshot", "SNAPSHOT_WRITE"},
	{"pool.dataset.delete", "DATASET_DELETE"}, {"pool.dataset", "DATASET_WRITE"}, {"pool.scrub", "POOL_SCRUB_WRITE"}, {"pool", "POOL_READ"},
	{"app", "APPS_WRITE"}, {"service", "SERVICE_WRITE"}, {"sharing", "SHARING_ADMIN"}, {"vm", "VM_WRITE"}, {"virt", "VIRT_INSTANCE_WRITE"},
	{"container", "CONTAINER_WRITE"}, {"replication", "REPLICATION_TASK_WRITE"}, {"cloudsync", "CLOUD_SYNC_WRITE"}, {"alert", "ALERT_LIST_WRITE"},
	{"reporting", "REPORTING_READ"},
}

func roleFor(method string) string {
	reads := strings.HasSuffix(method, ".query") || strings.HasSuffix(method, ".list") || strings.HasSuffix(method, ".attachments")
	for _, r := range roles {
		switch fits := strings.HasPrefix(method, r.prefix+".") || method == r.prefix; {
		case fits && reads:
			return strings.Replace(r.role, "_WRITE", "_READ", 1) + " or READONLY_ADMIN"
		case fits:
			return r.role + " or FULL_ADMIN"
		}
	}
	return "READONLY_ADMIN to look, FULL_ADMIN to change"
}

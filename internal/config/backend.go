package config

import (
	"maps"
	"slices"
	"time"

	"drawbridge/internal/secret"
)

// The kinds of Backend.Type.
const (
	TypeHTTP  = "http"
	TypeSSE   = "sse"
	TypeStdio = "stdio"
)

// Backend is one MCP server behind the door: a command to run, or a URL.
type Backend struct {
	// Name is the key of the entry: letters, digits, _ and -, a letter first. It
	// starts the names of the backend's tools unless prefix says otherwise.
	Name string `json:"-"`

	// Command is the program of a backend that speaks over standard input and output.
	Command string `json:"command"`

	// Args are the arguments of the command.
	Args []string `json:"args"`

	// Env are variables for the command. It sees these and a few harmless ones
	// (PATH, HOME, LANG and the like), not the environment of Drawbridge.
	Env map[string]secret.String `json:"env"`

	// EnvFile is a file of NAME=VALUE lines for the command; env wins over it.
	EnvFile string `json:"env_file" alias:"envFile"`

	// Cwd is the folder the command runs in, relative to the configuration file.
	Cwd string `json:"cwd"`

	// URL is the address of a remote backend. Without a path it gets /mcp.
	URL string `json:"url"`

	// Type is how the backend is spoken to: stdio for a command; http (Streamable
	// HTTP) or sse (the older HTTP+SSE) for a URL. Left out, a URL that ends in /sse
	// is sse, another is http.
	Type string `json:"type" alias:"transport" enum:"http,sse,stdio"`

	// Headers are sent to a remote backend with every request.
	Headers map[string]secret.String `json:"headers"`

	// Token is sent to a remote backend as Authorization: Bearer.
	Token secret.String `json:"token"`

	// Prefix is put before the names of the tools, with an underscore between. Left
	// out, it is the backend's name; "" leaves the names as they are.
	Prefix *string `json:"prefix"`

	// Enabled set to false keeps the entry but leaves the backend out.
	Enabled bool `json:"enabled" default:"true"`

	// Shared lets all users share one upstream session. Left out, each has an own
	// one wherever the backend keeps sessions.
	Shared bool `json:"shared" default:"false"`

	// Interactive gives each client an own process of the command, so that the
	// backend's questions in the middle of a call find the right client. Its lists are
	// those of one process for all: what a client's own process adds is not listed.
	Interactive bool `json:"interactive" default:"false"`

	// Timeout replaces limits.call_timeout for this backend. A bare number is seconds.
	Timeout time.Duration `json:"timeout"`

	// Concurrency is how many calls may run at once on this backend. Left out: 16, or
	// 8 for a command.
	Concurrency int `json:"concurrency"`

	// DisabledTools are tools that are not offered, by the backend's own names.
	DisabledTools []string `json:"disabled_tools" alias:"disabledTools"`

	// TrustAnnotations believes what the backend says of its tools: that one only
	// reads. Left out, such a tool counts as one that changes things.
	TrustAnnotations bool `json:"trust_annotations" default:"false"`

	// ReadTools are tools that only look, whatever the backend says of them: its own
	// names, with * and ?. They win over the two lists below.
	ReadTools []string `json:"read_tools"`

	// WriteTools are tools that change things, in the same form.
	WriteTools []string `json:"write_tools"`

	// DestructiveTools are tools that destroy, or cannot be taken back.
	DestructiveTools []string `json:"destructive_tools"`

	// Origin says where the backend was defined: LayerFile, LayerEnv or LayerStore.
	// Only those of the store can be changed in the admin pages.
	Origin Layer `json:"-"`
}

// ToolPrefix is what exposed names of the backend start with, "" for none.
func (b Backend) ToolPrefix() string {
	if b.Prefix != nil {
		return *b.Prefix
	}
	return b.Name
}

// The modes of a built-in server.
const (
	ModeRead  = "read"
	ModeWrite = "write"
	ModeAll   = "all"
)

// BuiltIn are the settings of one built-in server.
type BuiltIn struct {
	// Enabled switches the server on or off. Left out, it is on when what it needs
	// is set (its own variables), or when it needs nothing.
	Enabled *bool `json:"enabled"`

	// Mode caps what its tools may do: read; write, which also changes things; or
	// all, which also allows dangerous tools. ssh, wave and linkedin start with read,
	// the others with write.
	Mode string `json:"mode" enum:"read,write,all"`

	// Prefix is put before the names of the tools, with an underscore between. Left
	// out, it is the server's name; "" leaves the names as they are.
	Prefix *string `json:"prefix"`

	// Settings are the server's own, such as url and token; a list is joined by
	// commas. Every value may be secret.
	Settings map[string]secret.String `json:"-"`

	// Replaced tells that a configured backend of the same name takes its place.
	Replaced bool `json:"-"`
}

// On tells whether the server runs. byDefault is for one that needs no settings.
func (s BuiltIn) On(byDefault bool) bool {
	switch {
	case s.Replaced:
		return false
	case s.Enabled != nil:
		return *s.Enabled
	}
	return byDefault || len(s.Settings) > 0
}

// builtIn says what the environment may set of one built-in server.
type builtIn struct {
	vars  []string // stems of <STEM>_MODE, _ENABLED, _TOOLSETS, _PARALLEL and _TIMEOUT
	mode  string
	known []setting
}

type setting struct {
	key, variable string
}

// builtIns is the contract with the seed's environment plus our own additions.
// A key that is not listed here may still stand in the file.
func builtIns() map[string]builtIn {
	return map[string]builtIn{
		"erpnext": {vars: []string{"ERPNEXT"}, mode: ModeWrite, known: []setting{
			{"url", "ERPNEXT_URL"}, {"api_key", "ERPNEXT_API_KEY"}, {"api_secret", "ERPNEXT_API_SECRET"},
			{"company", "ERPNEXT_COMPANY"}, {"doctypes", "ERPNEXT_DOCTYPES"}, {"doctypes_deny", "ERPNEXT_DOCTYPES_DENY"},
			{"methods", "ERPNEXT_METHODS"}, {"ca_file", "ERPNEXT_CA_FILE"}, {"fingerprint", "ERPNEXT_FINGERPRINT"},
		}},
		"forgejo": {vars: []string{"FORGEJO"}, mode: ModeWrite, known: []setting{
			{"url", "FORGEJO_URL"}, {"token", "FORGEJO_TOKEN"},
			{"repos", "FORGEJO_REPOS"}, {"repos_deny", "FORGEJO_REPOS_DENY"},
			{"ca_file", "FORGEJO_CA_FILE"}, {"fingerprint", "FORGEJO_FINGERPRINT"},
		}},
		"homeassistant": {vars: []string{"HASS", "HOMEASSISTANT"}, mode: ModeWrite, known: []setting{
			{"url", "HASS_URL"}, {"token", "HASS_TOKEN"},
			{"ca_file", "HASS_CA_FILE"}, {"fingerprint", "HASS_FINGERPRINT"},
			{"entities", "HASS_ENTITIES"}, {"entities_deny", "HASS_ENTITIES_DENY"},
			{"scope", "HASS_SCOPE"}, {"max_entities", "HASS_MAX_ENTITIES"},
		}},
		"linkedin": {vars: []string{"LINKEDIN"}, mode: ModeRead, known: []setting{
			{"client_id", "LINKEDIN_CLIENT_ID"}, {"client_secret", "LINKEDIN_CLIENT_SECRET"},
			{"access_token", "LINKEDIN_ACCESS_TOKEN"},
		}},
		"memory": {vars: []string{"MEMORY"}, mode: ModeWrite, known: []setting{
			{"file_path", "MEMORY_FILE_PATH"}, {"bank_root", "MEMORY_BANK_ROOT"},
		}},
		"puppeteer": {vars: []string{"PUPPETEER"}, mode: ModeWrite, known: []setting{
			{"browser_path", "BROWSER_PATH"}, {"allow", "PUPPETEER_ALLOW"},
			{"no_sandbox", "PUPPETEER_NO_SANDBOX"}, {"no_scripts", "PUPPETEER_NO_SCRIPTS"},
		}},
		"rfp":                {vars: []string{"RFP"}, mode: ModeWrite, known: []setting{{"sam_api_key", "SAM_API_KEY"}}},
		"sequentialthinking": {vars: []string{"SEQUENTIALTHINKING"}, mode: ModeWrite},
		"ssh": {vars: []string{"SSH"}, mode: ModeRead, known: []setting{
			{"config", "SSH_CONFIG"}, {"policy", "SSH_POLICY"}, {"known_hosts", "SSH_KNOWN_HOSTS"},
			{"private_key", "SSH_PRIVATE_KEY"}, {"passphrase", "SSH_PASSPHRASE"},
			{"password", "SSH_PASSWORD"}, {"sudo_password", "SSH_SUDO_PASSWORD"},
		}},
		"truenas": {vars: []string{"TRUENAS"}, mode: ModeWrite, known: []setting{
			{"url", "TRUENAS_URL"}, {"api_key", "TRUENAS_API_KEY"}, {"username", "TRUENAS_USERNAME"},
			{"fingerprint", "TRUENAS_FINGERPRINT"}, {"ca_file", "TRUENAS_CA_FILE"},
			{"protected", "TRUENAS_PROTECTED"}, {"datasets", "TRUENAS_DATASETS"}, {"job_wait", "TRUENAS_JOB_WAIT"},
		}},
		"wave": {vars: []string{"WAVE"}, mode: ModeRead, known: []setting{
			{"access_token", "WAVE_ACCESS_TOKEN"}, {"client_id", "WAVE_CLIENT_ID"},
			{"client_secret", "WAVE_CLIENT_SECRET"},
		}},
	}
}

// BuiltInNames are the names of all built-in servers, sorted.
func BuiltInNames() []string { return slices.Sorted(maps.Keys(builtIns())) }

func (b builtIn) has(key string) bool {
	return slices.ContainsFunc(b.known, func(s setting) bool { return s.key == key })
}

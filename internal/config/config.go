// Package config reads the settings of one Drawbridge: a single typed tree from
// defaults, one YAML, JSON or JSONC file, .env, the environment and flags, each
// over the one before it.
//
// Load checks everything before anything starts and reports all faults at once,
// each with the place it came from and what to write instead. A value keeps that
// place, so that Dump can show where it was set. The file may hold mcpServers or
// servers blocks as MCP clients write them. The field comments of Config,
// Backend and BuiltIn are the user's reference: the JSON Schema is made of them.
//
// This is the only package that knows of environment variables; cmd hands them
// in. app cuts the tree up and passes each part its own settings.
package config

import (
	"encoding"
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"drawbridge/internal/config/tree"
	"drawbridge/internal/secret"
)

// Config is everything a user may set. Zero configuration works: each field has
// a default or may be left out.
type Config struct {
	// Listen is the address to serve on. The default can only be reached from this
	// machine; 0.0.0.0:4444 (what the compose file sets) opens it to the network.
	Listen string `json:"listen" env:"DRAWBRIDGE_LISTEN" default:"127.0.0.1:4444"`

	// StateDir is the folder for the database and other state. Left out, it is
	// $STATE_DIRECTORY (set by systemd), else $XDG_STATE_HOME/drawbridge, else
	// ~/.local/state/drawbridge.
	StateDir string `json:"state_dir" env:"DRAWBRIDGE_STATE_DIR"`

	// IssuerURL is the address under which clients reach Drawbridge, such as
	// https://mcp.example.com, without a path. OAuth needs it; left out, the
	// listening address stands in and only clients on this machine can sign in.
	IssuerURL string `json:"issuer_url" env:"OAUTH_ISSUER_URL"`

	// OAuth holds the settings of signing in.
	OAuth OAuth `json:"oauth"`

	// StaticKey is an admin key that is not kept in the database. It must have at
	// least 32 characters; drawbridge key create makes revocable keys instead.
	StaticKey secret.String `json:"static_key" env:"GATEWAY_STATIC_API_KEY"`

	// Store is the database: a postgres:// URL, or sqlite:PATH. Left out, it is
	// SQLite in the state directory.
	Store secret.String `json:"store" env:"DATABASE_URL"`

	// AllowedHosts are host names under which Drawbridge may be addressed, beyond
	// loopback, this machine's own names and addresses, and the issuer's host.
	AllowedHosts []string `json:"allowed_hosts" env:"DRAWBRIDGE_ALLOWED_HOSTS"`

	// AllowedOrigins are web origins whose pages may call Drawbridge from a
	// browser, such as https://chat.example.com.
	AllowedOrigins []string `json:"allowed_origins" env:"DRAWBRIDGE_ALLOWED_ORIGINS"`

	// TrustedProxies are addresses or networks of reverse proxies whose
	// X-Forwarded-For and X-Forwarded-Proto are believed, such as 172.16.0.0/12.
	// Without it, limits count all who come through a proxy as one.
	TrustedProxies []netip.Prefix `json:"trusted_proxies" env:"DRAWBRIDGE_TRUSTED_PROXIES"`

	// LegacyTasks offers the experimental tasks of revision 2025-11-25 to clients of
	// that revision, where a backend has them. Without it the gateway itself waits for
	// the result of a tool that only runs as a task.
	LegacyTasks bool `json:"legacy_tasks" env:"DRAWBRIDGE_LEGACY_TASKS" default:"false"`

	// Egress says what may be fetched from URLs that came from outside.
	Egress Egress `json:"egress"`

	// Limits bound what callers and backends may use.
	Limits Limits `json:"limits"`

	// Log says what is logged and how.
	Log Log `json:"log"`

	// Admin holds the settings of administration.
	Admin Admin `json:"admin"`

	// Audit holds the settings of the audit log.
	Audit Audit `json:"audit"`

	// Backends are the MCP servers behind the door, by name. mcpServers is another
	// word for the same block.
	Backends []Backend `json:"-"`

	// Servers are the settings of the built-in servers, by name. Every built-in
	// server has an entry here after Load.
	Servers map[string]BuiltIn `json:"-"`

	alone   bool // without the backends of the store
	file    string
	files   []tree.Read
	entries []tree.Entry
}

// OAuth holds the settings of signing in.
type OAuth struct {
	// Password is the password of the user admin, of 12 characters or more. While it
	// is set here, it is applied at every start; left out, the first start makes one
	// and shows it once.
	Password secret.String `json:"password" env:"OAUTH_PASSWORD"`

	// AccessTokenTTL is how long an access token lives. A bare number is seconds.
	AccessTokenTTL time.Duration `json:"access_token_ttl" env:"OAUTH_ACCESS_TOKEN_TTL" default:"3600"`

	// RefreshTokenTTL is how long a refresh token lives after its last use, at most
	// 180 days after consent.
	RefreshTokenTTL time.Duration `json:"refresh_token_ttl" env:"OAUTH_REFRESH_TOKEN_TTL" default:"2592000"`

	// AllowHTTPIssuer lets an issuer_url be plain http although it is not on this
	// machine: passwords and tokens then cross the network readably.
	AllowHTTPIssuer bool `json:"allow_http_issuer" env:"OAUTH_ALLOW_HTTP_ISSUER" default:"false"`

	// HTTPRedirectHosts are hosts to which clients may have their users sent back by
	// plain http, such as an Open WebUI in the LAN.
	HTTPRedirectHosts []string `json:"http_redirect_hosts" env:"OAUTH_ALLOW_HTTP_REDIRECT_HOSTS"`

	// Registration lets clients register themselves (RFC 7591). claude.ai, Open WebUI
	// and others need it where they have no client document.
	Registration bool `json:"registration" env:"OAUTH_REGISTRATION" default:"true"`

	// ClientDocuments says whose client documents are read: any host's, only those of
	// known clients, only those of client_document_hosts, or none (off).
	ClientDocuments string `json:"client_documents" env:"OAUTH_CLIENT_DOCUMENTS" default:"any" enum:"any,known,allowlist,off"`

	// ClientDocumentHosts are the hosts that client_documents: allowlist allows.
	ClientDocumentHosts []string `json:"client_document_hosts" env:"OAUTH_CLIENT_DOCUMENT_HOSTS"`
}

// Egress says what may be fetched from URLs that came from outside, such as the
// documents and keys of OAuth clients. Backends are not meant: an operator names
// them.
type Egress struct {
	// Allow are hosts, addresses and networks beyond the public internet that may be
	// fetched from, each with or without a port, such as apps.lan:8443 or 10.0.0.0/24.
	Allow []string `json:"allow" env:"DRAWBRIDGE_EGRESS_ALLOW"`
}

// DocumentsOff is the value of OAuth.ClientDocuments with which none are read. The
// others are those of clientdoc.Trust.
const DocumentsOff = "off"

// ExposurePublic is the value of Admin.Exposure that lets Funnel reach the admin
// pages.
const ExposurePublic = "public"

// Limits bound what callers and backends may use. Sizes take units: 8MiB.
type Limits struct {
	// RequestBody is the largest request a client may send. Larger ones get 413.
	RequestBody Bytes `json:"request_body" env:"DRAWBRIDGE_LIMITS_REQUEST_BODY" default:"8MiB"`

	// AnswerEvent is the largest single message taken from a backend.
	AnswerEvent Bytes `json:"answer_event" env:"DRAWBRIDGE_LIMITS_ANSWER_EVENT" default:"64MiB"`

	// Sessions is how many client sessions may be open at once.
	Sessions int `json:"sessions" env:"DRAWBRIDGE_LIMITS_SESSIONS" default:"10000"`

	// RingBytes is how much of each stream is kept for a client that comes back
	// with Last-Event-ID; of a session's finished calls together, four times as much.
	RingBytes Bytes `json:"ring_bytes" env:"DRAWBRIDGE_LIMITS_RING_BYTES" default:"1MiB"`

	// Concurrency is how many calls may run at once, of everybody together.
	Concurrency int `json:"concurrency" env:"DRAWBRIDGE_LIMITS_CONCURRENCY" default:"500"`

	// UserConcurrency is how many calls of one user may run at once.
	UserConcurrency int `json:"user_concurrency" env:"DRAWBRIDGE_LIMITS_USER_CONCURRENCY" default:"250"`

	// ParkTTL is how long a person may take to answer a question that a call asks, and
	// how long a call is kept open for it.
	ParkTTL time.Duration `json:"park_ttl" env:"DRAWBRIDGE_LIMITS_PARK_TTL" default:"10m"`

	// Parked is how many calls may wait for a person's answer while their client does
	// something else, of everybody together.
	Parked int `json:"parked" env:"DRAWBRIDGE_LIMITS_PARKED" default:"2000"`

	// ParkedPerUser is how many calls of one user may wait so.
	ParkedPerUser int `json:"parked_per_user" env:"DRAWBRIDGE_LIMITS_PARKED_PER_USER" default:"100"`

	// ClientRate is how many requests a second one signed-in client may send, twice
	// as many for a moment. API keys have no such limit.
	ClientRate int `json:"client_rate" env:"DRAWBRIDGE_LIMITS_CLIENT_RATE" default:"60"`

	// CallTimeout is how long a call may take, the time not counted for which a
	// person is asked. claude.ai gives up after 300 seconds.
	CallTimeout time.Duration `json:"call_timeout" env:"DRAWBRIDGE_LIMITS_CALL_TIMEOUT" default:"120s"`
}

// Log says what is logged and how.
type Log struct {
	// Level is the least severity that is logged.
	Level string `json:"level" env:"DRAWBRIDGE_LOG_LEVEL" default:"info" enum:"debug,info,warn,error"`

	// Format is how a line looks: json, text, or auto for text on a terminal and
	// json elsewhere.
	Format string `json:"format" env:"DRAWBRIDGE_LOG_FORMAT" default:"auto" enum:"auto,text,json"`
}

// Admin holds the settings of administration.
type Admin struct {
	// AllowCommands lets admins add backends that run a command through the admin
	// pages and API. Off, such backends come from the file or this machine only.
	AllowCommands bool `json:"allow_commands" env:"DRAWBRIDGE_ADMIN_ALLOW_COMMANDS" default:"false"`

	// Exposure says who may reach the admin pages and API: private, everybody but
	// those who come through Tailscale Funnel; or public. Signing in is needed either
	// way.
	Exposure string `json:"exposure" env:"DRAWBRIDGE_ADMIN_EXPOSURE" default:"private" enum:"private,public"`
}

// Audit holds the settings of the audit log.
type Audit struct {
	// Retention is how long rows are kept.
	Retention time.Duration `json:"retention" env:"DRAWBRIDGE_AUDIT_RETENTION" default:"2160h"`
}

// File is the configuration file that was read, or "".
func (c *Config) File() string { return c.file }

// Files are all files whose content is part of the configuration: .env, be it
// there or not, the file itself, and the files that hold secrets.
func (c *Config) Files() []string {
	var paths []string
	for _, f := range c.files {
		paths = append(paths, f.Path)
	}
	return paths
}

// Only is this configuration with one built-in server, under its original names,
// and no other backend.
func (c *Config) Only(server string) *Config {
	alone := *c
	alone.Backends, alone.alone = nil, true
	alone.Servers = map[string]BuiltIn{}
	on, off, none := true, false, ""
	for name, s := range c.Servers {
		s.Replaced, s.Enabled = false, &off
		if name == server {
			s.Enabled, s.Prefix = &on, &none
		}
		alone.Servers[name] = s
	}
	return &alone
}

// NeedsRestart names the settings in which next differs and that a running
// server does not take up.
func (c *Config) NeedsRestart(next *Config) []string {
	var names []string
	was, is := reflect.ValueOf(*c), reflect.ValueOf(*next)
	tree.Fields(was.Type(), func(i int, key string, _ reflect.StructField) {
		if !reflect.DeepEqual(was.Field(i).Interface(), is.Field(i).Interface()) {
			names = append(names, key)
		}
	})
	return names
}

// What Load reports, and where values stand.
type (
	Fault  = tree.Fault
	Notice = tree.Notice
	Place  = tree.Place
	Layer  = tree.Layer
)

// The layers, weakest first.
const (
	LayerDefault = tree.LayerDefault
	LayerFile    = tree.LayerFile
	LayerEnv     = tree.LayerEnv // the environment or .env
	LayerFlag    = tree.LayerFlag
	LayerStore   = tree.LayerStore
)

// Bytes is a size in bytes, written as a number with or without a unit (KiB, MiB,
// GiB; KB, MB and GB are read as the same).
type Bytes int64

var _ encoding.TextUnmarshaler = (*Bytes)(nil)

var sizeText = regexp.MustCompile(`^([0-9]{1,12}) ?(?i:([KMGT]?)i?B?)$`)

// UnmarshalText reads 8388608, 8MiB or 8 MB. Both kinds of unit count in 1024s.
func (b *Bytes) UnmarshalText(text []byte) error {
	m := sizeText.FindStringSubmatch(string(text))
	if m == nil {
		return fmt.Errorf("is not a size; write for example 8MiB")
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		return fmt.Errorf("is not a size; write for example 8MiB")
	}
	shift := 10 * (strings.Index("KMGT", strings.ToUpper(m[2])) + 1)
	if m[2] == "" {
		shift = 0
	}
	if n > math.MaxInt64>>shift {
		return fmt.Errorf("is more than any machine has; write for example 8MiB")
	}
	*b = Bytes(n << shift)
	return nil
}

package archtest

// Rule gives the packages under a path their place in the house. The first rule
// that matches a package counts; a package that none matches is a finding, so a
// new folder starts with a decision about where it stands.
type Rule struct {
	Path  string // folder from the module's root; a last element * stands for any one element
	Layer int    // an import may only point to a lower layer
	// Peers are the packages of the same layer that may be imported all the same.
	Peers []string
	// Only, where set, are the only packages of this module that may be imported,
	// beside those in folders below the package's own.
	Only []string
	// Why is the reason for Peers and Only, told when they are broken.
	Why string
}

// TestLayer is the layer of packages that only tests import. They may import
// anything, and nothing but tests may import them.
const TestLayer = 9

// Rules are the layers of Drawbridge, lowest first.
var Rules = []Rule{
	// A name that ends in test says so.
	{Path: "internal/*test", Layer: TestLayer},
	{Path: "internal/*/*test", Layer: TestLayer},
	{Path: "internal/*/*/*test", Layer: TestLayer},
	{Path: "internal/servers/*/fake", Layer: TestLayer},
	{Path: "internal/servers/*/fake/*", Layer: TestLayer},
	{Path: "test/*", Layer: TestLayer},

	{Path: "internal/fault", Layer: 0},
	{Path: "internal/life", Layer: 0},
	{Path: "internal/servers/kit/pattern", Layer: 0},

	{Path: "internal/secret", Layer: 1},
	{Path: "internal/account", Layer: 1},
	{Path: "internal/route", Layer: 1},
	{Path: "internal/jsonscan", Layer: 1},
	{Path: "internal/eventstream", Layer: 1},
	{Path: "internal/tables", Layer: 1},
	{Path: "internal/mcpwire", Layer: 1, Peers: []string{"internal/jsonscan"},
		Why: "mcpwire was split: the scanner is a small sibling below it"},
	{Path: "internal/mcpheader", Layer: 1, Peers: []string{"internal/jsonscan", "internal/mcpwire"},
		Why: "mcpwire was split: headers are a small sibling above it"},
	{Path: "internal/schemafit", Layer: 1},
	{Path: "internal/oauth", Layer: 1, Peers: []string{"internal/account"},
		Why: "a consent is about an account's rights"},
	{Path: "internal/limit", Layer: 1},
	{Path: "internal/socket", Layer: 1},
	{Path: "internal/web", Layer: 1, Peers: []string{"internal/route"}, Why: "static files are routes"},

	{Path: "internal/store", Layer: 2},
	{Path: "internal/egress", Layer: 2},
	{Path: "internal/telemetry", Layer: 2},
	{Path: "internal/audit", Layer: 2},
	{Path: "internal/jobs", Layer: 2},
	{Path: "internal/notify", Layer: 2},
	{Path: "internal/files", Layer: 2},

	{Path: "internal/backend/remote/rawhttp", Layer: 2},
	{Path: "internal/backend/remote/answer", Layer: 2},
	{Path: "internal/backend/watching", Layer: 2},
	{Path: "internal/backend/pace", Layer: 2},
	{Path: "internal/backend/talk", Layer: 2},
	{Path: "internal/endpoint/session/*", Layer: 2},

	{Path: "internal/servers/kit/*", Layer: 2, Peers: []string{"internal/servers/kit/*"},
		Why: "the kit was split: its parts are small siblings"},

	{Path: "internal/auth", Layer: 3},
	{Path: "internal/oauth/*", Layer: 3},
	{Path: "internal/upstream", Layer: 3},
	{Path: "internal/approve", Layer: 3},
	{Path: "internal/backend", Layer: 3},
	{Path: "internal/backend/remote/line", Layer: 3, Peers: []string{"internal/backend"},
		Why: "one HTTP exchange with a backend, below what each era makes of it"},
	{Path: "internal/backend/remote/*", Layer: 3, Peers: []string{"internal/backend", "internal/backend/remote/line"},
		Why: "the eras are apart and share one kind of exchange"},
	{Path: "internal/backend/remote", Layer: 3, Peers: []string{"internal/backend", "internal/backend/remote/*"},
		Why: "remote finds out the era and hands over to its package"},
	{Path: "internal/backend/*", Layer: 3, Peers: []string{"internal/backend"},
		Why: "a way to reach backends implements backend.Dialer and knows no other way"},
	{Path: "internal/servers/kit", Layer: 3},
	{Path: "internal/servers/ssh/command", Layer: 1, Only: serverImports, Why: serverReason},
	{Path: "internal/servers/ssh/output", Layer: 2, Only: serverImports, Why: serverReason},
	{Path: "internal/servers/ssh/hosts", Layer: 2, Only: append([]string{"internal/servers/ssh/command"}, serverImports...), Why: serverReason},
	{Path: "internal/servers/ssh/link", Layer: 3, Only: append([]string{"internal/servers/ssh/hosts"}, serverImports...), Why: serverReason},
	{Path: "internal/servers/ssh/remote", Layer: 3, Peers: []string{"internal/servers/ssh/link"},
		Only: append([]string{"internal/servers/ssh/command", "internal/servers/ssh/link", "internal/servers/ssh/output"}, serverImports...),
		Why:  "the ssh server was split: connections are below what is done on them"},
	{Path: "internal/servers/ssh/jobs", Layer: 3, Peers: []string{"internal/servers/ssh/remote"}, Only: append([]string{"internal/servers/ssh/remote"}, serverImports...),
		Why: "the ssh server was split: its table of jobs says where on a host they are"},
	{Path: "internal/servers/ssh/access", Layer: 3, Peers: []string{"internal/servers/kit", "internal/servers/ssh/link", "internal/servers/ssh/remote"},
		Only: append([]string{"internal/servers/ssh/command", "internal/servers/ssh/hosts", "internal/servers/ssh/link", "internal/servers/ssh/remote"}, serverImports...),
		Why:  "the ssh server was split: the way from a call to a host is below its tools"},
	{Path: "internal/servers/ssh/*", Layer: 3, Only: serverImports, Why: serverReason},
	{Path: "internal/servers/puppeteer/*", Layer: 3, Peers: []string{"internal/servers/kit", "internal/servers/puppeteer/*"},
		Only: append([]string{"internal/servers/puppeteer/*"}, serverImports...), Why: serverReason},
	{Path: "internal/servers/forgejo/*", Layer: 3, Peers: []string{"internal/servers/kit", "internal/servers/forgejo/*"},
		Only: append([]string{"internal/servers/forgejo/*"}, serverImports...), Why: serverReason},
	{Path: "internal/servers/homeassistant/*", Layer: 3, Peers: []string{"internal/servers/kit", "internal/servers/homeassistant/*"},
		Only: append([]string{"internal/servers/homeassistant/*"}, serverImports...), Why: serverReason},
	{Path: "internal/servers/truenas/*", Layer: 3, Peers: []string{"internal/servers/kit", "internal/servers/truenas/*"},
		Only: append([]string{"internal/servers/truenas/*"}, serverImports...), Why: serverReason},
	{Path: "internal/servers/erpnext/*", Layer: 3, Peers: []string{"internal/servers/kit", "internal/servers/erpnext/*"},
		Only: append([]string{"internal/servers/erpnext/*"}, serverImports...), Why: serverReason},
	{Path: "internal/servers/*/*", Layer: 3, Peers: []string{"internal/servers/kit"}, Only: serverImports, Why: serverReason},
	{Path: "internal/endpoint/session", Layer: 3},

	{Path: "internal/gateway", Layer: 4, Peers: []string{"internal/gateway/*"},
		Why: "the gateway uses its own parts"},
	{Path: "internal/gateway/catalogue", Layer: 4, Peers: []string{"internal/gateway/task"},
		Why: "which tools run as tasks is part of what is offered"},
	{Path: "internal/gateway/*", Layer: 4},
	{Path: "internal/servers/*", Layer: 4, Only: serverImports, Why: serverReason},

	{Path: "internal/endpoint/*", Layer: 5},
	{Path: "internal/admin/desk", Layer: 4},
	{Path: "internal/admin", Layer: 5},
	{Path: "internal/admin/*", Layer: 5},
	{Path: "internal/status", Layer: 5},
	{Path: "internal/doctor", Layer: 5},
	{Path: "internal/httpd", Layer: 5},

	{Path: "internal/config/*", Layer: 5},

	{Path: "internal/servers", Layer: 6},
	{Path: "internal/config", Layer: 6},

	{Path: "internal/app", Layer: 7},

	{Path: "cmd/*/shell", Layer: 8},
	{Path: "cmd/*/*", Layer: 8, Peers: []string{"cmd/drawbridge/shell"},
		Why: "families of commands share the shell and nothing else"},
	{Path: "cmd/*", Layer: 8, Peers: []string{"cmd/drawbridge/*"},
		Why: "main joins its families of commands"},
}

var serverImports = []string{"internal/servers/kit", "internal/servers/kit/pattern", "internal/fault", "internal/secret", "internal/egress", "internal/tables"}

const serverReason = "a built-in server names what it needs and gets it in kit.Deps, so that it also runs alone"

// Ban forbids an import in some packages, whatever their layer.
type Ban struct {
	In     []string // paths as in Rule; empty: everywhere
	Except []string // paths to which it does not apply
	Import string   // import path, and everything below it; a module-relative path starts with internal/
	Why    string
}

// Bans are the imports that are forbidden for a reason of their own.
var Bans = []Ban{
	{Import: "net/http", In: pure, Why: "the heart of the gateway knows no transport: endpoints and backends do"},
	{Import: "database/sql", In: pure, Why: "the heart of the gateway knows no database: it declares what it needs and the store implements it"},
	{Import: "internal/config", Except: []string{"internal/config", "internal/app", "cmd/*", "cmd/*/*"},
		Why: "configuration is cut up by app and passed whole to nobody: give the package a Config of its own"},
	{Import: "github.com/modelcontextprotocol/go-sdk", Why: "the official SDK is a test peer; in the path of a call it costs nine times nginx and loses unknown fields"},
	{Import: "github.com/google/go-cmp", Why: "for tests: it panics on what it does not know"},
	{Import: "github.com/rogpeppe/go-internal", Why: "for tests"},
	{Import: "github.com/tiktoken-go/tokenizer", Why: "for tests: it carries megabytes of vocabulary"},
	{Import: "testing", Why: "for tests: it would bring its flags into the program"},
	{Import: "modernc.org/sqlite", Except: []string{"internal/store"}, Why: "only the store knows which database it is"},
	{Import: "github.com/jackc/pgx", Except: []string{"internal/store"}, Why: "only the store knows which database it is"},
	{Import: "github.com/pressly/goose", Except: []string{"internal/store"}, Why: "only the store changes its schema"},
	{Import: "C", Why: "the binary is static and builds without a C compiler"},
}

var pure = []string{
	"internal/gateway", "internal/gateway/*", "internal/account", "internal/mcpwire", "internal/mcpheader", "internal/jsonscan", "internal/eventstream",
}

// siblings are families whose members never import each other.
var siblings = []struct {
	dir    string
	except []string // members that are shared by the family
	why    string
}{
	{"internal/servers", []string{"kit", "kittest"}, "built-in servers are apart: what two of them need belongs into the kit"},
	{"internal/oauth", nil, "endpoints of the authorization server meet only in app"},
	{"internal/endpoint", []string{"session"}, "endpoints are apart: what two of them need belongs into endpoint/session"},
	{"internal/backend", []string{"talk"}, "ways to reach a backend are apart: what two of them need belongs into backend or backend/talk"},
}

// environmentReaders may read the process's environment; everything else gets
// its settings handed in.
var environmentReaders = []string{"internal/config", "cmd/*"}

// Limits on what a reader has to hold in mind.
const (
	maxFunction = 100
	maxFile     = 600
	maxPackage  = 2000
)

// Exempt are the places that may be longer, with the reason. A key is a folder,
// a file, or file and function.
var Exempt = map[string]string{
	"internal/store": "one schema, one file per noun: splitting it would only spread the schema",
}

// Allowed are the modules that go.mod may require directly, each with what it
// is for. A new one is a decision: say here why writing it ourselves, or doing
// without, is worse.
var Allowed = map[string]string{
	"github.com/chromedp/chromedp":           "tests: a real Chromium goes through signing in",
	"github.com/coder/websocket":             "WebSockets to Home Assistant and TrueNAS, whose APIs speak nothing else",
	"github.com/go-jose/go-jose/v4":          "assertions that OAuth clients sign, verified",
	"github.com/fsnotify/fsnotify":           "a changed configuration file is seen without polling",
	"github.com/google/go-cmp":               "tests: readable differences",
	"github.com/google/jsonschema-go":        "tool schemas from Go types, and arguments checked against them",
	"github.com/jackc/pgx/v5":                "PostgreSQL",
	"github.com/modelcontextprotocol/go-sdk": "tests: the official SDK as peer and reference; never in the program",
	"github.com/pressly/goose/v3":            "migrations on both engines",
	"github.com/pkg/sftp":                    "files over SSH",
	"github.com/rogpeppe/go-internal":        "tests: txtar scripts against the binary",
	"github.com/skeema/knownhosts":           "known_hosts files with all their forms",
	"github.com/tiktoken-go/tokenizer":       "tests: what tool definitions cost a model",
	"github.com/tailscale/hujson":            "JSON with comments, as people write their client configurations",
	"github.com/yosida95/uritemplate/v3":     "RFC 6570 matching: which backend a resource URI belongs to",
	"github.com/urfave/cli/v3":               "commands, flags, help and completion, without further dependencies",
	"go.yaml.in/yaml/v4":                     "the configuration file",
	"golang.org/x/crypto":                    "HKDF and password hashing",
	"golang.org/x/sys":                       "asks the processor what it can do",
	"golang.org/x/text":                      "NFKC, so that a user has one name",
	"golang.org/x/time":                      "token buckets",
	"golang.org/x/term":                      "is a person watching, and reading a password without echo",
	"modernc.org/sqlite":                     "SQLite without a C compiler",
	"mvdan.cc/sh/v3":                         "shell commands are parsed before they are judged",
}

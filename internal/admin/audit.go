package admin

import (
	"bufio"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/admin/desk"
	"drawbridge/internal/audit"
	"drawbridge/internal/fault"
)

// auditLine is audit.Line with descriptions.
type auditLine struct {
	Time       string           `json:"time" jsonschema:"RFC 3339 in UTC, with six decimals."`
	User       string           `json:"user"`
	Credential string           `json:"credential" jsonschema:"Id of the key, grant or browser session."`
	Client     string           `json:"client"`
	Backend    string           `json:"backend"`
	Method     string           `json:"method" jsonschema:"Such as tools/call, account/sign-in, admin/key.create."`
	Target     string           `json:"target" jsonschema:"Tool, prompt, resource, or what an admin changed."`
	Decision   account.Decision `json:"decision" enum:"allowed,denied"`
	Outcome    account.Outcome  `json:"outcome" enum:"pending,ok,tool_error,error,cancelled,input_required,lost"`
	DurationUS int64            `json:"duration_us"`
	SizeIn     int64            `json:"size_in" jsonschema:"Bytes."`
	SizeOut    int64            `json:"size_out" jsonschema:"Bytes."`
	Digest     string           `json:"digest,omitempty" jsonschema:"Keyed hash of the arguments."`
	Intent     int64            `json:"intent,omitempty" jsonschema:"The seq of the row, in the same chain, that announced this call."`
	Lost       int64            `json:"lost,omitempty" jsonschema:"How many rows were dropped before this one."`
	Chain      string           `json:"chain"`
	Seq        int64            `json:"seq"`
	Hash       string           `json:"hash"`
}

type auditFilter struct {
	Since    string `json:"since,omitempty" jsonschema:"RFC 3339; from this moment on."`
	Until    string `json:"until,omitempty" jsonschema:"RFC 3339; before this moment."`
	User     string `json:"user,omitempty"`
	Client   string `json:"client,omitempty"`
	Backend  string `json:"backend,omitempty"`
	Method   string `json:"method,omitempty"`
	Target   string `json:"target,omitempty"`
	Decision string `json:"decision,omitempty" enum:"allowed,denied"`
	Outcome  string `json:"outcome,omitempty" enum:"pending,ok,tool_error,error,cancelled,input_required,lost"`
	Limit    string `json:"limit,omitempty" pattern:"^[0-9]{1,9}$" jsonschema:"At most so many rows. Absent: 100, or all of them with format=ndjson. Without that never more than 1000."`
	Format   string `json:"format,omitempty" enum:"json,ndjson" jsonschema:"ndjson: one row per line, oldest first, without a bound. json: the newest first."`
}

type auditPage struct {
	Records []auditLine `json:"records"`
}

const (
	defaultRows = 100
	// flushRows are written before a reader has to have taken them, within stall: an
	// export reads from one view of the store, which must not stay open for ever.
	flushRows = 500
	stall     = 30 * time.Second
)

func (a *API) auditOperation() operation {
	o := operation{method: http.MethodGet, path: "/audit", name: "listAudit", status: http.StatusOK,
		summary: "Rows of the audit log: who did what. The newest first, or all as NDJSON with format=ndjson.",
		in:      reflect.TypeFor[auditFilter](), out: reflect.TypeFor[auditPage](), lines: true}
	o.input = mustShape(o.in)
	o.serve = func(w http.ResponseWriter, r *http.Request) error {
		if err := desk.Admin(r.Context()); err != nil {
			return err
		}
		raw, err := query(r, o)
		if err != nil {
			return err
		}
		var in auditFilter
		if err := decode(o.input, raw, &in); err != nil {
			return err
		}
		f, err := in.filter()
		if err != nil {
			return err
		}
		if in.Format == "ndjson" {
			return a.exportAudit(w, r, f)
		}
		page := auditPage{Records: []auditLine{}}
		err = a.audit.AuditRecords(r.Context(), f, func(row account.ChainedRecord) error {
			page.Records = append(page.Records, auditLine(audit.LineOf(row)))
			return nil
		})
		if err != nil {
			return err
		}
		write(w, http.StatusOK, page)
		return nil
	}
	return o
}

// filter reads the parameters.
func (in auditFilter) filter() (f account.AuditFilter, err error) {
	f = account.AuditFilter{User: in.User, Client: in.Client, Backend: in.Backend, Method: in.Method, Target: in.Target,
		Decision: account.Decision(in.Decision), Outcome: account.Outcome(in.Outcome)}
	if f.Since, err = at("since", in.Since); err != nil {
		return f, err
	}
	if f.Until, err = at("until", in.Until); err != nil {
		return f, err
	}
	f.Limit, _ = strconv.Atoi(in.Limit) // the pattern leaves digits, or nothing
	if in.Format != "ndjson" {
		f.NewestFirst = true
		if f.Limit == 0 {
			f.Limit = defaultRows
		}
		f.Limit = min(f.Limit, maxList)
	}
	if err := f.Check(); err != nil {
		return f, fault.New(fault.Invalid, "The filter cannot be used: %v.", err)
	}
	return f, nil
}

// at reads a moment; "" is none.
func at(what, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fault.New(fault.Invalid, "The %s cannot be read. Write it like 2027-01-31T00:00:00Z.", what)
	}
	return t, nil
}

// exportAudit streams rows. Once the first is out, what goes wrong cuts the answer
// off, so that a part is not taken for the whole.
func (a *API) exportAudit(w http.ResponseWriter, r *http.Request, f account.AuditFilter) error {
	out := bufio.NewWriter(w)
	lines := json.NewEncoder(out)
	control := http.NewResponseController(w)
	begun, rows := false, 0
	begin := func() {
		h := w.Header()
		h.Set("Content-Type", "application/x-ndjson")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Disposition", `attachment; filename="audit.ndjson"`)
		w.WriteHeader(http.StatusOK)
		begun = true
	}
	err := a.audit.AuditRecords(r.Context(), f, func(row account.ChainedRecord) error {
		if !begun {
			begin()
		}
		if rows%flushRows == 0 {
			if err := control.SetWriteDeadline(time.Now().Add(stall)); err != nil && !errors.Is(err, http.ErrNotSupported) {
				return err
			}
		}
		rows++
		return lines.Encode(audit.LineOf(row))
	})
	switch {
	case err == nil && !begun:
		begin()
	case err != nil && !begun:
		return err
	case err != nil:
		a.log.Error("audit export cut off", "rows", rows, "error", err)
		panic(http.ErrAbortHandler)
	}
	_ = out.Flush()                           // the client is gone if this fails
	_ = control.SetWriteDeadline(time.Time{}) // a connection without deadlines has none to lift
	return nil
}

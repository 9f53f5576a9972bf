package accounts

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/urfave/cli/v3"

	"drawbridge/cmd/drawbridge/shell"
	"drawbridge/internal/account"
	"drawbridge/internal/audit"
	"drawbridge/internal/fault"
)

func (cs *commands) audit() *cli.Command {
	return &cli.Command{
		Name: "audit", Usage: "who did what", Action: shell.Group,
		Commands: []*cli.Command{
			{
				Name: "list", Usage: "rows of the audit log, the newest last", Action: cs.auditList,
				Description: "A running gateway writes its rows within a second.",
				Flags:       shell.SettingFlags(auditFlags(100)...),
			},
			{
				Name: "export", Usage: "rows of the audit log as JSON, one object per line, in the order they were written", Action: cs.auditExport,
				Description: "time (UTC), user, credential (id of the key, grant or session), client, backend, method\n" +
					"(tools/call, account/sign-in, admin/key.create, ...), target, decision (allowed, denied),\n" +
					"outcome (pending, ok, tool_error, error, cancelled, input_required, lost), duration_us,\n" +
					"size_in and size_out in bytes, digest (keyed hash of the arguments), intent (seq of the\n" +
					"row that announced this call), lost (rows dropped before this one), chain, seq, hash.",
				Flags: shell.SettingFlags(auditFlags(0)...),
			},
			{
				Name: "verify", Usage: "look whether a row was altered, removed or moved since it was written", Action: cs.auditVerify,
				Flags: shell.SettingFlags(),
			},
		},
	}
}

// auditFlags are the filter of account.AuditFilter.
func auditFlags(limit int) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "since", Usage: "`TIME` from which on: 2026-11-01, 2026-11-01T12:00:00Z, or 24h for a day ago"},
		&cli.StringFlag{Name: "until", Usage: "`TIME` before which"},
		&cli.StringFlag{Name: "user", Usage: "`ID` of the user"},
		&cli.StringFlag{Name: "client", Usage: "`ID` or name of the client"},
		&cli.StringFlag{Name: "backend", Usage: "`NAME` of the backend"},
		&cli.StringFlag{Name: "method", Usage: "`METHOD`, such as tools/call or account/sign-in"},
		&cli.StringFlag{Name: "tool", Usage: "`NAME` of the tool as its backend calls it, or of whatever else was acted on"},
		&cli.StringFlag{Name: "decision", Usage: "allowed or denied"},
		&cli.StringFlag{Name: "outcome", Usage: "ok, tool_error, error, cancelled, input_required, pending or lost"},
		&cli.IntFlag{Name: "limit", Usage: "at most so many, the newest; 0 for all", Value: limit},
	}
}

// auditFilter is the filter that the flags describe.
func auditFilter(cmd *cli.Command) (f account.AuditFilter, err error) {
	if _, err := shell.Args(cmd); err != nil {
		return f, err
	}
	f = account.AuditFilter{
		User: cmd.String("user"), Client: cmd.String("client"), Backend: cmd.String("backend"), Method: cmd.String("method"),
		Target: cmd.String("tool"), Decision: account.Decision(cmd.String("decision")), Outcome: account.Outcome(cmd.String("outcome")),
		Limit: cmd.Int("limit"),
	}
	for flag, at := range map[string]*time.Time{"since": &f.Since, "until": &f.Until} {
		if *at, err = when(cmd.String(flag), time.Now()); err != nil {
			return f, shell.Usagef(cmd, "--%s %v", flag, err)
		}
	}
	if err := f.Check(); err != nil {
		return f, shell.Usagef(cmd, "%v", err)
	}
	return f, nil
}

// when reads a moment as people write it: local time, or how long ago.
func when(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", time.DateTime, "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if at, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return at, nil
		}
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	return time.Time{}, fmt.Errorf("%q is no time: write 2026-11-01, 2026-11-01T12:00:00Z, or 24h for a day ago", text)
}

func (cs *commands) auditList(ctx context.Context, cmd *cli.Command) error {
	rows, err := cs.auditRows(ctx, cmd)
	if err != nil {
		return err
	}
	text := [][]string{{"TIME", "USER", "CREDENTIAL", "CLIENT", "BACKEND", "METHOD", "TARGET", "DECISION", "OUTCOME", "TOOK"}}
	for _, r := range rows {
		if r.Outcome == account.Lost {
			r.Target = fmt.Sprintf("%d rows were lost before this one", r.Ref)
		}
		text = append(text, []string{r.Time.Local().Format(time.DateTime), or(r.User, "-"), or(r.Credential, "-"), or(r.Client, "-"), or(r.Backend, "-"),
			or(r.Method, "-"), or(r.Target, "-"), string(r.Decision), string(r.Outcome), r.Duration.Round(100 * time.Microsecond).String()})
	}
	shell.Table(cs.Out, text)
	return nil
}

// auditRows are the newest rows that the flags select, the newest last.
func (cs *commands) auditRows(ctx context.Context, cmd *cli.Command) (rows []account.ChainedRecord, err error) {
	f, err := auditFilter(cmd)
	if err != nil {
		return nil, err
	}
	_, s, err := cs.OpenStore(ctx, cmd)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	f.NewestFirst = true
	err = s.AuditRecords(ctx, f, func(r account.ChainedRecord) error {
		rows = append(rows, r)
		return nil
	})
	slices.Reverse(rows)
	return rows, err
}

// auditExport holds no more than a limit asks for: the log may be larger than the
// memory.
func (cs *commands) auditExport(ctx context.Context, cmd *cli.Command) (err error) {
	f, err := auditFilter(cmd)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(cs.Out)
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	if f.Limit > 0 {
		rows, err := cs.auditRows(ctx, cmd)
		for _, r := range rows {
			err = errors.Join(err, lines.Encode(audit.LineOf(r)))
		}
		return errors.Join(err, out.Flush())
	}
	_, s, err := cs.OpenStore(ctx, cmd)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	err = s.AuditRecords(ctx, f, func(r account.ChainedRecord) error { return lines.Encode(audit.LineOf(r)) })
	return errors.Join(err, out.Flush())
}

func (cs *commands) auditVerify(ctx context.Context, cmd *cli.Command) (err error) {
	if _, err := shell.Args(cmd); err != nil {
		return err
	}
	_, s, err := cs.OpenStore(ctx, cmd)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	installation, err := s.InstallationSecret(ctx)
	if err != nil {
		return err
	}
	report, err := audit.Verify(ctx, s, installation)
	if err != nil {
		return err
	}
	return cs.verdict(report)
}

// verdict tells what a verification has found.
func (cs *commands) verdict(r audit.Report) error {
	for _, problem := range r.Problems {
		fmt.Fprintf(cs.Out, "chain %s, row %d: %s\n", shell.Clean(problem.Chain), problem.Seq, problem.What)
	}
	if r.Dropped > 0 {
		fmt.Fprintf(cs.Err, "note: %d rows were lost, because they came faster than they could be written\n", r.Dropped)
	}
	if r.Unanswered > 0 {
		fmt.Fprintf(cs.Err, "note: of %d destructive calls no end is recorded: they run now, or the gateway was stopped while they ran\n", r.Unanswered)
	}
	if len(r.Problems) > 0 {
		return fault.New(fault.Conflict, "The audit log is not what was written. Keep a copy of the database as it is, and find out who could write to it.")
	}
	return cs.Say("sound: %d rows in %d chains", r.Rows, r.Chains)
}

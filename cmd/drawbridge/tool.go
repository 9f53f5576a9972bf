package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/urfave/cli/v3"

	"drawbridge/cmd/drawbridge/shell"
	"drawbridge/internal/account"
	"drawbridge/internal/backend"
	"drawbridge/internal/backend/remote"
	"drawbridge/internal/config"
	"drawbridge/internal/fault"
	"drawbridge/internal/mcpwire"
	"drawbridge/internal/secret"
)

func (p *program) toolCommand() *cli.Command {
	flags := func(more ...cli.Flag) []cli.Flag {
		return shell.SettingFlags(append([]cli.Flag{
			&cli.StringFlag{Name: "url", Usage: "`URL` of a running gateway's /mcp", Sources: cli.EnvVars("DRAWBRIDGE_URL")},
			&cli.StringFlag{Name: "key", Usage: "`KEY` for it", Sources: cli.EnvVars("DRAWBRIDGE_KEY")},
			&cli.BoolFlag{Name: "json", Usage: "print the answer as JSON"},
		}, more...)...)
	}
	return &cli.Command{
		Name: "tool", Usage: "the tools as a client sees them", Action: shell.Group,
		Commands: []*cli.Command{
			{
				Name: "list", Usage: "all tools", Flags: flags(), Action: p.toolList,
				Description: "Asks the running gateway, with --key or DRAWBRIDGE_KEY. Without one running, the\nbackends are started for the time of the command.",
			},
			{
				Name: "call", Usage: "call a tool", ArgsUsage: "NAME [ARG=TEXT | ARG:=JSON | JSON]...", Flags: flags(), Action: p.toolCall,
				Description: "Arguments are texts (path=/tmp) or JSON (count:=3), or one JSON object.\nProgress is shown on a terminal. A tool that reports an error ends in exit code 1.",
			},
		},
	}
}

func (p *program) toolList(ctx context.Context, cmd *cli.Command) error {
	if _, err := shell.Args(cmd); err != nil {
		return err
	}
	return p.withGateway(ctx, cmd, func(ctx context.Context, c *client) error {
		tools, err := c.list(ctx)
		if err != nil {
			return err
		}
		if cmd.Bool("json") {
			return p.PrintJSON(tools)
		}
		rows := [][]string{}
		for _, raw := range tools {
			var t struct{ Name, Description string }
			if err := json.Unmarshal(raw, &t); err != nil {
				return fmt.Errorf("read tool: %w", err)
			}
			rows = append(rows, []string{t.Name, firstLine(t.Description)})
		}
		shell.Table(p.Out, rows)
		return nil
	})
}

// firstLine is the start of a description, for one row of a table.
func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	if r := []rune(line); len(r) > 100 {
		return string(r[:99]) + "…"
	}
	return line
}

func (p *program) toolCall(ctx context.Context, cmd *cli.Command) error {
	name := cmd.Args().First()
	if name == "" {
		return shell.Usagef(cmd, "the name of the tool is missing")
	}
	arguments, err := toolArguments(cmd, cmd.Args().Tail())
	if err != nil {
		return err
	}
	return p.withGateway(ctx, cmd, func(ctx context.Context, c *client) error {
		raw, err := c.call(ctx, name, arguments)
		if err != nil {
			return err
		}
		if cmd.Bool("json") {
			return p.PrintJSON(json.RawMessage(raw))
		}
		return p.printResult(raw)
	})
}

// toolArguments reads ARG=TEXT, ARG:=JSON and whole objects.
func toolArguments(cmd *cli.Command, given []string) ([]byte, error) {
	all := map[string]json.RawMessage{}
	for _, arg := range given {
		if strings.HasPrefix(arg, "{") {
			if err := json.Unmarshal([]byte(arg), &all); err != nil {
				return nil, shell.Usagef(cmd, "%s is not a JSON object", arg)
			}
			continue
		}
		name, value, ok := strings.Cut(arg, "=")
		if !ok || name == "" {
			return nil, shell.Usagef(cmd, "argument %q is neither ARG=TEXT, ARG:=JSON nor a JSON object", arg)
		}
		raw, isJSON := strings.CutSuffix(name, ":")
		if !isJSON {
			quoted, err := json.Marshal(value)
			if err != nil {
				return nil, fmt.Errorf("encode argument: %w", err)
			}
			all[name] = quoted
			continue
		}
		if !json.Valid([]byte(value)) {
			return nil, shell.Usagef(cmd, "the value of %s is not JSON; for a text write %s=TEXT", raw, raw)
		}
		all[raw] = json.RawMessage(value)
	}
	return json.Marshal(all)
}

// printResult prints the texts of a tool's result.
func (p *program) printResult(raw []byte) error {
	var result struct {
		IsError bool
		Content []struct{ Type, Text, URI, MimeType string }
	}
	if err := json.Unmarshal(raw, &result); err != nil {
		return fmt.Errorf("read result: %w", err)
	}
	for _, c := range result.Content {
		text := c.Text
		if c.Type != "text" {
			text = fmt.Sprintf("[%s %s%s; --json shows it]", c.Type, c.MimeType, c.URI)
		}
		if shell.IsTerminal(p.Out) {
			text = shell.Clean(text)
		}
		if _, err := fmt.Fprintln(p.Out, text); err != nil {
			return err
		}
	}
	if result.IsError {
		return errors.New("the tool reports an error; see its text above")
	}
	return nil
}

// withGateway finds a running gateway, or starts the backends in this process.
func (p *program) withGateway(ctx context.Context, cmd *cli.Command, use func(context.Context, *client) error) (err error) {
	ctx, cancel := interruptible(ctx)
	defer cancel()
	log, address, key := p.Quiet(), cmd.String("url"), secret.New(cmd.String("key"))
	if address == "" {
		c, err := p.Load(p.Source(cmd))
		if err != nil {
			return err
		}
		base := baseURL(c)
		if key.Empty() {
			key = c.StaticKey
		}
		if answers(ctx, base) != nil {
			return p.withOwn(ctx, log, c, use)
		}
		if address = base + "/mcp"; key.Empty() {
			return fault.New(fault.Unauthenticated, "A gateway runs at %s. Give a key with --key or DRAWBRIDGE_KEY; drawbridge key create --name cli makes one.", base)
		}
	}
	d, err := remote.New(log, remote.Config{Name: "gateway", URL: address, Bearer: key})
	if err != nil {
		return err
	}
	peer, err := d.Dial(ctx, backend.Hello{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, peer.Close(context.WithoutCancel(ctx))) }()
	return use(ctx, &client{handler: peer, say: p.progress()})
}

func (p *program) withOwn(ctx context.Context, log *slog.Logger, c *config.Config, use func(context.Context, *client) error) (err error) {
	a, stop, err := p.inProcess(ctx, log, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	a.Settle(ctx)
	return use(account.WithPrincipal(ctx, account.Local()), &client{handler: a.Gateway(), say: p.progress()})
}

// progress shows what a tool says while it runs, where a person looks on.
func (p *program) progress() func(mcpwire.Notification) {
	f, ok := p.Err.(*os.File)
	if !ok || !shell.IsTerminal(f) {
		return func(mcpwire.Notification) {}
	}
	return func(n mcpwire.Notification) { showProgress(f, n) }
}

func showProgress(w io.Writer, n mcpwire.Notification) {
	var params struct {
		Progress, Total float64
		Message         string
		Level           string
		Data            json.RawMessage
	}
	if json.Unmarshal(n.Params, &params) != nil {
		return // what is shown is a courtesy
	}
	switch n.Method {
	case mcpwire.MethodProgress:
		done := fmt.Sprintf("%g", params.Progress)
		if params.Total > 0 {
			done = fmt.Sprintf("%g of %g", params.Progress, params.Total)
		}
		fmt.Fprintf(w, "  %s %s\n", done, shell.Clean(params.Message))
	case mcpwire.MethodMessage:
		fmt.Fprintf(w, "  %s: %s\n", shell.Clean(params.Level), shell.Clean(string(params.Data)))
	}
}

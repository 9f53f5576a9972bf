package main

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"

	"github.com/urfave/cli/v3"

	"drawbridge/cmd/drawbridge/shell"
	"drawbridge/internal/mcpwire"
)

func (p *program) versionCommand() *cli.Command {
	return &cli.Command{
		Name: "version", Usage: "the version, Go's and the revisions of MCP",
		Flags:  []cli.Flag{&cli.BoolFlag{Name: "json", Usage: "as JSON"}},
		Action: p.version,
	}
}

func (p *program) version(_ context.Context, cmd *cli.Command) error {
	if _, err := shell.Args(cmd); err != nil {
		return err
	}
	var revisions []string
	for _, r := range mcpwire.Revisions() {
		revisions = append(revisions, string(r))
	}
	if cmd.Bool("json") {
		return json.NewEncoder(p.Out).Encode(struct {
			Version   string   `json:"version"`
			Go        string   `json:"go"`
			Platform  string   `json:"platform"`
			Revisions []string `json:"mcp"`
		}{version, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH, revisions})
	}
	_, err := fmt.Fprintf(p.Out, "drawbridge %s\n%s %s/%s\nMCP %s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH, strings.Join(revisions, ", "))
	return err
}

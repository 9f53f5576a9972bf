package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/urfave/cli/v3"

	"drawbridge/cmd/drawbridge/shell"
	"drawbridge/internal/config"
	"drawbridge/internal/fault"
)

// healthTimeout is below the usual timeout of a container's healthcheck.
const healthTimeout = 4 * time.Second

func (p *program) healthcheckCommand() *cli.Command {
	return &cli.Command{
		Name: "healthcheck", Usage: "succeed if the gateway answers; for containers",
		Flags: shell.SettingFlags(
			&cli.StringFlag{Name: "listen", Usage: "`HOST:PORT` the gateway serves on"},
			&cli.StringFlag{Name: "url", Usage: "`URL` of the gateway, instead of what the configuration says"},
		),
		Action: p.healthcheck,
	}
}

func (p *program) healthcheck(ctx context.Context, cmd *cli.Command) error {
	if _, err := shell.Args(cmd); err != nil {
		return err
	}
	base := cmd.String("url")
	if base == "" {
		src := p.Source(cmd)
		if !cmd.IsSet("state-dir") {
			src.Flags["state-dir"] = "/" // no state is touched, and a container may have no home to find it in
		}
		c, err := p.Load(src)
		if err != nil {
			return err
		}
		base = baseURL(c)
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	if err := answers(ctx, base); err != nil {
		return fault.Wrap(err, fault.Unavailable, "Nothing healthy answers at %s. Start drawbridge serve, or correct --listen.", base)
	}
	return nil
}

// answers is nil if a gateway at base says that it is well.
func answers(ctx context.Context, base string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/health", nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // without the proxy of the environment
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	if err := resp.Body.Close(); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return nil
}

// baseURL is where this machine reaches a gateway of configuration c.
func baseURL(c *config.Config) string {
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return "http://" + c.Listen // config has checked it
	}
	switch ip := net.ParseIP(host); {
	case host == "":
		host = "127.0.0.1"
	case ip != nil && ip.IsUnspecified() && ip.To4() != nil:
		host = "127.0.0.1"
	case ip != nil && ip.IsUnspecified():
		host = "::1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

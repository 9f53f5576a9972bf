// Command fakes runs the fakes of the systems behind built-in servers, to try those
// servers by hand:
//
//	go run ./test/fakes homeassistant
//
// It prints the settings with which Drawbridge finds the fake, and runs until it is
// interrupted. What is changed in a fake is forgotten when it ends.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	erpnext "drawbridge/internal/servers/erpnext/fake"
	forgejo "drawbridge/internal/servers/forgejo/fake"
	homeassistant "drawbridge/internal/servers/homeassistant/fake"
	truenas "drawbridge/internal/servers/truenas/fake"
)

// runs are the fakes by name. Each says its settings once it can be reached, and ends
// with ctx.
var runs = map[string]func(ctx context.Context, addr string, say func(settings ...string)) error{
	"erpnext": func(ctx context.Context, addr string, say func(...string)) error {
		s, err := erpnext.New(erpnext.Options{})
		if err != nil {
			return err
		}
		if err := s.Listen(ctx, addr); err != nil {
			return err
		}
		defer s.Close()
		key, secret, _ := strings.Cut(strings.TrimPrefix(erpnext.Auth(erpnext.Owner), "token "), ":")
		say("ERPNEXT_URL="+s.URL(), "ERPNEXT_API_KEY="+key, "ERPNEXT_API_SECRET="+secret)
		<-ctx.Done()
		return nil
	},
	"forgejo": func(ctx context.Context, addr string, say func(...string)) error {
		return forgejo.Run(ctx, addr, forgejo.Options{}, func(url string) { say("FORGEJO_URL="+url, "FORGEJO_TOKEN="+forgejo.AdaToken) })
	},
	"homeassistant": func(ctx context.Context, addr string, say func(...string)) error {
		s := homeassistant.New(homeassistant.Options{})
		if err := s.Listen(ctx, addr); err != nil {
			return err
		}
		defer s.Close()
		say("HASS_URL="+s.URL(), "HASS_TOKEN="+homeassistant.AdminToken)
		<-ctx.Done()
		return nil
	},
	"truenas": func(ctx context.Context, addr string, say func(...string)) error {
		s := truenas.New(truenas.Options{})
		if err := s.Listen(ctx, addr); err != nil {
			return err
		}
		say("TRUENAS_URL="+s.URL(), "TRUENAS_USERNAME="+truenas.AdminUser, "TRUENAS_API_KEY="+truenas.AdminKey, "TRUENAS_FINGERPRINT="+s.Fingerprint())
		<-ctx.Done()
		return s.Close()
	},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "fakes:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 || len(args) > 2 || runs[args[0]] == nil {
		return errors.New("give erpnext, forgejo, homeassistant or truenas, and where to listen if not on a free port of 127.0.0.1")
	}
	addr := "127.0.0.1:0"
	if len(args) == 2 {
		addr = args[1]
	}
	return runs[args[0]](ctx, addr, func(settings ...string) { fmt.Println(strings.Join(settings, "\n")) })
}

package accounts

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"drawbridge/cmd/drawbridge/shell"
	"drawbridge/internal/account"
)

// rightsFlags say what a key, grant or machine may do with the backends. tier is what
// goes without saying; 0: nothing does.
func rightsFlags(tier account.Tier, more ...cli.Flag) []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "tier", Usage: "the most its tools may do: read, write or destructive", Value: tier.String()},
		&cli.StringSliceFlag{Name: "backend", Usage: "`NAME` of a backend it may use; may be repeated; left out, all"},
	}, more...)
}

// rights are those that rightsFlags name.
func rights(cmd *cli.Command) (account.Rights, error) {
	tier, err := account.ParseTier(cmd.String("tier"))
	if err != nil {
		return account.Rights{}, shell.Usagef(cmd, "%v", err)
	}
	r := account.Rights{Backends: cmd.StringSlice("backend"), Write: tier >= account.TierWrite}
	if len(r.Backends) == 0 {
		r.Backends = []string{account.Any}
	}
	if tier == account.TierDestroy {
		r.Destructive = r.Backends
	}
	if err := r.Check(); err != nil {
		return account.Rights{}, shell.Usagef(cmd, "%v", err)
	}
	return r, nil
}

// rightsText is what rights allow, in few words.
func rightsText(r account.Rights) string {
	backends := names(r.Backends)
	switch {
	case len(r.Backends) == 0:
		return "nothing"
	case len(r.Destructive) > 0 && names(r.Destructive) == backends:
		return "destructive: " + backends
	case !r.Write && len(r.Destructive) == 0:
		return "read: " + backends
	}
	text := "read: " + backends
	if r.Write {
		text = "write: " + backends
	}
	if len(r.Destructive) > 0 {
		text += "; destructive: " + names(r.Destructive)
	}
	return text
}

func names(list []string) string {
	if slices.Contains(list, account.Any) {
		return "all"
	}
	return strings.Join(list, " ")
}

// or is text, or what stands in for it.
func or(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

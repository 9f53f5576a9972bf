package doctor

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"drawbridge/internal/fault"
)

// state looks at who may read the state directory.
func (x *examination) state() {
	const what = "state directory"
	dir := x.cfg.StateDir
	if dir == "" {
		return
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		x.warn(what, dir+" is not there yet", "Start drawbridge serve, which makes it, or correct --state-dir.")
		return
	case err != nil:
		x.fail(what, dir+" cannot be looked at: "+cause(err), "Run the doctor as the user that runs Drawbridge.")
		return
	case !info.IsDir():
		x.fail(what, dir+" is a file", "Name a directory with --state-dir.")
		return
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		x.fail(what, dir+" cannot be read: "+cause(err), "Run the doctor as the user that runs Drawbridge.")
		return
	}
	if info.Mode().Perm()&0o077 == 0 {
		x.ok(what, "%s, for its owner alone", dir)
		return
	}
	var open []string
	for _, e := range entries {
		if i, err := e.Info(); err == nil && i.Mode().IsRegular() && i.Mode().Perm()&0o077 != 0 {
			open = append(open, e.Name())
		}
	}
	if len(open) > 0 {
		x.fail(what, "other users of this machine can use "+strings.Join(open, ", ")+" in "+dir, "Take their rights away: chmod -R go= "+dir)
		return
	}
	x.warn(what, "other users of this machine can look into "+dir, "Take their rights away: chmod go= "+dir)
}

// database looks whether the store opens, answers and can be written. Opening
// checks the file, its version and the key file.
func (x *examination) database(ctx context.Context) {
	const what = "database"
	if x.deps.Open == nil {
		x.warn(what, "there was no first start yet; not looked at", "Start drawbridge serve, which makes it, or correct --state-dir.")
		return
	}
	db, err := x.deps.Open(ctx)
	if err != nil {
		x.broken(what, err, "Correct that, then run the doctor again.")
		return
	}
	now := x.deps.Now()
	err = db.Ping(ctx)
	if err == nil {
		// A mark that is over at once, which the server clears away: the only proof that
		// something reaches the disk.
		_, err = db.UseOnce(ctx, "doctor", sha256.Sum256([]byte(now.String())), now)
	}
	engine := db.Engine()
	if err = errors.Join(err, db.Close()); err != nil {
		x.broken(what, err, "Look at the disk or at the database server, then run the doctor again.")
		return
	}
	x.ok(what, "%s, sound, of this version, can be written", engine)
}

// broken reports an error: of a fault, the last sentence is the cure.
func (x *examination) broken(what string, err error, cure string) {
	found, hint := told(err)
	if hint != "" {
		cure = hint
	}
	x.fail(what, found, cure)
}

// told takes an error apart into what is wrong and, where it says so, what to do.
// The operator may see the cause.
func told(err error) (found, cure string) {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Public == "" {
		return err.Error(), ""
	}
	found, cure, _ = strings.Cut(f.Public, ". ")
	found = strings.TrimSuffix(found, ".")
	if f.Err != nil {
		found += " (" + f.Err.Error() + ")"
	}
	return found, cure
}

const (
	tryTime = 20 * time.Second
	atOnce  = 4
)

// backends tries every backend, some at a time.
func (x *examination) backends(ctx context.Context) {
	results := make([]Finding, len(x.cfg.Backends))
	slots := make(chan struct{}, atOnce)
	var work sync.WaitGroup
	for i, b := range x.cfg.Backends {
		work.Go(func() { // awaited below
			slots <- struct{}{}
			defer func() { <-slots }()
			results[i] = try(ctx, b)
		})
	}
	work.Wait()
	x.findings = append(x.findings, results...)
}

func try(ctx context.Context, b Backend) Finding {
	what := "backend " + b.Name
	if b.Off {
		return Finding{OK, what, "switched off", ""}
	}
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	start := time.Now()
	found, err := b.Try(ctx)
	took := time.Since(start).Round(time.Millisecond)
	if err == nil {
		return Finding{OK, what, fmt.Sprintf("%s, in %s", found, took), ""}
	}
	cure := "Try it alone: drawbridge backend test " + b.Name
	if ctx.Err() != nil {
		return Finding{Fail, what, "does not answer in time", cure}
	}
	wrong, hint := told(err)
	if hint != "" {
		cure = hint
	}
	return Finding{Fail, what, wrong, cure}
}

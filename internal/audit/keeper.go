package audit

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

const (
	keepEvery = 24 * time.Hour
	keepRetry = time.Hour
)

// Keeper removes what is older than the retention, once a day. What is left
// stays verifiable.
type Keeper struct {
	log          *slog.Logger
	archive      Archive
	installation []byte
	keep         time.Duration
}

// NewKeeper makes a keeper; Run works. keep is how long a row stays and must be
// more than nothing: without a retention there is no keeper.
func NewKeeper(log *slog.Logger, archive Archive, installation []byte, keep time.Duration) (*Keeper, error) {
	if log == nil || archive == nil || len(installation) == 0 {
		return nil, errors.New("audit keeper needs a logger, an archive and the installation's secret")
	}
	if keep <= 0 {
		return nil, errors.New("audit keeper needs a retention of more than nothing")
	}
	return &Keeper{log, archive, installation, keep}, nil
}

// Run removes old rows at once and then daily, until ctx ends. What failed is
// tried again after an hour.
func (k *Keeper) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		before := time.Now().Add(-k.keep)
		removed, err := Retain(ctx, k.archive, k.installation, before)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			k.log.Error("old audit rows not removed", "before", before, "error", err)
			timer.Reset(keepRetry)
			continue
		case removed > 0:
			k.log.Info("old audit rows removed", "rows", removed, "before", before)
		}
		timer.Reset(keepEvery)
	}
}

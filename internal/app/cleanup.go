package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// cleanups undo what a start did, last first.
type cleanups []cleanup

type cleanup struct {
	name string
	run  func(ctx context.Context) error
}

func (c *cleanups) add(name string, run func(ctx context.Context) error) {
	*c = append(*c, cleanup{name, run})
}

// run runs every cleanup, whatever the others say, and forgets them.
func (c *cleanups) run(ctx context.Context) error {
	var errs []error
	for _, one := range slices.Backward(*c) {
		if err := one.run(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", one.name, err))
		}
	}
	*c = nil
	return errors.Join(errs...)
}

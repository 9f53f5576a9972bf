package app

import (
	"context"
	"runtime/debug"
	"time"
)

// restTime is how long nobody must have asked for anything before memory goes
// back to the system.
const restTime = time.Second

// tidy gives memory back when the server has come to rest. Under load the heap is
// collected seldom (see serve); what a burst has left behind would otherwise stay
// until the next one.
func (a *App) tidy(ctx context.Context) {
	tick := time.NewTicker(restTime)
	defer tick.Stop()
	var seen uint64
	tidied := ^uint64(0) // what starting has left behind goes, too
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := a.server.Served()
		if now == seen && now != tidied {
			debug.FreeOSMemory()
			tidied = now
		}
		seen = now
	}
}

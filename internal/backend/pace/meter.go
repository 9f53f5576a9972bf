package pace

import (
	"math"
	"sync/atomic"
	"time"
)

// weight is how much the latest call counts in the moving average.
const weight = 0.2

// Meter keeps the moving average of how long calls take. The zero value is ready.
type Meter struct{ bits atomic.Uint64 }

// Add counts one call.
func (m *Meter) Add(d time.Duration) {
	ms := float64(d) / float64(time.Millisecond)
	for {
		old := m.bits.Load()
		mean := ms
		if old != 0 {
			was := math.Float64frombits(old)
			mean = was + weight*(ms-was)
		}
		if m.bits.CompareAndSwap(old, math.Float64bits(mean)) {
			return
		}
	}
}

// Millis is the average in milliseconds.
func (m *Meter) Millis() float64 { return math.Float64frombits(m.bits.Load()) }

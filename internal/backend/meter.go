package backend

import (
	"math"
	"sync/atomic"
	"time"
)

// weight is how much the latest call counts in the moving average.
const weight = 0.2

// meter keeps the moving average of how long calls take. The zero value is ready.
type meter struct{ bits atomic.Uint64 }

func (m *meter) add(d time.Duration) {
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

func (m *meter) millis() float64 { return math.Float64frombits(m.bits.Load()) }

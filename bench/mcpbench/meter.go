package main

import (
	"fmt"
	"os"
	"sync"
	"time"
)

// meter follows the watched processes, and this one, over a measurement.
type meter struct {
	watch  watchList
	before []procUse
	peak   []int64 // resident KB, sampled
	self   procUse
	done   chan struct{}
	wg     sync.WaitGroup
}

func startMeter(watch watchList) (*meter, error) {
	m := &meter{watch: watch, before: make([]procUse, len(watch)), peak: make([]int64, len(watch)), done: make(chan struct{})}
	for i, w := range watch {
		u, err := w.read()
		if err != nil {
			return nil, fmt.Errorf("process %s: %w", w.name, err)
		}
		m.before[i], m.peak[i] = u, u.rssKB
	}
	if len(watch) > 0 {
		m.wg.Go(m.sample) // ends with stop
	}
	m.self, _ = readProc(os.Getpid())
	return m, nil
}

func (m *meter) sample() {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-m.done:
			return
		case <-tick.C:
			for i, w := range m.watch {
				if u, err := w.read(); err == nil {
					m.peak[i] = max(m.peak[i], u.rssKB)
				}
			}
		}
	}
}

// stop ends the measurement and writes what was used into the result.
func (m *meter) stop(res *result) error {
	self, _ := readProc(os.Getpid())
	close(m.done)
	m.wg.Wait()
	per1000 := func(cpu float64) float64 {
		if res.Requests == 0 {
			return 0
		}
		return cpu / float64(res.Requests) * 1000
	}
	res.LoadCPUPer1k = per1000(self.cpu - m.self.cpu)
	for i, w := range m.watch {
		u, err := w.read()
		if err != nil {
			return fmt.Errorf("process %s is gone: %w", w.name, err)
		}
		cpu := u.cpu - m.before[i].cpu
		res.Procs = append(res.Procs, procResult{
			Name: w.name, PID: w.pid, CPUSeconds: cpu, CPUPer1000: per1000(cpu),
			RSSStartKB: m.before[i].rssKB, RSSPeakKB: max(m.peak[i], u.rssKB), RSSEndKB: u.rssKB,
		})
	}
	return nil
}

package server

import (
	"runtime/debug"
	"time"
)

// tickEvery is how often rooms age and memory is measured.
const tickEvery = 250 * time.Millisecond

// A node that lets nobody in for want of memory looks this often what of its own it can do without, and spends no more than this
// part of its time on it.
const (
	giveBackEvery = time.Second
	giveBackPart  = 20
)

// tick does what is done from time to time until the node closes: rooms age, memory is measured, warnings are repeated.
func (s *Server) tick() {
	insecure := remindEvery(insecureEvery, time.Now())
	var giveBackAt time.Time
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			s.hub.Tick(now)
			if s.measuring.Load() {
				s.sampleMemory()
				s.giveBack(&giveBackAt, now)
			}
			if insecure.due(now) {
				s.warnInsecure()
			}
		case <-s.stop:
			return
		}
	}
}

// sampleMemory looks how much memory is left, and says so when there begins to be too little.
func (s *Server) sampleMemory() {
	before := s.memory.Usage().Refusing
	usage, err := s.memory.Sample(s.admission.Connections())
	switch {
	case err != nil:
		s.warnUnmeasured(err)
	case usage.Refusing && !before:
		s.config.Log.Warn("memory is short: nobody is let in", "used", usage.Used, "limit", usage.Limit, "source", usage.Source)
	case before && !usage.Refusing:
		s.config.Log.Info("memory suffices again", "used", usage.Used, "limit", usage.Limit)
	}
}

// warnUnmeasured says once that nothing holds the node to its limit of memory.
func (s *Server) warnUnmeasured(err error) {
	if !s.unmeasured.Swap(true) {
		s.config.Log.Warn("memory cannot be measured, so that its limit is not kept", "error", err)
	}
}

// giveBack returns memory to the kernel if clients are refused for want of it. Where most of it is what clients have left, nothing
// is allocated any more, so that the runtime would not collect it by itself for minutes. next is when it may do so again.
func (s *Server) giveBack(next *time.Time, now time.Time) {
	if !s.memory.Usage().Refusing || now.Before(*next) {
		return
	}
	began := time.Now()
	debug.FreeOSMemory()
	*next = now.Add(max(giveBackEvery, giveBackPart*time.Since(began)))
}

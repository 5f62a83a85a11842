package server

import "time"

// tickEvery is how often rooms age and memory is measured.
const tickEvery = 250 * time.Millisecond

// tick does what is done from time to time until the node closes: rooms age, memory is measured, warnings are repeated.
func (s *Server) tick() {
	insecure := remindEvery(insecureEvery, time.Now())
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			s.hub.Tick(now)
			if s.measuring.Load() {
				s.sampleMemory()
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
		s.config.Log.Debug("memory cannot be measured", "error", err)
	case usage.Refusing && !before:
		s.config.Log.Warn("memory is short: nobody is let in", "used", usage.Used, "limit", usage.Limit, "source", usage.Source)
	case before && !usage.Refusing:
		s.config.Log.Info("memory suffices again", "used", usage.Used, "limit", usage.Limit)
	}
}

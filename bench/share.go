package bench

// share is the part of a run's connections that one process makes: those whose number modulo workers is worker.
// With worker equal to workers it is nothing, which is what the coordinator has.
type share struct{ worker, workers uint32 }

// wholeShare is that of a process that does a run alone.
var wholeShare = share{0, 1}

// of returns how many of total connections are s's.
func (s share) of(total uint32) uint32 {
	if s.worker >= s.workers {
		return 0
	}
	return (total + s.workers - 1 - s.worker) / s.workers
}

// has reports whether connection number is s's.
func (s share) has(number uint32) bool { return number%s.workers == s.worker }

// number returns which connection of all is the i-th of s, and index returns i.
func (s share) number(i uint32) uint32     { return i*s.workers + s.worker }
func (s share) index(number uint32) uint32 { return number / s.workers }

// partial reports whether others have connections too.
func (s share) partial() bool { return s.workers > 1 && s.worker < s.workers }

// shareOf returns the share of the process that o is for: a coordinator leaves all to its workers.
func shareOf(o *Options) share {
	if o.Workers > 0 {
		return share{uint32(o.Workers), uint32(o.Workers)}
	}
	return wholeShare
}

// number returns which connection of all, or room of a mix, is the i-th of this driver, and index returns i.
func (d *driver) number(i uint32) uint32 {
	return d.run.share.number(uint32(d.loop.Number()) + i*uint32(d.run.loops))
}
func (d *driver) index(number uint32) uint32 { return d.run.share.index(number) / uint32(d.run.loops) }

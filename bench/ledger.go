package bench

// track is what has come of one sequence on one connection: 1, 2, 3 and so on. The zero value expects 1.
type track struct {
	window uint64 // bit i: number last-i has come
	last   uint32 // the highest number that has come
}

// windowSize is how far back a number may come late and still be told from one that comes twice, which
// it counts as beyond that.
const windowSize = 64

// Ledger is what became of the messages that were due to somebody. Expected is Received plus Missing.
type Ledger struct {
	Expected   uint64 `json:"expected"`
	Received   uint64 `json:"received"`   // each counted once
	Missing    uint64 `json:"missing"`    // never came
	Duplicated uint64 `json:"duplicated"` // came again
	Reordered  uint64 `json:"reordered"`  // came after a later one; received all the same
	Misrouted  uint64 `json:"misrouted"`  // came to somebody they were not for
	Damaged    uint64 `json:"damaged"`    // not what was sent
}

// Clean reports whether everything came, once, in order, to the right place.
func (l *Ledger) Clean() bool {
	return l.Missing|l.Duplicated|l.Reordered|l.Misrouted|l.Damaged == 0
}

// add counts what another ledger holds.
func (l *Ledger) add(o *Ledger) {
	l.Expected += o.Expected
	l.Received += o.Received
	l.Missing += o.Missing
	l.Duplicated += o.Duplicated
	l.Reordered += o.Reordered
	l.Misrouted += o.Misrouted
	l.Damaged += o.Damaged
}

// note enters that number, from 1, has come on t.
func (l *Ledger) note(t *track, number uint32) {
	if number == t.last+1 { // what there is to do nearly always
		t.last = number
		t.window = t.window<<1 | 1
		l.Received++
		return
	}
	l.noteOther(t, number)
}

// noteRun enters that the next n numbers have come on t.
func (l *Ledger) noteRun(t *track, n uint32) {
	t.last += n
	t.window = t.window<<n | (1<<n - 1)
	l.Received += uint64(n)
}

func (l *Ledger) noteOther(t *track, number uint32) {
	behind := t.last - number
	switch {
	case number > t.last:
		t.window = t.window<<(number-t.last) | 1
		t.last = number
		l.Received++
	case behind < windowSize && t.window>>behind&1 == 0:
		t.window |= 1 << behind
		l.Received++
		l.Reordered++
	default:
		l.Duplicated++
	}
}

// settle enters that sent messages were due on a track. What is missing follows from the sums: see close.
func (l *Ledger) settle(sent uint32) { l.Expected += uint64(sent) }

// close makes up what is missing once all is settled.
func (l *Ledger) close() {
	if l.Expected > l.Received {
		l.Missing = l.Expected - l.Received
	}
}

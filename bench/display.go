package bench

import (
	"cmp"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/schollz/progressbar/v3"
)

// linesEvery is how often a line says how it goes where there is no terminal.
const linesEvery = 3 * time.Second

// display shows how a run goes: a bar on a terminal, a line now and then elsewhere, or nothing.
type display struct {
	w        io.Writer
	terminal bool
	every    time.Duration // between two lines
	name     string
	total    uint64
	count    func(progress) uint64
	bar      *progressbar.ProgressBar
	base     uint64                // the count when the phase began
	live     *atomic.Pointer[live] // what the timeline saw last; nil before it looks
	told     time.Time
	last     uint64 // and the one told last, from base
}

func newDisplay(o *Options) display {
	return display{w: o.Progress, terminal: o.Terminal, every: cmp.Or(o.linesEvery, linesEvery)}
}

// phase begins a part of the run, at p, in which total things will be counted, or with total 0 nobody
// knows how many.
func (d *display) phase(name string, total uint64, count func(progress) uint64, p progress) {
	d.done()
	d.name, d.total, d.count, d.base = name, total, count, count(p)
	d.told, d.last = time.Now(), 0
	if d.w != nil && d.terminal {
		d.bar = newBar(d.w, name, total)
	}
}

func newBar(w io.Writer, name string, total uint64) *progressbar.ProgressBar {
	most := int64(total)
	if total == 0 {
		most = -1 // a spinner
	}
	return progressbar.NewOptions64(most,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetDescription(name),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionSetWidth(10),
		progressbar.OptionThrottle(lookEvery),
		progressbar.OptionSetSpinnerChangeInterval(0), // no goroutine, which would outlive the bar: it turns with each update
		progressbar.OptionClearOnFinish(),
	)
}

// update shows p.
func (d *display) update(p progress) {
	if d.w == nil || d.count == nil {
		return
	}
	n := d.count(p) - d.base
	if d.bar != nil {
		d.bar.Describe(d.name + d.quality(p))
		_ = d.bar.Set64(int64(n)) // a bar that cannot be drawn is no reason to stop
		return
	}
	if passed := time.Since(d.told); passed >= d.every {
		d.line(n, p, passed)
		d.told, d.last = time.Now(), n
	}
}

// line writes one. Nobody is told if that fails: the report is what counts.
func (d *display) line(n uint64, p progress, passed time.Duration) {
	of := ""
	if d.total > 0 {
		of = fmt.Sprintf(" of %d", d.total)
	}
	_, _ = fmt.Fprintf(d.w, "%s: %d%s, %.0f/s%s; %d connections ready, %d failed, %d lost\n",
		d.name, n, of, float64(n-min(d.last, n))/passed.Seconds(), d.quality(p), p.ready, p.failed, p.lost)
}

// quality says how long things take and how many went wrong so far.
func (d *display) quality(p progress) string {
	var last live
	if d.live != nil {
		last = *d.live.Load()
	}
	errors := fmt.Sprintf(", %d errors", max(last.errors, p.failed+p.lost))
	if last.p99 == 0 {
		return errors
	}
	return fmt.Sprintf(", p99 %.1f ms", last.p99.Seconds()*1e3) + errors
}

// clear makes room for a line where the bar is, which the next update draws again.
func (d *display) clear() {
	if d.bar != nil {
		_ = d.bar.Clear()
	}
}

// done takes the bar away.
func (d *display) done() {
	if d.bar != nil {
		_ = d.bar.Exit()
		_ = d.bar.Clear()
		d.bar = nil
	}
}

package bench

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Both forms of progress say how fast it goes, how long things take and what went wrong.
func TestDisplaySaysHowItGoes(t *testing.T) {
	var seen atomic.Pointer[live]
	seen.Store(&live{p99: 12300 * time.Microsecond, errors: 4})
	for name, row := range map[string]struct {
		terminal bool
		want     []string
	}{
		"lines":    {false, []string{"measuring: 500, ", "/s, p99 12.3 ms, 4 errors; 20 connections ready, 1 failed, 2 lost\n"}},
		"terminal": {true, []string{"measuring, p99 12.3 ms, 4 errors", "500", "/s"}},
	} {
		var out strings.Builder
		d := newDisplay(&Options{Progress: &out, Terminal: row.terminal})
		d.live = &seen
		d.phase("measuring", 0, countDelivered, progress{delivered: 100})
		d.told = d.told.Add(-linesEvery) // a line is due
		now := progress{delivered: 600, ready: 20, failed: 1, lost: 2}
		d.update(now)
		if d.bar != nil {
			_ = d.bar.RenderBlank() // whatever the throttle says
		}
		for _, want := range row.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: %q; want %q in it", name, out.String(), want)
			}
		}
		d.done()
	}
}

package page

import (
	"math"
	"testing"

	"github.com/seed4ac54ce5/edge/bench"
	"gonum.org/v1/plot/plotter"
)

// An axis begins at zero, holds all values with some room, and no two ticks say the same.
func TestTicks(t *testing.T) {
	for _, s := range []scale{counts, micros, memory, cpus} {
		for most := 1e-3; most < 1e12; most *= 1.37 {
			top, ticks := s.ticks(most)
			if top < most*1.05 || top > most*2.5 || len(ticks) < 3 || len(ticks) > 10 {
				t.Fatalf("ticks(%v) ends at %v with %d ticks", most, top, len(ticks))
			}
			seen := make(map[string]bool)
			for i, tick := range ticks {
				if i == 0 && (tick.Value != 0 || tick.Label != "0") || seen[tick.Label] || tick.Value > top*(1+1e-9) {
					t.Fatalf("ticks(%v) = %v", most, ticks)
				}
				seen[tick.Label] = true
			}
		}
	}
	if top, ticks := counts.ticks(0); top <= 0 || len(ticks) < 2 {
		t.Errorf("ticks(0) = %v, %v", top, ticks)
	}
}

func TestTickLabels(t *testing.T) {
	for _, row := range []struct {
		scale scale
		most  float64
		want  string // the last one's
	}{
		{counts, 900, "1000"},
		{counts, 7000, "8 k"},
		{counts, 3.1e6, "4 M"},
		{micros, 800, "1000 µs"},
		{micros, 13.6e6, "15 s"},
		{memory, 3 << 30, "4 GiB"},
		{memory, 50 << 20, "60 MiB"},
		{cpus, 0.9, "1"},
	} {
		_, ticks := row.scale.ticks(row.most)
		if got := ticks[len(ticks)-1].Label; got != row.want {
			t.Errorf("the last tick for %v is %q; want %q", row.most, got, row.want)
		}
	}
}

func TestPercentiles(t *testing.T) {
	a := percentiles(1000)
	var labels []string
	for _, tick := range a.ticks {
		labels = append(labels, tick.Label)
		if tick.Value < 0 || tick.Value > a.max {
			t.Errorf("tick %v is off the axis, which ends at %v", tick, a.max)
		}
	}
	if math.Abs(a.max-3) > 1e-9 || len(labels) < 4 || labels[0] != "0" || labels[3] != "99" {
		t.Errorf("the axis for 1000 values ends at %v with %q", a.max, labels)
	}
	// The maximum stands at the end of the axis, not at infinity.
	r := example()
	c := distribution(r)
	last := c.lines[0].points[len(c.lines[0].points)-1]
	if last.X != c.across.max || last.Y != r.Latency.Max {
		t.Errorf("the last point is %v; want (%v, %v)", last, c.across.max, r.Latency.Max)
	}
}

func TestGaps(t *testing.T) {
	nan := math.NaN()
	for _, row := range []struct {
		y    []float64
		want []int // lengths of the parts
	}{
		{nil, nil},
		{[]float64{nan, nan}, nil},
		{[]float64{1, 2}, []int{2}},
		{[]float64{nan, 1, nan, nan, 2, 3, nan}, []int{1, 2}},
	} {
		var all plotter.XYs
		for i, y := range row.y {
			all = append(all, plotter.XY{X: float64(i), Y: y})
		}
		parts := withoutGaps(all)
		if len(parts) != len(row.want) {
			t.Errorf("%v has the parts %v; want %v", row.y, parts, row.want)
			continue
		}
		for i := range parts {
			if len(parts[i]) != row.want[i] {
				t.Errorf("%v has the parts %v; want %v", row.y, parts, row.want)
			}
		}
	}
}

// A moment in which nothing came has no latency, which is not a latency of zero.
func TestLatencyHasGaps(t *testing.T) {
	r := example()
	r.Timeline[4] = bench.Moment{At: 5, Seconds: 1, Phase: "measuring"}
	all := charts(r)
	for _, c := range all {
		if c.name == "latency" && (len(c.lines) != 2 || len(withoutGaps(c.lines[0].points)) != 2) {
			t.Errorf("the lines of latency are %v", c.lines)
		}
	}
}

func TestTimeAxis(t *testing.T) {
	for seconds, want := range map[float64]string{0.5: "seconds", 12: "seconds", 600: "minutes", 86400: "hours"} {
		a := timeAxis(seconds)
		if a.label != want+" since the run began" || a.max != seconds || len(a.ticks) < 4 || len(a.ticks) > 10 || a.ticks[len(a.ticks)-1].Value > seconds {
			t.Errorf("timeAxis(%v) = %+v", seconds, a)
		}
	}
}

func TestPhases(t *testing.T) {
	got := phasesOf([]bench.Moment{{At: 1, Seconds: 1, Phase: "a"}, {At: 2, Seconds: 1, Phase: "b"}, {At: 4, Seconds: 2, Phase: "b"}, {At: 5, Seconds: 1, Phase: "a"}})
	want := []phase{{0, "a"}, {1, "b"}, {4, "a"}}
	if len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Errorf("phases %v; want %v", got, want)
	}
}

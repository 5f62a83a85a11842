package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

func TestFigures(t *testing.T) {
	for _, row := range []struct {
		of   []float64
		want figures
	}{
		{[]float64{3}, figures{3, 3, 3}},
		{[]float64{4, 2}, figures{2, 3, 4}},
		{[]float64{9, 1, 5}, figures{1, 5, 9}},
		{[]float64{4, 3, 2, 1}, figures{1, 2.5, 4}},
	} {
		if got := figuresOf(row.of); got != row.want {
			t.Errorf("figuresOf(%v) = %v; want %v", row.of, got, row.want)
		}
	}
}

func TestTableGivesRatios(t *testing.T) {
	results := map[string]*result{
		"fan-out":        {contest: &contests[2], unit: "delivery", baseline: []float64{4, 2, 3}, edge: []float64{3, 6}, idle: []float64{0.5}},
		"merged fan-out": {contest: &contests[3], unit: "delivery", edge: []float64{0.6}, idle: []float64{0.1}, troubles: []string{"lost 3"}},
	}
	var out bytes.Buffer
	if err := writeTable(&out, 2, results); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"2 loops", "2.000  3.000  4.000", "3.000  4.500  6.000", "1.50", "0.20", "as fan-out", "trouble: lost 3", "50 %"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

// Every contest that counts against another finds it, before it.
func TestContestsKnowEachOther(t *testing.T) {
	seen := make(map[string]bool)
	for _, c := range contests {
		if c.against != "" && !seen[c.against] {
			t.Errorf("%s counts against %q, which is not measured before it", c.name, c.against)
		}
		seen[c.name] = true
	}
}

func TestParsePlan(t *testing.T) {
	p, err := parsePlan([]string{"--rounds", "3", "--loops", "1,2", "--only", "^fan"})
	if err != nil || p.rounds != 3 || len(p.loops) != 2 || p.loops[1] != 2 || !p.only.MatchString("fan-out") || p.only.MatchString("merged fan-out") {
		t.Errorf("parsePlan = %+v, %v", p, err)
	}
	for _, bad := range [][]string{{"--rounds", "0"}, {"--duration", "-1s"}, {"--loops", "0"}, {"--loops", "1,x"}, {"--only", "("}, {"more"}} {
		if p, err := parsePlan(bad); err == nil {
			t.Errorf("parsePlan(%q) = %+v; want an error", bad, p)
		}
	}
}

package server

import (
	"log/slog"
	"slices"
	"testing"
	"time"
)

// A16: settings that leave out checks are shown for as long as they are on, and the log says so again and again, but seldom.
func TestA16InsecureSettings(t *testing.T) {
	for _, r := range []struct {
		what   string
		change func(*Config)
		on     []string
	}{
		{"none", func(c *Config) { c.Development = false }, nil},
		{"development", func(*Config) {}, []string{"development"}},
		{"both", func(c *Config) { c.API.Insecure = true }, []string{"development", "api.insecure"}},
	} {
		t.Run(r.what, func(t *testing.T) {
			book := new(logbook)
			n := openNodeAlone(t, func(c *Config) {
				r.change(c)
				c.Log = slog.New(slog.NewJSONHandler(book, nil))
			})
			for times := range 2 {
				for _, setting := range n.config.insecurities() {
					on := slices.Contains(r.on, setting.key)
					n.checkMetric(`edge_insecure{setting="` + setting.key + `"} ` + map[bool]string{true: "1", false: "0"}[on])
					if !on {
						checkSaid(t, book, setting, 0)
					} else {
						checkSaid(t, book, setting, times+1)
					}
				}
				n.warnInsecure() // as when it is due
			}
		})
	}
}

// checkSaid checks how often the log has warned of a setting.
func checkSaid(t *testing.T, book *logbook, setting insecurity, times int) {
	t.Helper()
	lines := book.lines(t, setting.say)
	if len(lines) != times {
		t.Errorf("%d lines about %s; want %d", len(lines), setting.key, times)
	}
	for _, l := range lines {
		if l["level"] != "WARN" || l["key"] != setting.key {
			t.Errorf("the log says %v", l)
		}
	}
}

func TestReminder(t *testing.T) {
	start := time.Unix(1e9, 0)
	r := remindEvery(insecureEvery, start)
	for _, step := range []struct {
		after time.Duration
		due   bool
	}{
		{0, false}, {tickEvery, false}, {insecureEvery - 1, false}, {insecureEvery, true}, {insecureEvery + tickEvery, false},
		{2*insecureEvery - 1, false}, {2*insecureEvery + time.Second, true}, {3 * insecureEvery, false}, {3*insecureEvery + time.Second, true},
	} {
		if got := r.due(start.Add(step.after)); got != step.due {
			t.Errorf("after %v it is due: %v; want %v", step.after, got, step.due)
		}
	}
}

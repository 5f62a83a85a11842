package server

import (
	"errors"
	"io/fs"
	"log/slog"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/seed4ac54ce5/edge/admission"
	"github.com/seed4ac54ce5/edge/tuning"
)

// paper is a host that is written down: nothing can be set there.
type paper struct{ fstest.MapFS }

func (paper) Writable(string) error      { return fs.ErrPermission }
func (paper) Write(string, string) error { return fs.ErrPermission }

func newPaper(files map[string]string) paper {
	p := paper{make(fstest.MapFS)}
	for name, text := range files {
		p.MapFS[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return p
}

// At start the log says in one line what the host lacks, how much that is, and how to see it all.
func TestLogTuning(t *testing.T) {
	shortOf := map[string]string{"proc/meminfo": "MemTotal: 1000000 kB\n"}
	for _, name := range strings.Fields("core/somaxconn ipv4/tcp_max_syn_backlog ipv4/tcp_syncookies ipv4/tcp_migrate_req ipv4/tcp_max_tw_buckets " +
		"ipv4/tcp_max_orphans ipv4/tcp_autocorking ipv4/tcp_moderate_rcvbuf core/netdev_budget core/netdev_budget_usecs") {
		shortOf["proc/sys/net/"+name] = "0"
	}
	for _, r := range []struct {
		what   string
		host   tuning.Host
		change func(*Config)
		says   string
		want   map[string]any
	}{
		{"short", newPaper(shortOf), func(c *Config) { c.Loops, c.PrivateTables = 2, "off" }, "the host falls short",
			map[string]any{"connections": 100_000.0, "more": 3.0, "memory_suffices": false, "see": "edge tune --connections 100000 --loops 2 --shared-fd-tables"}},
		{"limit", newPaper(shortOf), func(c *Config) {
			c.Loops, c.PrivateTables, c.MemoryLimit, c.Limits = 1, "off", 16<<30, admission.Limits{Connections: 7000}
		}, "the host falls short", map[string]any{"connections": 7000.0, "memory_suffices": true,
			"see": "edge tune --connections 7000 --loops 1 --shared-fd-tables --memory 17179869184"}},
		{"nothing shows", newPaper(nil), func(*Config) {}, "nothing that shows of the host falls short", map[string]any{"connections": 100_000.0}},
		{"failing", failing{}, func(*Config) {}, "nothing that shows of the host falls short", map[string]any{"connections": 100_000.0}},
	} {
		t.Run(r.what, func(t *testing.T) {
			n := openNodeAlone(t, r.change)
			book := new(logbook)
			n.config.Log = slog.New(slog.NewJSONHandler(book, nil))
			n.logTuning(r.host)
			lines := book.lines(t, r.says)
			if len(lines) != 1 {
				t.Fatalf("the log says %v; want one line that %s", lines, r.says)
			}
			for key, want := range r.want {
				if lines[0][key] != want {
					t.Errorf("the log says %s = %v; want %v", key, lines[0][key], want)
				}
			}
			if names, _ := lines[0]["settings"].([]any); len(names) > tuningsNamed {
				t.Errorf("the log names %v", names)
			}
		})
	}
}

// failing is a host of which nothing can be read.
type failing struct{ paper }

func (failing) Open(string) (fs.File, error) { return nil, errors.New("no") }

// A start says it of the host that it is on.
func TestStartLogsTuning(t *testing.T) {
	book := new(logbook)
	openNodeAlone(t, func(c *Config) { c.Log = slog.New(slog.NewJSONHandler(book, nil)) })
	if n := len(book.lines(t, "the host falls short")) + len(book.lines(t, "nothing that shows of the host falls short")); n != 1 {
		t.Errorf("%d lines of the log are about the host; want one", n)
	}
}

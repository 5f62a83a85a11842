package server

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/metrics"
)

// logbook keeps log lines. Any goroutine.
type logbook struct{ testutil.Book }

// lines returns the lines with this message.
func (b *logbook) lines(t testing.TB, message string) (all []map[string]any) {
	t.Helper()
	for line := range strings.Lines(b.String()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("log line %q: %v", line, err)
		}
		if fields["msg"] == message {
			all = append(all, fields)
		}
	}
	return all
}

// A rejection has a line that says who and why, and nothing of what was sent; more for the same reason wait for the next second.
func TestRejectionsAreLogged(t *testing.T) {
	book := new(logbook)
	n := openNode(t, func(c *Config) { c.Log = slog.New(slog.NewJSONHandler(book, nil)) })
	const times = 50
	var first string
	for range times {
		c := n.dial()
		if first == "" {
			first = c.conn.LocalAddr().String()
		}
		c.send([]byte("GET /secret HTTP/1.1\r\nHost: a\r\n\r\n"))
		c.rest()
		c.close()
	}
	other := n.open(pathEcho)
	other.send(drawn("83 80 00000000"))
	other.rest()
	other.close()
	testutil.Eventually(t, patience, func() bool { return len(book.lines(t, "rejected")) >= 2 }, "two reasons in the log")
	lines := book.lines(t, "rejected")
	if l := lines[0]; l["peer"] != first || l["stage"] != "handshake" || l["reason"] != "not_found" || l["more"] != float64(0) || l["conn"] != "0.1.1" || l["level"] != "INFO" {
		t.Errorf("the first line says %v; want the peer %s, handshake, not_found", l, first)
	}
	told := uint64(0)
	for _, l := range lines {
		if l["reason"] == "not_found" {
			told += 1 + uint64(l["more"].(float64))
		}
	}
	if told > times {
		t.Errorf("the log tells of %d of %d rejections", told, times)
	}
	if strings.Contains(book.String(), "secret") {
		t.Error("the log has what a peer has sent")
	}
	n.checkNeighbour()
}

// Conns that cannot go to another loop are rejected for want of descriptors, as are those that cannot come in.
func TestLostConnsAreRejected(t *testing.T) {
	n := openNodeAlone(t, func(c *Config) { c.Loops = 2 })
	n.onEach(func(l *loop) {
		l.net.Stats().Refused += 3
		l.net.Stats().Lost += 4
	})
	if got := n.counts().Rejects[metrics.RejectDescriptors]; got != 14 {
		t.Errorf("%d rejections; want 14", got)
	}
}

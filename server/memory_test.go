package server

import (
	"log/slog"
	"math"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/seed4ac54ce5/edge/admission"
	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// A node whose memory is full of what clients have left lets others in again without waiting for the runtime, which collects
// nothing for minutes while nothing is allocated.
func TestGarbageKeepsNobodyOut(t *testing.T) {
	book := new(testutil.Book)
	n := openNodeAlone(t, func(c *Config) { c.Log = slog.New(slog.NewTextHandler(book, nil)) })
	litter(256 << 20)
	process, kernel, err := admission.Footprint("/", 0)
	if err != nil {
		t.Skip(err)
	}
	n.SetMemoryLimit((process + kernel) / 95 * 100)
	testutil.Eventually(t, patience, func() bool {
		return book.Count("memory is short") == 1 && book.Count("memory suffices again") == 1
	}, "nobody is let in, and then everybody")
}

// What clients and rooms may fill together by default is less than a small host has: refusing those who come is no help against those
// who are there.
func TestBudgetsFitTheMemory(t *testing.T) {
	for _, r := range []struct {
		limit, given          int64
		history, input, queue int64
	}{
		{64 << 20, 0, 8 << 20, 8 << 20, 8 << 20},
		{64 << 20, 100 << 20, 100 << 20, 100 << 20, 100 << 20},
		{-1, 0, 256 << 20, 256 << 20, 512 << 20},
		{-1, -1, -1, -1, -1},
	} {
		n := openNodeAlone(t, func(c *Config) {
			c.MemoryLimit, c.HistoryMemoryLimit, c.InputBudget, c.QueueBudget = r.limit, r.given, r.given, r.given
		})
		if c := &n.config; c.HistoryMemoryLimit != r.history || c.InputBudget != r.input || c.QueueBudget != r.queue {
			t.Errorf("of %d bytes, with %d given: histories %d, input %d, queues %d; want %d, %d, %d", r.limit, r.given,
				c.HistoryMemoryLimit, c.InputBudget, c.QueueBudget, r.history, r.input, r.queue)
		}
	}
	var c Config
	c.shareMemory(16 << 30)
	if c.HistoryMemoryLimit != 256<<20 || c.InputBudget != 256<<20 || c.QueueBudget != 512<<20 {
		t.Errorf("of 16 GiB: histories %d, input %d, queues %d; want the usual", c.HistoryMemoryLimit, c.InputBudget, c.QueueBudget)
	}
}

// litter leaves so many bytes of garbage in memory.
func litter(bytes int) {
	waste := make([]byte, bytes)
	for i := 0; i < len(waste); i += os.Getpagesize() {
		waste[i] = 1
	}
	runtime.KeepAlive(waste)
}

// A limit that cannot be kept is one warning, not a silent one and not one a sample.
func TestUnmeasuredMemoryIsSaid(t *testing.T) {
	book := new(testutil.Book)
	n := openNodeAlone(t, func(c *Config) { c.Log = slog.New(slog.NewTextHandler(book, nil)) })
	n.memory = admission.NewBudget(t.TempDir(), math.MaxInt64) // no /proc below it
	n.sampleMemory()
	n.sampleMemory()
	if got := book.Count("memory cannot be measured"); got != 1 || !strings.Contains(book.String(), "meminfo") {
		t.Errorf("it is said %d times, want once with the reason:\n%s", got, book)
	}
}

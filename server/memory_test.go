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

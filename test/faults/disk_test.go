//go:build faults

package faults

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// tinyDisk mounts a file system of four MiB, four times what a log holds back.
func tinyDisk(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("faults", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("no tmpfs can be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fillDisk writes a file until the disk is full, and returns its name.
func fillDisk(t testing.TB, dir string) string {
	t.Helper()
	name := filepath.Join(dir, "filler")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for size := 64 << 10; size > 0; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, unix.ENOSPC) {
			size /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
	return name
}

// R21: the disk of the log and of the configuration is full. Lines are lost, and nothing else: clients are served, and a
// reload works.
func TestR21DiskFullOfLogs(t *testing.T) {
	disk := tinyDisk(t)
	log, err := os.Create(filepath.Join(disk, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	n := start(t, launch{config: withoutHistory, log: log})
	said := func(message string) int {
		n.book = new(book)
		b, err := os.ReadFile(log.Name())
		if err != nil {
			t.Fatal(err)
		}
		n.book.readLines(strings.NewReader(string(b)))
		return n.book.count(`"msg":"` + message + `"`)
	}
	n.await("the node serves", func() bool { return said("serving") == 1 })
	n.serving(n.book.find(`"msg":"serving"`))
	c := n.member("room")
	filler := fillDisk(t, disk)
	n.overflowLog()
	n.configure(withHistory)
	n.signal(syscall.SIGHUP)
	n.await("the reload has made history", func() bool {
		r, err := c.askAny(`{"id":3,"history":{"channel":"room","limit":0}}`)
		return err == nil && r.Error == nil
	})
	n.checkReady()
	n.checkNeighbour()
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	n.await("the log goes on when there is room", func() bool {
		n.signal(syscall.SIGHUP) // what has been said meanwhile may be among what is lost
		return said("reloaded") > 0 && n.book.find("log lines dropped") != ""
	})
	t.Logf("with a full disk: served, reloaded, %v log lines dropped and counted; then the log goes on", n.figures()["edge_log_dropped_total"])
}

const (
	withoutHistory = "development: true\n"
	withHistory    = "development: true\nroom: {without_namespace: {history_size: 10, history_ttl: 1m}}\n"
)

// R21: the disk of the store is full. Publications that must be kept are refused, and are not delivered; everything else goes
// on, and so do they when there is room.
func TestR21DiskFullOfHistories(t *testing.T) {
	disk := tinyDisk(t)
	n := start(t, launch{config: "development: true\nhistory: {store: {enabled: true, path: " + filepath.Join(disk, "store.db") + "}}\n" +
		"room: {namespaces: [{name: kept, history_size: 1000, history_ttl: 1h, store: true}]}\n"})
	c := n.member("kept:room")
	filler := fillDisk(t, disk)
	kept, refused := 0, 0
	n.await("the store is full", func() bool {
		r, err := c.askAny(publish(3, "kept:room", large(20_000)))
		if err != nil {
			t.Fatal(err)
		}
		if r.Error != nil {
			refused++
			return true
		}
		kept++
		return false
	})
	n.checkReady()
	n.checkNeighbour()
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	tries := 0
	n.await("the store takes publications again", func() bool {
		tries++
		r, err := c.askAny(publish(4, "kept:room", `1`))
		return err == nil && r.Error == nil
	})
	f := n.figures()
	t.Logf("%d publications kept, then %d refused with an error; accepted again at try %d; records %v kept, %v failed", kept, refused, tries,
		f.sum("edge_store_records_total", "kept"), f.sum("edge_store_records_total", "failed"))
}

// R22: whoever reads the log is stopped. The pipe fills, and clients are served as before.
func TestR22LogReaderStopped(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	reader := exec.Command("cat")
	reader.Stdin = r
	b := new(book)
	reader.Stdout = b
	if err := reader.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = reader.Process.Kill()
		_ = reader.Wait() // killed
	})
	n := start(t, launch{config: withoutHistory, log: w})
	_ = w.Close() // the node has it
	n.book = b
	n.serving(b.await(t, "serving"))
	c := n.member("room")
	if err := reader.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	n.overflowLog()
	if _, err := c.ask(publish(3, "room", "1")); err != nil {
		t.Fatal(err)
	}
	n.checkReady()
	n.checkNeighbour()
	n.configure(withHistory)
	n.signal(syscall.SIGHUP)
	n.await("a reload works although nobody reads the log", func() bool {
		r, err := c.askAny(`{"id":3,"history":{"channel":"room","limit":0}}`)
		return err == nil && r.Error == nil
	})
	if err := reader.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	n.await("the log goes on and says what it has lost", func() bool {
		n.signal(syscall.SIGHUP) // what has been said meanwhile may be among it
		return b.find("log lines dropped") != "" && b.find(`"msg":"reloaded"`) != ""
	})
	t.Logf("with nobody reading the log: served, reloaded, %v lines dropped and counted", n.figures()["edge_log_dropped_total"])
}

// overflowLog has the node say more than its log has room for, until it drops lines.
func (n *node) overflowLog() {
	n.t.Helper()
	var wrong strings.Builder
	for i := range 200 {
		fmt.Fprintf(&wrong, "%s%d: 1\n", strings.Repeat("x", 200), i) // the complaint repeats it
	}
	n.configure(wrong.String())
	n.await("log lines are dropped", func() bool {
		n.signal(syscall.SIGHUP)
		return n.figures()["edge_log_dropped_total"] > 0
	})
}

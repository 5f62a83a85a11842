package testutil

import (
	"net"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { Main(m) }

// soon is enough for leftovers to look a few times.
const soon = 5 * pause

func TestNothingLeft(t *testing.T) {
	before := inventory()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	_ = w.Close()
	if left := leftovers(before, settle); len(left) != 0 {
		t.Errorf("leftovers = %q; want none", left)
	}
}

func TestDescriptorLeft(t *testing.T) {
	before := inventory()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	wantOneLeft(t, leftovers(before, soon), "descriptor ", "-> socket:[")
}

func TestGoroutineLeft(t *testing.T) {
	before := inventory()
	release := make(chan struct{})
	defer close(release)
	go func() { <-release }()
	wantOneLeft(t, leftovers(before, soon), "goroutine ", "TestGoroutineLeft")
}

// A thread that has unshared its table holds descriptors that the process's table does not show.
func TestDescriptorLeftInAThreadsOwnTable(t *testing.T) {
	open, opened, end, ended := make(chan struct{}), make(chan error), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		<-open
		opened <- openPrivately()
		<-end
	}()
	before := inventory()
	close(open)
	err := <-opened
	left := leftovers(before, soon)
	close(end)
	<-ended
	if err != nil {
		t.Skipf("a private descriptor table: %v", err)
	}
	wantOneLeft(t, left, "descriptor ", "-> pipe:[")
	if left := leftovers(before, settle); len(left) != 0 {
		t.Errorf("leftovers = %q after the thread has ended; want none", left)
	}
}

// openPrivately gives the calling thread its own descriptor table and leaves one end of a pipe open there.
func openPrivately() error {
	if err := unix.Unshare(unix.CLONE_FILES); err != nil {
		return err
	}
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return err
	}
	return unix.Close(p[0])
}

func wantOneLeft(t *testing.T, left []string, parts ...string) {
	t.Helper()
	if len(left) != 1 {
		t.Fatalf("leftovers = %q; want one", left)
	}
	for _, part := range parts {
		if !strings.Contains(left[0], part) {
			t.Errorf("leftovers = %q; want it to contain %q", left[0], part)
		}
	}
}

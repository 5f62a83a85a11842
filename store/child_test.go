package store

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
)

const (
	childRooms   = 20
	childHistory = 50 // entries of a room
	childEpoch   = 4711
)

func childRoom(i int) string { return fmt.Sprintf("room-%d", i) }

// playChild is the main function of the other process. role is a policy's name, a space and the path of the file.
func playChild(role string) {
	name, path, _ := strings.Cut(role, " ")
	policy, err := ParsePolicy(name)
	if err == nil {
		err = publishForEver(Config{Path: path, Policy: policy})
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// publishForEver goes on where the file ends, and prints a line for each publication once it is done.
func publishForEver(c Config) error {
	s, err := Open(c)
	if err != nil {
		return err
	}
	offsets := make(map[string]uint64)
	err = s.Load(func(room []byte, _, offset uint64, _ [][]byte) error {
		offsets[string(room)] = offset
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Println("ready 0")
	for slots := make(chan struct{}, 100); ; {
		room := childRoom(rand.IntN(childRooms))
		offsets[room]++
		offset := offsets[room]
		r := publication(room, childEpoch, offset, offset-min(offset, childHistory)+1)
		r.Done = func(err error) {
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			fmt.Printf("%s %d\n", room, offset)
			<-slots
		}
		slots <- struct{}{}
		if !s.Put(r) {
			return fmt.Errorf("Put(%s %d) = false", room, offset)
		}
	}
}

// process is the other process and what it has acknowledged.
type process struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
	acked map[string]uint64
	errs  *strings.Builder
}

// startChild returns a child that has the file open.
func startChild(t testing.TB, c Config) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%v %s", childRole, c.Policy, c.Path))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	ch := &process{cmd: cmd, lines: bufio.NewScanner(out), acked: make(map[string]uint64), errs: new(strings.Builder)}
	cmd.Stderr = ch.errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if !ch.lines.Scan() {
		_ = cmd.Wait()
		t.Fatalf("the child ended: %s", ch.errs)
	}
	return ch
}

// read notes up to n acknowledgements and reports whether there were that many.
func (ch *process) read(t testing.TB, n int) bool {
	t.Helper()
	for range n {
		if !ch.lines.Scan() {
			return false
		}
		var room string
		var offset uint64
		if _, err := fmt.Sscan(ch.lines.Text(), &room, &offset); err != nil && err != io.EOF {
			return false // a line that the kill has cut
		}
		if offset != ch.acked[room]+1 && ch.acked[room] != 0 {
			t.Errorf("%s: %d acknowledged after %d", room, offset, ch.acked[room])
		}
		ch.acked[room] = offset
	}
	return true
}

// kill ends the child with SIGKILL and reads what it acknowledged before.
func (ch *process) kill(t testing.TB) {
	t.Helper()
	if err := ch.cmd.Process.Kill(); err != nil {
		t.Fatalf("%v: %s", err, ch.errs)
	}
	for ch.read(t, 1000) {
	}
	_ = ch.cmd.Wait() // it was killed
}

// Under both policies a killed process loses nothing that it has acknowledged, and no epoch.
func TestKillKeepsWhatIsDone(t *testing.T) {
	for _, p := range []Policy{Always, Interval} {
		t.Run(p.String(), func(t *testing.T) {
			c, log := newConfig(t, p)
			for range rounds(25) {
				ch := startChild(t, c)
				if !ch.read(t, 1+rand.IntN(1500)) {
					t.Fatalf("the child ended: %s", ch.errs)
				}
				ch.kill(t)
				s := mustOpen(t, c)
				checkChild(t, loadAll(t, s), ch.acked)
				mustClose(t, s)
			}
			if log.String() != "" {
				t.Errorf("log: %s", log)
			}
		})
	}
}

func checkChild(t *testing.T, all map[string]history, acked map[string]uint64) {
	t.Helper()
	for room, offset := range acked {
		if all[room].offset < offset {
			t.Errorf("%s is at %d; %d was acknowledged", room, all[room].offset, offset)
		}
	}
	for room, h := range all {
		if h.epoch != childEpoch || uint64(len(h.entries)) != min(h.offset, childHistory) {
			t.Errorf("%s = epoch %d, offset %d, %d entries", room, h.epoch, h.offset, len(h.entries))
		}
		checkEntries(t, room, h)
	}
}

// checkEntries fails the test unless h's entries are those published up to its offset.
func checkEntries(t *testing.T, room string, h history) {
	t.Helper()
	first := h.offset + 1 - uint64(len(h.entries))
	for i, e := range h.entries {
		if want := entryText(room, first+uint64(i)); e != want {
			t.Errorf("%s: entry %d of offset %d = %q; want %q", room, i, h.offset, e, want)
		}
	}
}

func TestOpenRefusesAFileInUse(t *testing.T) {
	c, _ := newConfig(t, Always)
	ch := startChild(t, c)
	defer ch.kill(t)
	_, err := Open(c)
	if want := "store: another process uses the file: " + c.Path; err == nil || err.Error() != want {
		t.Errorf("Open = %v; want %s", err, want)
	}
}

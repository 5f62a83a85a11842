package hub

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestRoomsOfEqualHash(t *testing.T) {
	var s shard
	s.init(New())
	const hash = 42
	names := []string{"a", "b", "c", "d"}
	for _, removed := range []int{0, 1, 2, 3} {
		ids := make(map[string]uint32)
		for _, name := range names {
			ids[name] = s.create(hash, []byte(name), 0)
		}
		s.forget(ids[names[removed]])
		for i, name := range names {
			want := ids[name]
			if i == removed {
				want = 0
			}
			if got := s.find(hash, []byte(name)); got != want {
				t.Errorf("without %q: find(%q) = %d; want %d", names[removed], name, got, want)
			}
		}
		for i, name := range names {
			if i != removed {
				s.forget(ids[name])
			}
		}
		if s.rooms.Live() != 0 || s.names.Live() != 0 {
			t.Fatalf("%d rooms, %d cells left", s.rooms.Live(), s.names.Live())
		}
	}
}

func TestBranchesOfARoom(t *testing.T) {
	h := New()
	var loops []*loop
	subs := make([]Subs, 5)
	for i := range subs {
		loops = append(loops, newLoop(h))
		loops[i].subscribe(t, 0, &subs[i], "r")
	}
	for _, i := range []int{2, 4, 0} { // from the middle, the head and the tail of the list
		loops[i].LeaveAll(&subs[i])
	}
	publish(h, "r", "x")
	for i, l := range loops {
		l.settle()
		want := ""
		if i == 1 || i == 3 {
			want = "x;"
		}
		if l.got[0] != want {
			t.Errorf("loop %d received %q; want %q", i, l.got[0], want)
		}
	}
}

// faultyInbox breaks the rule that a post does not fail.
type faultyInbox struct{}

func (faultyInbox) Post(Event) bool { panic("post failed") }
func (faultyInbox) Wake()           {}

func TestPanicUnderLockEndsTheProcess(t *testing.T) {
	const child = "EDGE_HUB_PANIC_UNDER_LOCK"
	if os.Getenv(child) != "" {
		defer func() { fmt.Println("recovered:", recover()) }()
		var s Subs
		_, _ = New().AddLoop(faultyInbox{}, nil).Subscribe(NewMember(1, 0), &s, 0, []byte("r"), nil)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), child+"=1")
	out, err := cmd.CombinedOutput()
	if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != 2 {
		t.Errorf("process ended with %v; want exit status 2", err)
	}
	if text := string(out); !strings.Contains(text, "post failed") || strings.Contains(text, "recovered") {
		t.Errorf("process said %q; want the panic and no recovery", text)
	}
}

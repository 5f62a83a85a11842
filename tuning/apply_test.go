package tuning

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/sys/unix"
)

const (
	somaxconn = "proc/sys/net/core/somaxconn"
	tcpMem    = "proc/sys/net/ipv4/tcp_mem"
)

// apply applies what h lacks for a million connections.
func apply(t *testing.T, h Host) (changes []Change, undo string, err error) {
	t.Helper()
	undo = filepath.Join(t.TempDir(), "undo.json")
	changes, err = check(t, h, plans["debian"]).Apply(h, undo)
	return changes, undo, err
}

func TestApplyAndUndo(t *testing.T) {
	h := load(t, "debian")
	before := maps.Clone(h.MapFS)
	changes, undo, err := apply(t, h)
	if err != nil || len(changes) != 21 {
		t.Fatalf("Apply = %d changes, %v; want 21", len(changes), err)
	}
	for _, c := range changes {
		if !c.Done || c.Error != "" || c.Name() == "" {
			t.Errorf("%+v", c)
		}
	}
	if got := string(h.MapFS[tcpMem].Data); got != "381177\t508236\t762354\n" {
		t.Errorf("tcp_mem is %q", got)
	}
	if got := string(h.MapFS[hugePages].Data); got != "always [madvise] never\n" {
		t.Errorf("huge pages are %q", got)
	}
	back, err := Undo(h, undo)
	if err != nil || len(back) != len(changes) || back[0].Path != changes[len(changes)-1].Path {
		t.Errorf("Undo = %v, %v", back, err)
	}
	for name, was := range before {
		if got := string(h.MapFS[name].Data); got != string(was.Data) {
			t.Errorf("after Undo %s is %q; want %q", name, got, was.Data)
		}
	}
	if _, err := os.Stat(undo); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the undo file is still there: %v", err)
	}
}

// What the kernel refuses is said, the rest is set, and the undo file has just that.
func TestApplyThatFailsInTheMiddle(t *testing.T) {
	h := load(t, "debian")
	h.refuses[tcpMem] = unix.EINVAL
	changes, undo, err := apply(t, h)
	if !errors.Is(err, unix.EINVAL) || !strings.Contains(err.Error(), tcpMem) || strings.Count(err.Error(), tcpMem) != 1 {
		t.Errorf("Apply = %v; want %v for tcp_mem", err, unix.EINVAL)
	}
	file, err := readUndo(h, undo)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range changes {
		failed := c.Path == tcpMem
		if c.Done == failed || (c.Error != "") != failed {
			t.Errorf("%+v", c)
		}
		if slices.ContainsFunc(file.Changes, func(f Change) bool { return f.Path == c.Path }) == failed {
			t.Errorf("%s is in the undo file: %v", c.Path, !failed)
		}
	}
	if mode, err := os.Stat(undo); err != nil || mode.Mode().Perm() != 0o600 {
		t.Errorf("undo file: %v, %v", mode, err)
	}
	if len(check(t, h, plans["debian"]).Only(Here).In(Short)) != 1 {
		t.Errorf("more than tcp_mem falls short after that")
	}
}

// Where nothing could be set no undo file stays.
func TestApplyThatFailsAltogether(t *testing.T) {
	h := load(t, "debian")
	for name := range h.MapFS {
		h.refuses[name] = unix.EPERM
	}
	changes, undo, err := apply(t, h)
	if !errors.Is(err, unix.EPERM) || slices.ContainsFunc(changes, func(c Change) bool { return c.Done }) {
		t.Errorf("Apply = %v, %v", changes, err)
	}
	if left, err := filepath.Glob(filepath.Dir(undo) + "/*"); err != nil || len(left) > 0 {
		t.Errorf("%q are left", left)
	}
}

// Without an undo file nothing is set.
func TestApplyNeedsItsUndoFile(t *testing.T) {
	h := load(t, "debian")
	taken := filepath.Join(t.TempDir(), "taken")
	if err := os.WriteFile(taken, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, undo := range []string{taken, filepath.Join(t.TempDir(), "no", "where")} {
		if _, err := check(t, h, plans["debian"]).Apply(h, undo); !errors.Is(err, ErrUndo) || len(h.writes) > 0 {
			t.Errorf("Apply with %s = %v, and wrote %v", undo, err, h.writes)
		}
	}
	if data, err := os.ReadFile(taken); string(data) != "mine" {
		t.Errorf("the file that was there is %q, %v", data, err)
	}
}

// A kernel that takes another value than it is told is found out, unless it rounds up, and what it has made of it is undone as well.
func TestApplyReadsBack(t *testing.T) {
	for _, r := range []struct {
		makes string // of 65535
		fine  bool
	}{
		{"4095", false}, {"65534", false}, {"65536", true}, {"131069", true}, {"131070", false}, {"9223372036854775807", false}, {"65535 1", false},
	} {
		h := &stubborn{load(t, "debian"), r.makes}
		changes, undo, err := apply(t, h)
		if (err == nil) != r.fine || !r.fine && !strings.Contains(err.Error(), `"`+r.makes+`"`) {
			t.Errorf("Apply with a somaxconn of %s = %v", r.makes, err)
		}
		i := slices.IndexFunc(changes, func(c Change) bool { return c.Path == somaxconn })
		if i < 0 || changes[i].Done != r.fine || changes[i].After != "65535" || changes[i].Became != r.makes {
			t.Errorf("Apply = %+v", changes)
		}
		h.makes = ""
		if _, err := Undo(h, undo); err != nil || string(h.MapFS[somaxconn].Data) != "4096\n" {
			t.Errorf("Undo = %v; somaxconn is %q", err, h.MapFS[somaxconn].Data)
		}
	}
}

// stubborn makes something else of somaxconn.
type stubborn struct {
	*recorded
	makes string
}

func (s *stubborn) Write(name, value string) error {
	if name == somaxconn && s.makes != "" {
		s.MapFS[name] = &fstest.MapFile{Data: []byte(s.makes + "\n")}
		return nil
	}
	return s.recorded.Write(name, value)
}

// An undo that fails in part keeps its file, and can be tried again.
func TestUndoThatFails(t *testing.T) {
	h := load(t, "debian")
	_, undo, err := apply(t, h)
	if err != nil {
		t.Fatal(err)
	}
	h.refuses[tcpMem] = unix.EBUSY
	if _, err := Undo(h, undo); !errors.Is(err, unix.EBUSY) {
		t.Errorf("Undo = %v", err)
	}
	if string(h.MapFS[somaxconn].Data) != "4096\n" {
		t.Error("it has put back nothing else")
	}
	delete(h.refuses, tcpMem)
	if _, err := Undo(h, undo); err != nil || string(h.MapFS[tcpMem].Data) != "93990\t125323\t187980\n" {
		t.Errorf("Undo = %v; tcp_mem is %q", err, h.MapFS[tcpMem].Data)
	}
}

// What others have set since is theirs: Undo leaves it, says so, and keeps the file.
func TestUndoLeavesWhatOthersSet(t *testing.T) {
	h := load(t, "debian")
	changes, undo, err := apply(t, h)
	if err != nil {
		t.Fatal(err)
	}
	theirs := map[string]string{somaxconn: "50000\n", tcpMem: "381177\t508236\t900000\n", hugePages: "always madvise [never]\n"}
	for name, value := range theirs {
		h.MapFS[name] = &fstest.MapFile{Data: []byte(value)}
	}
	for range 2 { // the second has nothing else to do
		h.writes = nil
		back, err := Undo(h, undo)
		if !errors.Is(err, ErrLeft) || !strings.Contains(err.Error(), `/proc/sys/net/core/somaxconn is "50000", and was set to "65535"`) || len(back) != len(changes) {
			t.Errorf("Undo = %v", err)
		}
		for _, c := range back {
			_, left := theirs[c.Path]
			if c.Done == left || strings.HasPrefix(c.Error, "left alone") != left || left && slices.Contains(h.writes, c.Path) {
				t.Errorf("%+v; wrote %v", c, h.writes)
			}
		}
		for name, value := range theirs {
			if got := string(h.MapFS[name].Data); got != value {
				t.Errorf("%s is %q; want %q", name, got, value)
			}
		}
		if _, err := os.Stat(undo); err != nil {
			t.Fatal(err)
		}
	}
	if len(h.writes) > 0 {
		t.Errorf("the second Undo wrote %v", h.writes)
	}
	for name := range theirs { // given up by those who had set it
		i := slices.IndexFunc(changes, func(c Change) bool { return c.Path == name })
		if err := h.Write(name, changes[i].After); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Undo(h, undo); err != nil || string(h.MapFS[somaxconn].Data) != "4096\n" {
		t.Errorf("Undo = %v; somaxconn is %q", err, h.MapFS[somaxconn].Data)
	}
}

// What is put back must come out as it was: here there is no rounding.
func TestUndoTakesNoRounding(t *testing.T) {
	h := &stubborn{load(t, "debian"), ""}
	_, undo, err := apply(t, h)
	if err != nil {
		t.Fatal(err)
	}
	h.makes = "4097"
	if _, err := Undo(h, undo); err == nil || !strings.Contains(err.Error(), `the kernel made it "4097"`) {
		t.Errorf("Undo = %v", err)
	}
	if _, err := os.Stat(undo); err != nil {
		t.Error(err)
	}
}

// A host is not set up for another one that has more memory; what asks for less than it has is applied.
func TestApplyIsForThisHost(t *testing.T) {
	for _, r := range []struct {
		host   string
		memory int64
		fine   bool
	}{
		{"debian", 0, true}, {"debian", 4 << 30, true}, {"debian", 8131776 << 10, true}, {"debian", 8131776<<10 + 1, false}, {"debian", 128 << 30, false},
		{"container1", 0, true}, {"unknown", 0, true}, {"unknown", 1 << 30, false}, // nobody knows what that has
	} {
		h, l := load(t, r.host), plans[r.host]
		l.Memory = r.memory
		report := check(t, h, l).Only(Here, OnHost)
		_, err := report.Planned(h)
		if (err == nil) != r.fine || !r.fine && !errors.Is(err, ErrLoad) {
			t.Errorf("Planned for %d bytes on %s = %v", r.memory, r.host, err)
		}
		if _, err := report.Apply(h, filepath.Join(t.TempDir(), "undo")); (err == nil) != r.fine || !r.fine && len(h.writes) > 0 {
			t.Errorf("Apply for %d bytes on %s = %v, and wrote %v", r.memory, r.host, err, h.writes)
		}
		var table strings.Builder
		if err := report.WriteTable(&table, false); err != nil || !r.fine && strings.Contains(table.String(), "--apply") {
			t.Errorf("the table for %d bytes on %s is %s, %v", r.memory, r.host, &table, err)
		}
	}
}

// A file of another boot, another namespace, somebody else, or about other files is refused.
func TestUndoRefusesStrangers(t *testing.T) {
	const boot, netns = "7f0b7d2a-6c3b-4f0a-9a57-3a1c7fd0e0aa", "net:[4026531840]"
	for what, u := range map[string]undoFile{
		"booted":             {undoAbout, "another", netns, nil},
		"network namespace":  {undoAbout, boot, "net:[1]", nil},
		"not one that":       {"", boot, netns, nil},
		"is not a setting":   {undoAbout, boot, netns, []Change{{Path: "proc/sys/kernel/core_pattern"}}},
		`"proc/sys/../x" is`: {undoAbout, boot, netns, []Change{{Path: "proc/sys/../x"}}},
	} {
		h := load(t, "debian")
		name := filepath.Join(t.TempDir(), "undo")
		if err := u.create(name); err != nil {
			t.Fatal(err)
		}
		if _, err := Undo(h, name); !errors.Is(err, ErrUndo) || !strings.Contains(err.Error(), what) || len(h.writes) > 0 {
			t.Errorf("%s: Undo = %v, and wrote %v", what, err, h.writes)
		}
	}
	if _, err := Undo(load(t, "debian"), "/nowhere"); !errors.Is(err, ErrUndo) {
		t.Errorf("Undo without a file = %v", err)
	}
}

// In a container nothing of the host's is touched.
func TestApplyInAContainer(t *testing.T) {
	h := load(t, "container1")
	if _, err := check(t, h, plans["container1"]).Apply(h, filepath.Join(t.TempDir(), "undo")); err != nil || len(h.writes) == 0 {
		t.Errorf("Apply = %v", err)
	}
	for _, name := range h.writes {
		if !strings.HasPrefix(name, "proc/sys/net/") {
			t.Errorf("it has set %s", name)
		}
	}
	h = load(t, "container2")
	if changes, err := check(t, h, plans["container2"]).Apply(h, "/nowhere"); err != nil || changes != nil || h.writes != nil {
		t.Errorf("Apply on a read-only /proc/sys = %v, %v", changes, err)
	}
}

// deploy/sysctl.d suits the host that it says it is for.
func TestDeployedSysctlsSuffice(t *testing.T) {
	conf, err := os.Open("../deploy/sysctl.d/60-edge.conf")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conf.Close() }()
	set, err := ParseSysctlConf(conf)
	if err != nil {
		t.Fatal(err)
	}
	h := load(t, "debian")
	for name, value := range set {
		if err := h.Write(sysctlPath(name), value); err != nil {
			h.MapFS[sysctlPath(name)] = &fstest.MapFile{Data: []byte(value)}
		}
	}
	for _, row := range check(t, h, Load{Connections: 500_000, Loops: 8, Memory: 16 << 30}).In(Short) {
		if row.sysctl && row.Name != "net.core.rps_sock_flow_entries" && row.Name != "net.core.netdev_max_backlog" { // of this device
			t.Errorf("%+v falls short", row)
		}
	}
}

func TestSysctlConfThatIsNone(t *testing.T) {
	if set, err := ParseSysctlConf(strings.NewReader("a.b = 1\nnonsense\n")); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("ParseSysctlConf = %v, %v", set, err)
	}
	set, err := ParseSysctlConf(strings.NewReader("# words\n; words\n\n-a/b=  1\t2 \n"))
	if err != nil || len(set) != 1 || set["a.b"] != "1 2" {
		t.Errorf("ParseSysctlConf = %q, %v", set, err)
	}
}

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/seed4ac54ce5/edge/tuning"
	"golang.org/x/sys/unix"
)

func TestTuneUsage(t *testing.T) {
	for args, says := range map[string]string{
		"":                                                   "--connections 1000000",
		"--connections 0":                                    "0 connections",
		"--connections many":                                 "--connections",
		"--connections 1 --memory 3x":                        `--memory: "3x"`,
		"--connections 1 --memory 0":                         "--memory 0",
		"--connections 1 --window 1":                         "window of 1",
		"--connections 1 --loops -1":                         "-1 loops",
		"--connections 1 --message-rate=-1":                  "-1 messages",
		"--connections 1 --drain -1s":                        "drain of -1s",
		"--connections 1 --where there":                      `--where "there"`,
		"--connections 1 --dry-run":                          "--apply",
		"--connections 1 --undo-file x":                      "--apply",
		"--connections 1 --apply --systemd":                  "--apply and --systemd",
		"--connections 1 --systemd --json":                   "--json",
		"--connections 1 --undo x":                           "leave out --connections",
		"--connections 1 --where here --systemd":             "--systemd takes all that there is: leave out --where",
		"--connections 1 --where unit --sysctl-conf":         "--sysctl-conf takes all that there is: leave out --where",
		"--where here --undo x":                              "leave out --where",
		"--connections 1 --memory 4096TiB --apply":           "memory of 4503599627370496 bytes",
		"--connections 1 --memory 4096TiB --apply --dry-run": "memory of 4503599627370496 bytes",
		"--undo x --apply":                                   "--undo and --apply",
		"--undo /nowhere/undo":                               "/nowhere/undo",
		"everything":                                         "everything",
	} {
		code, out, complaint := run(t, append([]string{"tune"}, strings.Fields(args)...)...)
		if code != exitUsage || out != "" || strings.Count(complaint, "\n") != 1 || !strings.Contains(complaint, says) {
			t.Errorf("edge tune %s = %d, %q, %q; want %d and one line that says %s", args, code, out, complaint, exitUsage, says)
		}
	}
}

// small is a host that shows little: two sysctls, and enough memory.
type small struct{ fstest.MapFS }

func newSmall() small {
	s := small{make(fstest.MapFS)}
	for name, text := range map[string]string{
		"proc/meminfo":                      "MemTotal: 64000000 kB\nSwapTotal: 0 kB",
		"proc/self/status":                  "Uid:\t0\t0\t0\t0\nCpus_allowed_list:\t0-3",
		"proc/self/limits":                  "Max open files 1048576 1048576 files",
		"proc/self/environ":                 "GOMEMLIMIT=1GiB",
		"proc/sys/kernel/osrelease":         "6.12.0",
		"proc/sys/fs/nr_open":               "1048576",
		"proc/sys/vm/max_map_count":         "65530",
		"proc/sys/net/core/somaxconn":       "128",
		"proc/sys/net/ipv4/tcp_mem":         "9000000 9000000 9000000",
		"proc/sys/net/ipv4/tcp_fin_timeout": "60",
	} {
		s.MapFS[name] = &fstest.MapFile{Data: []byte(text + "\n")}
	}
	return s
}

func (s small) Writable(string) error { return nil }

func (s small) Write(name, value string) error {
	s.MapFS[name] = &fstest.MapFile{Data: []byte(strings.TrimSpace(value) + "\n")}
	return nil
}

// runTune runs edge tune with args on a host.
func runTune(t *testing.T, h tuning.Host, args string) (code int, out string) {
	t.Helper()
	var b bytes.Buffer
	c := tuneCommandOn(h)
	c.SilenceUsage, c.SilenceErrors = true, true
	c.SetArgs(strings.Fields(args))
	c.SetOut(&b)
	if err := c.ExecuteContext(t.Context()); err != nil {
		code = exitCode(err)
	}
	return code, b.String()
}

// The life of a host that falls short: seen, planned, applied, clean, put back.
func TestTune(t *testing.T) {
	h := newSmall()
	before := maps.Clone(h.MapFS)
	undo := filepath.Join(t.TempDir(), "undo.json")
	for _, step := range []struct {
		args string
		code int
		says []string
	}{
		{"--connections 100000", exitNo, []string{"2 settings fall short for 100000", "net.core.somaxconn", "128 ", " 8192 ", "would set 2 of them", "fits 61.0 GiB"}},
		{"--connections 100000 --all", exitNo, []string{"settings are fine\n", "GOMEMLIMIT"}},
		{"--connections 100000 --where unit", 0, []string{"no setting falls short"}},
		{"--connections 100000 --sysctl-conf", 0, []string{"\nnet.core.somaxconn = 8192\n", "\nnet.ipv4.tcp_fin_timeout = 15\n"}},
		{"--connections 100000 --systemd", 0, []string{"[Service]\n", "\nLimitNOFILE=35346\n", "\nTimeoutStopSec=150\n"}},
		{"--connections 100000 --apply --dry-run", exitNo, []string{"would set net.core.somaxconn: 128 -> 8192", "2 settings fall short"}},
		{"--connections 100000 --apply --where host --undo-file " + undo, 0, []string{"nothing that falls short can be set", "no setting falls short"}},
		{"--connections 100000 --apply --where unit --dry-run", 0, []string{"nothing that falls short can be set"}},
		{"--connections 100000 --memory 62GiB", exitNo, []string{"2 settings fall short"}},
		{"--connections 100000 --memory 62GiB --apply --undo-file " + undo, exitUsage, nil},
		{"--connections 100000 --memory 16GiB --where here,unit --apply --dry-run", exitNo, []string{"would set net.core.somaxconn: 128 -> 8192", "2 settings fall short"}},
		{"--connections 100000 --apply --undo-file " + undo, 0, []string{"set net.core.somaxconn: 128 -> 8192\n", "edge tune --undo " + undo, "no setting falls short"}},
		{"--connections 100000", 0, []string{"no setting falls short"}},
		{"--connections 100000 --apply --undo-file " + undo, 0, []string{"nothing that falls short can be set"}},
		{"--connections 100000 --memory 1GiB", exitNo, []string{"DOES NOT FIT 1.0 GiB"}},
		{"--undo " + undo, 0, []string{"put back net.ipv4.tcp_fin_timeout: 15 -> 60\n"}},
		{"--undo " + undo, exitUsage, nil},
	} {
		code, out := runTune(t, h, step.args)
		if code != step.code {
			t.Errorf("edge tune %s = %d, %s; want %d", step.args, code, out, step.code)
		}
		for _, s := range step.says {
			if !strings.Contains(out, s) {
				t.Errorf("edge tune %s says %s; want %q", step.args, out, s)
			}
		}
	}
	for name, was := range before {
		if got := h.MapFS[name]; !bytes.Equal(got.Data, was.Data) {
			t.Errorf("%s is %q in the end; want %q", name, got.Data, was.Data)
		}
	}
}

// What the kernel refuses is said with its reason, and in one line what to do.
func TestTuneRefused(t *testing.T) {
	h := newSmall()
	undo := filepath.Join(t.TempDir(), "undo.json")
	for name, step := range map[string]struct {
		host      tuning.Host
		undo      string
		out, says string
	}{
		"not root":     {refusing{h, unix.EACCES}, undo, "NOT set net.core.somaxconn: 128 -> 8192: permission denied\n", "2 of 2 settings were refused: run it as root"},
		"not possible": {refusing{h, unix.EINVAL}, undo, "NOT set net.core.somaxconn: 128 -> 8192: invalid argument\n", "2 of 2 settings were refused\n"},
		"no undo file": {h, "/nowhere/undo.json", "", "nothing has been set"},
	} {
		var out bytes.Buffer
		c := tuneCommandOn(step.host)
		c.SilenceUsage, c.SilenceErrors = true, true
		c.SetArgs([]string{"--connections", "100000", "--apply", "--undo-file", step.undo})
		c.SetOut(&out)
		err := c.ExecuteContext(t.Context())
		if exitCode(err) != exitNo || !strings.Contains(err.Error(), step.says) || !strings.Contains(out.String(), step.out) || strings.Contains(out.String(), "to put it back") {
			t.Errorf("%s: %v, %s; want %q and %q", name, err, out.String(), step.says, step.out)
		}
	}
	if got := string(h.MapFS["proc/sys/net/core/somaxconn"].Data); got != "128\n" {
		t.Errorf("somaxconn is %q", got)
	}
}

// What went wrong while setting is said even if the host cannot be checked after that.
func TestTuneChecksInVain(t *testing.T) {
	h := newSmall()
	c := &tune{load: tuning.Load{Connections: 100_000}, undoFile: filepath.Join(t.TempDir(), "undo.json")}
	c.host = forgetful{refusing{h, unix.EINVAL}, c}
	r, err := tuning.Check(h, c.load)
	if err != nil {
		t.Fatal(err)
	}
	err = c.change(new(bytes.Buffer), r)
	if exitCode(err) != exitNo || !errors.Is(err, tuning.ErrLoad) || !strings.Contains(err.Error(), "2 of 2 settings were refused") {
		t.Errorf("change = %v; want that 2 settings were refused, and %v", err, tuning.ErrLoad)
	}
}

// forgetful is a host where writing loses what was asked for.
type forgetful struct {
	refusing
	tune *tune
}

func (f forgetful) Write(name, value string) error {
	f.tune.load = tuning.Load{}
	return f.refusing.Write(name, value)
}

// What others have set since --apply stays, and so does the undo file.
func TestTuneUndoLeaves(t *testing.T) {
	h := newSmall()
	undo := filepath.Join(t.TempDir(), "undo.json")
	if code, out := runTune(t, h, "--connections 100000 --apply --undo-file "+undo); code != 0 {
		t.Fatalf("edge tune --apply = %d, %s", code, out)
	}
	const somaxconn = "proc/sys/net/core/somaxconn"
	if err := h.Write(somaxconn, "9999"); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	c := tuneCommandOn(h)
	c.SilenceUsage, c.SilenceErrors = true, true
	c.SetArgs([]string{"--undo", undo})
	c.SetOut(&out)
	err := c.ExecuteContext(t.Context())
	if exitCode(err) != exitNo || !strings.Contains(err.Error(), "1 of 2 settings were refused, or left alone") ||
		!strings.Contains(out.String(), "NOT put back net.core.somaxconn: 9999 -> 128: left alone") || !strings.Contains(out.String(), "put back net.ipv4.tcp_fin_timeout: 15 -> 60\n") {
		t.Errorf("edge tune --undo = %v, %s", err, &out)
	}
	if got := string(h.MapFS[somaxconn].Data); got != "9999\n" {
		t.Errorf("somaxconn is %q", got)
	}
	if _, err := os.Stat(undo); err != nil {
		t.Error(err)
	}
}

// refusing is a host that takes nothing.
type refusing struct {
	small
	with error
}

func (r refusing) Write(string, string) error { return r.with }

// With --json there is one object, whatever is done.
func TestTuneJSON(t *testing.T) {
	h := newSmall()
	undo := filepath.Join(t.TempDir(), "undo.json")
	for _, step := range []struct {
		args    string
		clean   bool
		changes int
	}{
		{"--connections 100000 --json", false, 0},
		{"--connections 100000 --json --apply --dry-run", false, 2},
		{"--connections 100000 --json --apply --undo-file " + undo, true, 2},
		{"--connections 100000 --json", true, 0},
		{"--json --undo " + undo, false, 2},
	} {
		_, out := runTune(t, h, step.args)
		var o tuned
		d := json.NewDecoder(strings.NewReader(out))
		o.Report = new(tuning.Report)
		if err := d.Decode(&o); err != nil || d.More() || o.Clean != step.clean || len(o.Changes) != step.changes {
			t.Errorf("edge tune %s = %s (%v)", step.args, out, err)
		}
	}
}

// In a network namespace of its own, with the real kernel: what the namespace owns is set, found clean, and put back.
func TestTuneInANamespace(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a network namespace needs root")
	}
	undo := filepath.Join(t.TempDir(), "undo.json")
	inNamespace(t, func() {
		before := ownSysctls(t)
		_, first := namespaceTune(t, "--apply", "--dry-run")
		if len(first.Changes) == 0 || before["net.core.somaxconn"] == "65535" {
			t.Fatalf("nothing falls short: %+v", first)
		}
		_, applied := namespaceTune(t, "--apply", "--undo-file", undo)
		if len(applied.Changes) != len(first.Changes) {
			t.Errorf("%d changes; planned were %d", len(applied.Changes), len(first.Changes))
		}
		for _, c := range applied.Changes {
			if !c.Done || !strings.HasPrefix(c.Path, "proc/sys/net/") {
				t.Errorf("%+v; want one of the namespace's own, done", c)
			}
		}
		if code, again := namespaceTune(t, "--where", "here"); code != 0 || !again.Clean || len(again.Rows) == 0 {
			t.Errorf("the second run = %d, %+v", code, again)
		}
		inNamespace(t, func() { // another one
			if code, _, complaint := run(t, "tune", "--undo", undo); code != exitUsage || !strings.Contains(complaint, "another network namespace") {
				t.Errorf("edge tune --undo in another namespace = %d, %s", code, complaint)
			}
		})
		if code, out, complaint := run(t, "tune", "--undo", undo); code != 0 || complaint != "" {
			t.Errorf("edge tune --undo = %d, %s, %s", code, out, complaint)
		}
		if after := ownSysctls(t); !maps.Equal(before, after) {
			t.Errorf("after --undo the namespace has %v; it had %v", after, before)
		}
	})
}

// inNamespace runs f on a thread in a new network namespace, which both end together. Processes that f starts are in it too.
func inNamespace(t *testing.T, f func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		defer func() { done <- err }()
		if err == nil {
			f()
		}
	}()
	if err := <-done; err != nil {
		t.Skipf("no network namespace: %v", err)
	}
}

// namespaceTune runs edge tune for a million connections on the calling thread's namespace.
func namespaceTune(t *testing.T, args ...string) (code int, o tuned) {
	t.Helper()
	code, out, complaint := run(t, append([]string{"tune", "--connections", "1000000", "--json"}, args...)...)
	if err := json.Unmarshal([]byte(out), &o); err != nil {
		t.Errorf("edge tune %q = %d, %q, %q: %v", args, code, out, complaint, err)
	}
	return code, o
}

// ownSysctls returns what the calling thread's namespace has.
func ownSysctls(t *testing.T) map[string]string {
	t.Helper()
	out, err := exec.Command("sh", "-c", "cd /proc/sys/net && head -n 100 core/somaxconn ipv4/tcp_* ipv4/ip_local_port_range 2>/dev/null").Output()
	if len(out) == 0 {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for part := range strings.SplitSeq(string(out), "==> ") {
		name, value, _ := strings.Cut(part, " <==\n")
		all["net."+strings.ReplaceAll(name, "/", ".")] = strings.TrimSpace(value)
	}
	if slices.Contains(slices.Collect(maps.Keys(all)), "net.ipv4.tcp_mem") {
		t.Fatal("this is the host's own namespace")
	}
	return all
}

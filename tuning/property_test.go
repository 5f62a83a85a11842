package tuning

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"
)

const seed = 5

// random returns a load that Check takes.
func random(r *rand.Rand) Load {
	l := Load{Connections: 1 + r.IntN(10_000_000), Loops: r.IntN(65), TLS: r.IntN(2) == 0, SharedTables: r.IntN(2) == 0, Messages: r.IntN(3_000_000)}
	if r.IntN(2) == 0 {
		l.Memory = 1 << (28 + r.IntN(12))
	}
	if r.IntN(4) == 0 {
		l.Window = minWindow + r.Int64N(maxWindow-minWindow)
	}
	return l
}

// shrinks are the fields of settings that more connections make smaller; all others only grow.
var shrinks = map[string][]bool{
	"net.ipv4.tcp_wmem": {false, true, true}, "net.ipv4.tcp_rmem": {false, true, true},
	"vm.swappiness": {true}, "GOMEMLIMIT": {true},
}

// vector returns the numbers of what r wants.
func vector(r Row) []int64 {
	text := strings.TrimSuffix(strings.TrimSuffix(r.Wanted, "MiB"), " CPUs")
	if v, ok := parseNumbers(text); ok {
		return v
	}
	return nil // a word, or the like
}

// What is wanted only ever goes one way as connections grow, and so does the sum.
func TestMonotone(t *testing.T) {
	r := rand.New(rand.NewPCG(seed, 1))
	for _, name := range all(t) {
		h := load(t, name)
		for range 25 {
			small := random(r)
			large := small
			large.Connections = small.Connections + r.IntN(5_000_000)
			a, b := check(t, h, small), check(t, h, large)
			if a.Memory.Sum > b.Memory.Sum || a.CPU.Busy > b.CPU.Busy || a.Memory.State == Short && b.Memory.State != Short {
				t.Errorf("%s: %+v and %+v for %d more connections", name, a.Memory, b.Memory, large.Connections-small.Connections)
			}
			wanted := make(map[string][]int64)
			for _, row := range a.Rows {
				wanted[row.Name] = vector(row)
			}
			for _, row := range b.Rows {
				less, more := wanted[row.Name], vector(row)
				for i := range min(len(less), len(more)) {
					down := shrinks[row.Name] != nil && shrinks[row.Name][i]
					if !down && less[i] > more[i] || down && less[i] < more[i] {
						t.Errorf("%s: %s is wanted to be %v for %+v, and %v for %d", name, row.Name, less, small, more, large.Connections)
					}
				}
			}
		}
	}
}

// What fits does so with a tenth to spare, and what fits has room for what TCP may take.
func TestFeasibleFits(t *testing.T) {
	r := rand.New(rand.NewPCG(seed, 2))
	fits := 0
	for range 150 {
		l := random(r)
		l.Memory = 1 << (28 + r.IntN(12))
		m := check(t, load(t, "tuned32"), l).Memory
		parts := m.Kernel + m.Process + m.InFlight + m.Tracking + m.Free
		if m.Sum != parts || (m.State == Fine) != (parts < l.Memory) || m.State == Unknown {
			t.Errorf("%+v: %+v", l, m)
		}
		if m.State != Fine {
			continue
		}
		fits++
		if m.Kernel+m.Process+m.InFlight > l.Memory*9/10 {
			t.Errorf("%+v fits, with %+v", l, m)
		}
	}
	if fits < 20 || fits > 130 {
		t.Errorf("%d of 150 loads fit: they say little", fits)
	}
}

// Nothing is lowered but what is a cost.
func TestNeverLowers(t *testing.T) {
	r := rand.New(rand.NewPCG(seed, 3))
	costs := []string{"net.ipv4.tcp_wmem", "net.ipv4.tcp_rmem", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_retries2", "net.ipv4.tcp_synack_retries",
		"net.ipv4.tcp_slow_start_after_idle", "net.netfilter.nf_conntrack_tcp_timeout_established", "vm.swappiness", "net.ipv4.ip_local_port_range"}
	for range 50 {
		h := load(t, "tuned32")
		for _, rule := range rules {
			name := sysctlPath(rule.name)
			if f := h.MapFS[name]; f != nil && len(strings.Fields(string(f.Data))) == 1 {
				h.MapFS[name] = &fstest.MapFile{Data: fmt.Appendln(nil, r.Int64N(1<<(1+r.IntN(40))))}
			}
		}
		for _, row := range check(t, h, random(r)).Rows {
			now, ok := parseNumbers(row.Now)
			if !ok || row.State != Short || slices.Contains(costs, row.Name) {
				continue
			}
			for i, v := range vector(row) {
				if v < now[i] {
					t.Errorf("%s is lowered from %s to %s", row.Name, row.Now, row.Wanted)
				}
			}
		}
	}
}

// With whatever missing or odd, there is a report, and a setting that the kernel lacks is not in it.
func TestUnknownKernelsDegrade(t *testing.T) {
	r := rand.New(rand.NewPCG(seed, 4))
	odd := []string{"", "max", "-1", "18446744073709551616", "x y z", "4096 16384", "0", "\x00\xff", "[", "1-", strings.Repeat("9", 300), "always [", "0-99999"}
	for _, name := range all(t) {
		whole := load(t, name)
		files := slices.Sorted(maps.Keys(whole.MapFS))
		for range 30 {
			h := &recorded{MapFS: maps.Clone(whole.MapFS), readOnly: whole.readOnly}
			for _, file := range files {
				switch r.IntN(6) {
				case 0:
					delete(h.MapFS, file)
				case 1:
					if h.MapFS[file].Mode&fs.ModeType == 0 {
						h.MapFS[file] = &fstest.MapFile{Data: []byte(odd[r.IntN(len(odd))])}
					}
				}
			}
			report := check(t, h, random(r))
			for _, row := range report.Rows {
				expectSound(t, h, row)
			}
			var b bytes.Buffer
			if err := report.WriteTable(&b, true); err != nil || bytes.ContainsAny(b.Bytes(), "\x00") || !utf8.Valid(b.Bytes()) {
				t.Errorf("%s: %v, table %q", name, err, b.String())
			}
		}
	}
}

// expectSound fails t unless r says something that can be so.
func expectSound(t *testing.T, h *recorded, r Row) {
	t.Helper()
	switch {
	case r.Name == "" || r.Why == "" || r.Where == "" || r.State == "":
		t.Errorf("%+v is not complete", r)
	case (r.State == Unknown) != (r.Where == CannotTell):
		t.Errorf("%+v: unknown and cannot tell go together", r)
	case r.State == Short && (r.Now == "" || r.Wanted == "" || r.Now == r.Wanted):
		t.Errorf("%+v falls short of what it is", r)
	case r.State == Fine && r.Now != r.Wanted:
		t.Errorf("%+v is fine but differs", r)
	case r.sysctl && r.State != Unknown && h.MapFS[sysctlPath(r.Name)] == nil:
		t.Errorf("%+v is not a setting of this kernel", r)
	}
}

// After what can be set has been, nothing that can be falls short, and the file for sysctl.d says what is then so.
func TestAppliedIsClean(t *testing.T) {
	r := rand.New(rand.NewPCG(seed, 5))
	for _, name := range all(t) {
		for range 6 {
			h, l := load(t, name), random(r)
			l.Memory = min(l.Memory, readFacts(h).ram)
			before := maps.Clone(h.MapFS)
			undo := t.TempDir() + "/undo.json"
			changes, err := check(t, h, l).Apply(h, undo)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			after := check(t, h, l)
			if short := after.Only(Here).In(Short); len(short) > 0 {
				t.Errorf("%s for %+v: after Apply %+v falls short", name, l, short)
			}
			expectConf(t, h, after)
			if len(changes) == 0 {
				continue
			}
			if _, err := Undo(h, undo); err != nil {
				t.Errorf("%s: Undo = %v", name, err)
			}
			for file, was := range before {
				if now := h.MapFS[file]; !bytes.Equal(now.Data, was.Data) {
					t.Errorf("%s: after Undo %s is %q; it was %q", name, file, now.Data, was.Data)
				}
			}
		}
	}
}

// expectConf fails t unless r's file for sysctl.d comes back as r has it.
func expectConf(t *testing.T, h *recorded, r *Report) {
	t.Helper()
	var conf bytes.Buffer
	if err := r.WriteSysctlConf(&conf); err != nil {
		t.Fatal(err)
	}
	set, err := ParseSysctlConf(&conf)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range r.Rows {
		value, ok := set[row.Name]
		if want := row.sysctl && row.least && row.State != Unknown; ok != want || ok && value != row.Wanted {
			t.Errorf("sysctl.d has %s = %q (%v); want %q (%v)", row.Name, value, ok, row.Wanted, want)
		}
		delete(set, row.Name)
	}
	if len(set) > 0 {
		t.Errorf("sysctl.d sets %v besides", set)
	}
}

// FuzzReaders: no text of a kernel is too odd, and what is read as numbers is written as the same.
func FuzzReaders(f *testing.F) {
	for _, s := range []string{"4096\t16384 4194304\n", "0-3,8", "unlimited", "6.1.0-18-amd64", "always [madvise] never", " 24: 1 0 PCI-MSIX eth0-rx-1", "max 100000", "2GiB", "MemTotal: 12 kB"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if v, ok := parseNumbers(s); ok {
			back, ok := parseNumbers(formatNumbers(v))
			if !ok || !slices.Equal(v, back) {
				t.Errorf("parseNumbers(%q) = %v, and comes back as %v", s, v, back)
			}
		}
		if n, mask := parseCPUs(s), cpuMask(s); n < 0 || (n == 0) != (mask == "") {
			t.Errorf("parseCPUs(%q) = %d, and the mask is %q", s, n, mask)
		}
		if v, ok := parseLimit(s); ok && v < -1 {
			t.Errorf("parseLimit(%q) = %d", s, v)
		}
		if v, ok := parseBytes(s); ok && v < -1 {
			t.Errorf("parseBytes(%q) = %d", s, v)
		}
		if v, ok := kibibytes(s, "MemTotal"); ok && v < 0 {
			t.Errorf("kibibytes(%q) = %d", s, v)
		}
		if q := parseQuota(strings.Fields(s)); q < 0 {
			t.Errorf("parseQuota(%q) = %v", s, q)
		}
		parseRelease(s)
		interruptsOf(s, []string{"eth0"})
		set, err := ParseSysctlConf(strings.NewReader(s))
		if err != nil {
			return
		}
		var conf strings.Builder
		for name, value := range set {
			fmt.Fprintf(&conf, "%s = %s\n", name, value)
		}
		back, err := ParseSysctlConf(strings.NewReader(conf.String()))
		if err != nil && !strings.ContainsAny(s, "#;-/") || err == nil && !maps.Equal(set, back) && !strings.ContainsAny(s, "#;-/") {
			t.Errorf("ParseSysctlConf(%q) = %q, and comes back as %q, %v", s, set, back, err)
		}
	})
}

package admission

import (
	"errors"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// files is what there is below a root.
type files map[string]string

// with returns f with more, or other, files.
func (f files) with(more files) files {
	all := maps.Clone(f)
	maps.Copy(all, more)
	return all
}

// root makes a folder with the files in it.
func (f files) root(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for path, data := range f {
		f.write(t, root, path, data)
	}
	return root
}

func (f files) write(t *testing.T, root, path, data string) {
	t.Helper()
	path = filepath.Join(root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

const (
	mib    = 1 << 20
	noMore = "9223372036854771712\n" // version 1 without a limit
)

// bare is a host of 1 GiB without cgroups, where the process has 1000 pages, and data for 10 lies in sockets.
var bare = files{
	"proc/meminfo":      "MemTotal:        1048576 kB\nMemFree:          500000 kB\n",
	"proc/self/statm":   "5000 1000 300 5 0 123 0\n",
	"proc/net/sockstat": "sockets: used 17\nTCP: inuse 1 orphan 0 tw 1 alloc 1 mem 10\nUDP: inuse 0 mem 7\nFRAG: inuse 0 memory 0\n",
}

var pages1010 = 1010 * int64(os.Getpagesize())

// group2 and group1 are a cgroup with limits, 200 MiB of which 50 are file pages that can go at once.
func group2(dir, limit, high string) files {
	return files{
		dir + "/memory.max":     limit + "\n",
		dir + "/memory.high":    high + "\n",
		dir + "/memory.current": "209715200\n",
		dir + "/memory.stat":    "anon 1\nfile 2\ninactive_file 52428800\nactive_file 3\n",
	}
}

func group1(dir, limit string) files {
	return files{
		dir + "/memory.limit_in_bytes": limit,
		dir + "/memory.usage_in_bytes": "209715200\n",
		dir + "/memory.stat":           "cache 1\ninactive_file 7\ntotal_inactive_file 52428800\n",
	}
}

func TestUsage(t *testing.T) {
	v2 := bare.with(files{"proc/self/cgroup": "0::/edge.slice/edge.service\n"})
	v1 := bare.with(files{"proc/self/cgroup": "9:name=systemd:/a\n4:cpu,memory:/docker/0123\n0::/b\n"})
	const edge2, edge1 = "sys/fs/cgroup/edge.slice/edge.service", "sys/fs/cgroup/memory/docker/0123"
	own := pages1010 + 100*kernelPerConnection
	for _, row := range []struct {
		name       string
		files      files
		configured int64
		want       Usage
	}{
		{"host", bare, 0, Usage{own, 1024 * mib, "host", false}},
		{"configured", bare, 512 * mib, Usage{own, 512 * mib, "config", false}},
		{"configured past the host", bare, 4096 * mib, Usage{own, 1024 * mib, "host", false}},
		{"none", bare, -1, Usage{own, 0, "none", false}},
		{"none in a cgroup", v2.with(group2(edge2, "524288000", "max")), -1, Usage{own, 0, "none", false}},

		{"version 2", v2.with(group2(edge2, "524288000", "max")), 0, Usage{150 * mib, 500 * mib, "cgroup", false}},
		{"version 2, high", v2.with(group2(edge2, "524288000", "419430400")), 0, Usage{150 * mib, 400 * mib, "cgroup", false}},
		{"version 2, no limit", v2.with(group2(edge2, "max", "max")), 0, Usage{own, 1024 * mib, "host", false}},
		{"version 2, limit of the slice", v2.with(group2(edge2, "max", "max")).with(group2("sys/fs/cgroup/edge.slice", "524288000", "max")), 0,
			Usage{150 * mib, 500 * mib, "cgroup", false}},
		{"version 2, the slice's is larger", v2.with(group2(edge2, "419430400", "max")).with(group2("sys/fs/cgroup/edge.slice", "524288000", "max")), 0,
			Usage{150 * mib, 400 * mib, "cgroup", false}},
		{"version 2, path of the host", v2.with(group2("sys/fs/cgroup", "524288000", "max")), 0, Usage{150 * mib, 500 * mib, "cgroup", false}},
		{"version 2, past the host", v2.with(group2(edge2, "5242880000", "max")), 0, Usage{own, 1024 * mib, "host", false}},
		{"version 2, configured lower", v2.with(group2(edge2, "524288000", "max")), 100 * mib, Usage{own, 100 * mib, "config", false}},
		{"version 2, configured higher", v2.with(group2(edge2, "524288000", "max")), 600 * mib, Usage{150 * mib, 500 * mib, "cgroup", false}},
		{"version 2, root", bare.with(files{"proc/self/cgroup": "0::/\n"}), 0, Usage{own, 1024 * mib, "host", false}},

		{"version 1", v1.with(group1(edge1, "524288000\n")), 0, Usage{150 * mib, 500 * mib, "cgroup", false}},
		{"version 1, no limit", v1.with(group1(edge1, noMore)), 0, Usage{own, 1024 * mib, "host", false}},
		{"version 1, path of the host", v1.with(group1("sys/fs/cgroup/memory", "524288000\n")), 0, Usage{150 * mib, 500 * mib, "cgroup", false}},
		{"version 1, odd path", bare.with(files{"proc/self/cgroup": "4:memory:/../..\n"}).with(group1("sys/fs/cgroup/memory", "524288000\n")), 0,
			Usage{150 * mib, 500 * mib, "cgroup", false}},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := NewBudget(row.files.root(t), row.configured)
			if got, err := b.Sample(100); got != row.want || err != nil || b.Usage() != got {
				t.Errorf("Sample(100) = %+v, %v; want %+v", got, err, row.want)
			}
		})
	}
}

// The kernel this runs on says something that can be read.
func TestUsageOfThisHost(t *testing.T) {
	for _, limit := range []int64{0, 1 << 40, -1} {
		u, err := NewBudget("/", limit).Sample(0)
		if err != nil || u.Used < mib || limit >= 0 && u.Used > u.Limit {
			t.Errorf("limit %d: Sample = %+v, %v; want at least 1 MiB and less than the limit", limit, u, err)
		}
	}
}

func TestUnreadableUsage(t *testing.T) {
	for name, broken := range map[string]files{
		"no meminfo":         {"proc/meminfo": ""},
		"no number":          {"proc/meminfo": "MemTotal: many kB\n"},
		"no statm":           {"proc/self/statm": ""},
		"odd statm":          {"proc/self/statm": "5000 x\n"},
		"no TCP in sockstat": {"proc/net/sockstat": "sockets: used 17\n"},
		"no mem in sockstat": {"proc/net/sockstat": "TCP: inuse 1 orphan 0\n"},
		"odd limit":          {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "lots\n"},
		"limit and no use":   {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1000\n"},
	} {
		t.Run(name, func(t *testing.T) {
			root := bare.root(t)
			b := NewBudget(root, 0)
			before, err := b.Sample(0)
			if err != nil {
				t.Fatal(err)
			}
			room := b.room.Load()
			for path, data := range broken {
				bare.write(t, root, path, data)
			}
			if u, err := b.Sample(1000); err == nil || !strings.HasPrefix(err.Error(), "admission: ") || u != before {
				t.Errorf("Sample = %+v, %v; want an error and what held before", u, err)
			}
			if b.room.Load() != room {
				t.Error("an error has changed who is let in")
			}
		})
	}
	if _, err := NewBudget(t.TempDir(), 0).Sample(0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Sample without /proc: %v; want %v", err, fs.ErrNotExist)
	}
}

// used has the process use so much of a limit of 100 MiB, and samples.
func used(t *testing.T, b *Budget, bytes, conns int64) Usage {
	t.Helper()
	resident := (bytes - conns*kernelPerConnection) / int64(os.Getpagesize())
	files{}.write(t, b.host.root, "proc/self/statm", "9 "+strconv.FormatInt(resident-10, 10)+"\n")
	u, err := b.Sample(conns)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestMemoryHysteresis(t *testing.T) {
	b := NewBudget(bare.root(t), 100*mib)
	c := New(Options{Budget: b}, Limits{})
	for i, row := range []struct {
		used int64
		want Reason
	}{
		{50 * mib, None}, {89 * mib, None}, {91 * mib, Memory}, {89 * mib, Memory}, {86 * mib, Memory},
		{84 * mib, None}, {86 * mib, None}, {89 * mib, None}, {200 * mib, Memory}, {86 * mib, Memory}, {0, None},
	} {
		u := used(t, b, max(row.used, 12*int64(os.Getpagesize())), 0)
		if u.Refusing != (row.want == Memory) {
			t.Errorf("sample number %d, of %d: %+v; want refusing to be %v", i, row.used, u, row.want == Memory)
		}
		if ticket := expect(t, c, alice, 0, row.want); row.want == None {
			c.Release(ticket, 0)
		}
	}
}

// Between two samples conns are taken to cost what idle ones do: a storm does not run past the limit unseen.
func TestMemoryOfConnsSinceTheSample(t *testing.T) {
	b := NewBudget(bare.root(t), 100*mib)
	c := New(Options{Budget: b}, Limits{})
	u := used(t, b, 80*mib, 0)
	room := (90*mib - u.Used) / (kernelPerConnection + oursPerConnection)
	for range room {
		expect(t, c, alice, 0, None)
	}
	expect(t, c, alice, 0, Memory)
	c.Release(0, 0)
	expect(t, c, alice, 0, None)
	expect(t, c, alice, 0, Memory)

	used(t, b, 70*mib, c.Connections()) // they cost less than that, or something else has gone
	expect(t, c, alice, 0, None)
	used(t, b, 99*mib, c.Connections())
	expect(t, c, alice, 0, Memory)
	b.SetLimit(-1) // nobody need sample any more
	expect(t, c, alice, 0, None)
	if u := b.Usage(); u.Refusing || u.Limit != 0 || u.Source != "none" {
		t.Errorf("without a limit: %+v", u)
	}
	used(t, b, 99*mib, c.Connections())
	if b.room.Load() != math.MaxInt64 {
		t.Errorf("room = %d without a limit; want no end", b.room.Load())
	}
}

// Where a limit is taken away nobody samples any more: what the last sample has said is no longer true.
func TestNoMemoryLimitAdmitsAtOnce(t *testing.T) {
	b := NewBudget(bare.root(t), 100*mib)
	c := New(Options{Budget: b}, Limits{})
	used(t, b, 99*mib, 0)
	expect(t, c, alice, 0, Memory)
	b.SetLimit(-1)
	expect(t, c, alice, 0, None)
	if u := b.Usage(); u.Refusing {
		t.Errorf("Usage() = %+v without a limit; want nobody refused", u)
	}
}

func TestShare(t *testing.T) {
	for _, row := range []struct{ n, percent, want int64 }{
		{0, 90, 0}, {1, 90, 0}, {99, 90, 89}, {100, 90, 90}, {199, 85, 169},
		{math.MaxInt64, 100, math.MaxInt64}, {math.MaxInt64, 90, 8301034833169298226},
	} {
		if got := share(row.n, row.percent); got != row.want {
			t.Errorf("share(%d, %d) = %d; want %d", row.n, row.percent, got, row.want)
		}
	}
}

package bench

import (
	"os"
	"testing"
	"time"
)

func TestParseProcessCPU(t *testing.T) {
	const tail = " S 1 1 1 0 -1 4194304 97 0 0 0 250 125 0 0 20 0 1 0 188638 3133440 362\n"
	for _, name := range []string{"(edge)", "(a b) c)", "(((", "()"} {
		got, err := parseProcessCPU([]byte("23453 " + name + ")" + tail))
		if want := 3750 * time.Millisecond; got != want || err != nil {
			t.Errorf("parseProcessCPU(%s) = %v, %v; want %v", name, got, err, want)
		}
	}
	for _, bad := range []string{"", "1 (x) S", "1 (x) S 1 1 1 0 -1 0 0 0 0 0 a 1 0", "1 (x) S 1 1 1 0 -1 0 0 0 0 0 1 a 0"} {
		if got, err := parseProcessCPU([]byte(bad)); err == nil {
			t.Errorf("parseProcessCPU(%q) = %v; want an error", bad, got)
		}
	}
}

func TestParseMachineCPU(t *testing.T) {
	got, err := parseMachineCPU([]byte("cpu  100 1 50 800 30 2 7 10 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n"))
	if want := (machineCPU{total: 10 * time.Second, idle: 8300 * time.Millisecond, stolen: 100 * time.Millisecond}); got != want || err != nil {
		t.Errorf("parseMachineCPU = %+v, %v; want %+v", got, err, want)
	}
	for _, bad := range []string{"", "cpu 1 2 3", "cpu0 1 2 3 4 5 6 7 8 9 10", "cpu 1 2 3 x 5 6 7 8 9 10"} {
		if got, err := parseMachineCPU([]byte(bad)); err == nil {
			t.Errorf("parseMachineCPU(%q) = %+v; want an error", bad, got)
		}
	}
}

func TestMemoryFields(t *testing.T) {
	const sockstat = "sockets: used 14\nTCP: inuse 2 orphan 0 tw 3 alloc 2 mem 195\nUDP: inuse 0 mem 9\n"
	const rollup = "561cb822e000-7ffe81f0d000 ---p 00000000 00:00 0   [rollup]\nRss:      1620 kB\nPss:       341 kB\nPss_Dirty: 108 kB\n"
	for _, row := range []struct {
		file, name, word string
		unit, want       uint64
	}{
		{sockstat, "TCP:", "mem", 4096, 195 * 4096},
		{sockstat, "UDP:", "mem", 1, 9},
		{rollup, "Pss:", "", 1024, 341 << 10},
		{rollup, "Rss:", "", 1024, 1620 << 10},
	} {
		var got uint64
		f := memoryField{&got, row.name, row.word, row.unit}
		if err := f.parse([]byte(row.file)); got != row.want || err != nil {
			t.Errorf("%s %s = %d, %v; want %d", row.name, row.word, got, err, row.want)
		}
	}
	for _, f := range []memoryField{{new(uint64), "TCP6:", "", 1}, {new(uint64), "TCP:", "memory", 1}, {new(uint64), "TCP:", "", 1}} {
		if err := f.parse([]byte(sockstat)); err == nil {
			t.Errorf("%s %s was found", f.name, f.word)
		}
	}
}

func TestThisProcessCanBeRead(t *testing.T) {
	m, err := readMemory(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if m.Pss == 0 || m.Rss < m.Pss || m.Slab == 0 {
		t.Errorf("memory of this process is %+v", m)
	}
	if _, err := processCPU(os.Getpid()); err != nil {
		t.Error(err)
	}
	if c, err := readMachineCPU(); err != nil || c.total == 0 {
		t.Errorf("CPU time of the machine is %+v, %v", c, err)
	}
	if m, err := readMemory(1 << 30); err == nil {
		t.Errorf("memory of a process that is not there is %+v", m)
	}
}

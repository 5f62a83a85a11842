package bench

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// clockTick is the unit of CPU times in /proc: USER_HZ, which is 100 on every x86-64 and arm64.
const clockTick = time.Second / 100

// pageSize is what /proc/net/sockstat counts in.
var pageSize = uint64(os.Getpagesize())

// machineCPU is how all CPUs together have spent their time since boot.
type machineCPU struct {
	total, idle, stolen time.Duration
}

// memory is what one process and the kernel hold, in bytes.
type memory struct {
	Pss    uint64 `json:"process_pss"` // pages that others have too count in part
	Rss    uint64 `json:"process_rss"`
	Socket uint64 `json:"socket_buffers"` // of all TCP sockets of the machine
	Slab   uint64 `json:"kernel_slab"`    // kernel objects of the machine
}

// processCPU returns what process pid has used, in user and in system mode.
func processCPU(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	return parseProcessCPU(b)
}

// parseProcessCPU reads utime and stime, fields 14 and 15 of a stat file. The second field is a name in
// brackets that may hold anything.
func parseProcessCPU(b []byte) (time.Duration, error) {
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("bench: stat of a process has no times: %q", b)
	}
	user, err := strconv.ParseUint(string(fields[11]), 10, 63)
	if err != nil {
		return 0, fmt.Errorf("bench: stat of a process: %w", err)
	}
	system, err := strconv.ParseUint(string(fields[12]), 10, 63)
	if err != nil {
		return 0, fmt.Errorf("bench: stat of a process: %w", err)
	}
	return time.Duration(user+system) * clockTick, nil
}

// readMachineCPU reads the first line of /proc/stat.
func readMachineCPU() (machineCPU, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return machineCPU{}, err
	}
	return parseMachineCPU(b)
}

// parseMachineCPU reads user, nice, system, idle, iowait, irq, softirq and steal.
func parseMachineCPU(b []byte) (machineCPU, error) {
	line, _, _ := bytes.Cut(b, []byte{'\n'})
	fields := bytes.Fields(line)
	if len(fields) < 9 || string(fields[0]) != "cpu" {
		return machineCPU{}, fmt.Errorf("bench: /proc/stat begins with %q", line)
	}
	var t [8]time.Duration
	var m machineCPU
	for i := range t {
		n, err := strconv.ParseUint(string(fields[i+1]), 10, 63)
		if err != nil {
			return machineCPU{}, fmt.Errorf("bench: /proc/stat: %w", err)
		}
		t[i] = time.Duration(n) * clockTick
		m.total += t[i]
	}
	m.idle, m.stolen = t[3]+t[4], t[7]
	return m, nil
}

// readMemory reads what pid, if it is not 0, and the kernel hold.
func readMemory(pid int) (memory, error) {
	var m memory
	files := []struct {
		path   string
		fields []memoryField
	}{
		{"/proc/meminfo", []memoryField{{&m.Slab, "Slab:", "", 1 << 10}}},
		{"/proc/net/sockstat", []memoryField{{&m.Socket, "TCP:", "mem", pageSize}}},
	}
	if pid != 0 {
		files = append(files, files[0])
		files[2].path = fmt.Sprintf("/proc/%d/smaps_rollup", pid)
		files[2].fields = []memoryField{{&m.Pss, "Pss:", "", 1 << 10}, {&m.Rss, "Rss:", "", 1 << 10}}
	}
	for _, f := range files {
		b, err := os.ReadFile(f.path)
		if err != nil {
			return memory{}, err
		}
		for _, field := range f.fields {
			if err := field.parse(b); err != nil {
				return memory{}, fmt.Errorf("bench: %s: %w", f.path, err)
			}
		}
	}
	return m, nil
}

// processRSS returns the pages of process pid that are in memory, in bytes. Unlike smaps_rollup, which visits each of them, it costs
// the same for any process; the kernel's count may be off by some pages for each CPU.
func processRSS(pid int) (uint64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	return parseProcessRSS(b)
}

// parseProcessRSS reads the second field of a statm file.
func parseProcessRSS(b []byte) (uint64, error) {
	fields := bytes.Fields(b)
	if len(fields) < 2 {
		return 0, fmt.Errorf("bench: statm of a process: %q", b)
	}
	n, err := strconv.ParseUint(string(fields[1]), 10, 63)
	if err != nil {
		return 0, fmt.Errorf("bench: statm of a process: %w", err)
	}
	return n * pageSize, nil
}

// memoryField is where a number stands: on the line that begins with name, after the word given, or
// first.
type memoryField struct {
	to   *uint64
	name string
	word string
	unit uint64
}

// parse finds the number in b and stores it in bytes.
func (f *memoryField) parse(b []byte) error {
	for line := range bytes.Lines(b) {
		words := bytes.Fields(line)
		if len(words) == 0 || string(words[0]) != f.name {
			continue
		}
		for i := 1; i < len(words); i++ {
			if f.word == "" || string(words[i-1]) == f.word {
				n, err := strconv.ParseUint(string(words[i]), 10, 63)
				*f.to = n * f.unit
				return err
			}
		}
	}
	return fmt.Errorf("no %s %s", f.name, f.word)
}

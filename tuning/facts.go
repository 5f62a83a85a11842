package tuning

import (
	"fmt"
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
)

// facts is what can be read of a host. What cannot is 0, or the ok that comes with it is false.
type facts struct {
	Host
	release    string // of the kernel
	root       bool
	ownNetwork bool  // the process is in a network namespace other than the host's first
	ram        int64 // the host's, bytes
	swap       bool  // there is some, or nobody knows
	cpus       int   // that the process may use, its quota aside
	groups     groups
}

// readFacts reads what more than one setting depends on.
func readFacts(h Host) *facts {
	f := &facts{Host: h, swap: true}
	f.release, _ = f.text("proc/sys/kernel/osrelease")
	f.root = f.euid() == 0
	f.ownNetwork = f.exists("proc/sys/net/ipv4") && !f.exists("proc/sys/net/ipv4/tcp_mem") // which only the first has
	info, _ := f.text("proc/meminfo")
	f.ram, _ = kibibytes(info, "MemTotal")
	if total, ok := kibibytes(info, "SwapTotal"); ok {
		f.swap = total > 0
	}
	f.cpus = f.countCPUs()
	f.groups = readGroups(f)
	return f
}

// text returns the file of that name without the white space around it.
func (f *facts) text(name string) (string, bool) {
	data, err := fs.ReadFile(f.Host, name)
	return strings.TrimSpace(string(data)), err == nil
}

func (f *facts) exists(name string) bool {
	_, err := fs.Stat(f.Host, name)
	return err == nil
}

// list returns the names in a folder; none if there is no such folder.
func (f *facts) list(name string) []string {
	entries, err := fs.ReadDir(f.Host, name)
	if err != nil {
		return nil
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names
}

// numbers returns the fields of a sysctl, if they are whole numbers.
func (f *facts) numbers(sysctl string) ([]int64, bool) {
	text, ok := f.text(sysctlPath(sysctl))
	if !ok {
		return nil, false
	}
	return parseNumbers(text)
}

// number returns what the file of that name holds, if that is one whole number.
func (f *facts) number(name string) (int64, bool) {
	text, ok := f.text(name)
	if !ok {
		return 0, false
	}
	v, err := strconv.ParseInt(text, 10, 64)
	return v, err == nil
}

// memory returns the bytes that the process and its sockets may have, 0 if nobody knows.
func (f *facts) memory() int64 {
	if limit := f.groups.memory; limit > 0 && (f.ram == 0 || limit < f.ram) {
		return limit
	}
	return f.ram
}

// loops returns how many loops a node has unless it is told otherwise, as Go counts CPUs: those that the process may use, and no
// more than its control group has time for, but then at least 2.
func (f *facts) loops() int {
	n := max(f.cpus, 1)
	if f.groups.cpus > 0 {
		n = min(n, max(2, int(math.Ceil(f.groups.cpus))))
	}
	return n
}

// euid returns the effective user, -1 if nobody knows.
func (f *facts) euid() int {
	fields := strings.Fields(f.status("Uid"))
	if len(fields) < 2 {
		return -1
	}
	id, err := strconv.Atoi(fields[1])
	if err != nil {
		return -1
	}
	return id
}

// status returns a line of the process's status.
func (f *facts) status(key string) string {
	text, _ := f.text("proc/self/status")
	return lineOf(text, key)
}

// countCPUs returns how many CPUs the process may use, or those that there are.
func (f *facts) countCPUs() int {
	if n := parseCPUs(f.status("Cpus_allowed_list")); n > 0 {
		return n
	}
	online, _ := f.text("sys/devices/system/cpu/online")
	return parseCPUs(online)
}

// limit returns the soft and the hard limit of a resource, by its name in /proc/self/limits; -1 for none.
func (f *facts) limit(resource string) (soft, hard int64, ok bool) {
	text, _ := f.text("proc/self/limits")
	for line := range strings.Lines(text) {
		rest, found := strings.CutPrefix(line, resource)
		if fields := strings.Fields(rest); found && len(fields) >= 2 {
			soft, ok1 := parseLimit(fields[0])
			hard, ok2 := parseLimit(fields[1])
			return soft, hard, ok1 && ok2
		}
	}
	return 0, 0, false
}

// variable returns a variable of the process's environment.
func (f *facts) variable(name string) string {
	text, _ := f.text("proc/self/environ")
	for v := range strings.SplitSeq(text, "\x00") {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}

// sysctlPath returns the file of a sysctl, whose name has dots.
func sysctlPath(name string) string {
	return path.Join("proc/sys", strings.ReplaceAll(name, ".", "/"))
}

// lineOf returns what stands behind key and a colon in text.
func lineOf(text, key string) string {
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(line, ":"); ok && k == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// kibibytes returns a line of /proc/meminfo in bytes.
func kibibytes(text, key string) (int64, bool) {
	number, ok := strings.CutSuffix(lineOf(text, key), " kB")
	if !ok {
		return 0, false
	}
	v, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
	if err != nil || v < 0 || v > math.MaxInt64>>10 {
		return 0, false
	}
	return v << 10, true
}

// parseNumbers reads whole numbers with white space between them; there must be at least one.
func parseNumbers(text string) ([]int64, bool) {
	fields := strings.Fields(text)
	values := make([]int64, len(fields))
	for i, s := range fields {
		v, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return nil, false
		}
		values[i] = v
	}
	return values, len(values) > 0
}

// formatNumbers writes what parseNumbers reads.
func formatNumbers(values []int64) string {
	var b strings.Builder
	for i, v := range values {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(strconv.FormatInt(v, 10))
	}
	return b.String()
}

// parseLimit reads a limit: a number, or -1 for "unlimited" and "max".
func parseLimit(s string) (int64, bool) {
	if s == "unlimited" || s == "max" {
		return -1, true
	}
	v, err := strconv.ParseInt(s, 10, 64)
	return v, err == nil && v >= 0
}

// parseCPUs counts a list such as 0-3,8; 0 if it is none.
func parseCPUs(list string) int {
	n := 0
	for _, r := range cpuRanges(list) {
		n += r.last - r.first + 1
	}
	return n
}

// cpuRange is CPUs that follow each other.
type cpuRange struct{ first, last int }

// cpuRanges reads a list such as 0-3,8; nil if it is none.
func cpuRanges(list string) []cpuRange {
	var ranges []cpuRange
	for part := range strings.SplitSeq(strings.TrimSpace(list), ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		a, err1 := strconv.ParseUint(first, 10, 16)
		b, err2 := strconv.ParseUint(last, 10, 16)
		if err1 != nil || err2 != nil || b < a {
			return nil
		}
		ranges = append(ranges, cpuRange{int(a), int(b)})
	}
	return ranges
}

// ParseSize reads a number of bytes: 65536, 64KiB, 16GiB.
func ParseSize(s string) (int64, error) {
	v, ok := parseBytes(strings.ReplaceAll(s, " ", ""))
	if !ok || v < 0 {
		return 0, fmt.Errorf("%q is no size; write bytes, or a number with KiB, MiB, GiB or TiB", s)
	}
	return v, nil
}

// parseBytes reads a number of bytes as the Go runtime takes it in GOMEMLIMIT: 100, 100B, 2GiB; -1 for off.
func parseBytes(s string) (int64, bool) {
	if s == "off" {
		return -1, true
	}
	for i, unit := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if number, ok := strings.CutSuffix(s, unit); ok {
			v, err := strconv.ParseInt(number, 10, 64)
			shift := 10 * (i + 1)
			return v << shift, err == nil && v >= 0 && v <= math.MaxInt64>>shift
		}
	}
	v, err := strconv.ParseInt(strings.TrimSuffix(s, "B"), 10, 64)
	return v, err == nil && v >= 0
}

package tuning

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// hostRows are what is neither the process's nor a sysctl.
func hostRows(f *facts, n *need) []Row {
	rows := []Row{kernelRow(f), hashRow(f, n)}
	if row, ok := clockRow(f); ok {
		rows = append(rows, row)
	}
	if row, ok := hugePagesRow(f); ok {
		rows = append(rows, row)
	}
	return rows
}

// leastKernel is the first that can hand over who waits for a listener; private descriptor tables came with 5.9.
var leastKernel = release{5, 14}

// features are what came with a kernel after leastKernel, where that matters, and what its lack means.
var features = []struct {
	since   release
	matters func(f *facts) bool
	lack    string
}{
	{release{6, 1}, func(f *facts) bool { return f.ownNetwork },
		"a network namespace has no hash table of its own (tcp_child_ehash_entries, Linux 6.1): all share the host's"},
}

// release is the number of a kernel.
type release struct{ major, minor int }

func (r release) before(o release) bool {
	return r.major < o.major || r.major == o.major && r.minor < o.minor
}

func (r release) String() string { return fmt.Sprintf("%d.%d", r.major, r.minor) }

// parseRelease reads the front of a kernel's name: 6.1.0-18-amd64.
func parseRelease(s string) (release, bool) {
	major, rest, ok := strings.Cut(s, ".")
	end := strings.IndexFunc(rest, func(c rune) bool { return c < '0' || c > '9' })
	if end < 0 {
		end = len(rest)
	}
	a, err1 := strconv.ParseUint(major, 10, 16)
	b, err2 := strconv.ParseUint(rest[:end], 10, 16)
	return release{int(a), int(b)}, ok && err1 == nil && err2 == nil
}

func kernelRow(f *facts) Row {
	row := Row{Name: "kernel", Now: shorten(f.release), Wanted: leastKernel.String(), Where: AtBoot, State: Fine,
		Why: "5.14 hands over who waits for a listener that closes; 5.9 lets a loop have its own descriptor table"}
	switch v, ok := parseRelease(f.release); {
	case !ok:
		row.Where, row.State = CannotTell, Unknown
	case v.before(leastKernel):
		row.State = Short
	default:
		row.Wanted = row.Now
	}
	return row
}

// kernelNotes says what the running kernel cannot do, if it is known.
func kernelNotes(f *facts) []string {
	v, ok := parseRelease(f.release)
	if !ok {
		return nil
	}
	var notes []string
	for _, feature := range features {
		if v.before(feature.since) && feature.matters(f) {
			notes = append(notes, feature.lack)
		}
	}
	return notes
}

// hashRow is about the hash table of all connections. A namespace shows that of the host as a negative number.
func hashRow(f *facts, n *need) Row {
	row := Row{Name: "thash_entries", Wanted: strconv.FormatInt(n.hashBuckets(), 10), Where: CannotTell, State: Unknown,
		Why: "hash table of connections: with more than two to a bucket each packet takes longer"}
	now, ok := f.number(sysctlPath("net.ipv4.tcp_ehash_entries"))
	if !ok || now == 0 {
		return row
	}
	row.Where, row.State = AtBoot, Fine
	if f.ownNetwork && now > 0 {
		row.Where, row.Why = OnHost, row.Why+"; this namespace has its own, by tcp_child_ehash_entries of the host before it was made"
	}
	now = max(now, -now)
	row.Now = strconv.FormatInt(now, 10)
	if now < n.hashBuckets() {
		row.State = Short
	} else {
		row.Wanted = row.Now
	}
	return row
}

const clockDir = "sys/devices/system/clocksource/clocksource0/"

// slowClocks are those that a program cannot read without a system call, and that take microseconds.
var slowClocks = []string{"hpet", "acpi_pm", "jiffies", "refined-jiffies", "pit"}

func clockRow(f *facts) (Row, bool) {
	row := Row{Name: "clocksource", Where: AtBoot, State: Fine, Why: "read several times in each turn of a loop; a slow one is a system call and microseconds"}
	now, ok := f.text(clockDir + "current_clocksource")
	if !ok {
		row.Where, row.State, row.Wanted = CannotTell, Unknown, "tsc"
		return row, true
	}
	row.Now, row.Wanted = shorten(now), shorten(now)
	available, _ := f.text(clockDir + "available_clocksource")
	better := slices.DeleteFunc(strings.Fields(available), func(c string) bool { return slices.Contains(slowClocks, c) || c == now })
	switch {
	case slices.Contains(slowClocks, now):
		row.State, row.Wanted = Short, "tsc"
		if len(better) > 0 {
			row.Wanted = shorten(better[0])
		}
	case now == "xen" && slices.Contains(better, "tsc"):
		row.State, row.Wanted = Short, "tsc"
	}
	return row, true
}

const hugePages = "sys/kernel/mm/transparent_hugepage/enabled"

// hugePagesRow is about transparent huge pages. A kernel without them has no row.
func hugePagesRow(f *facts) (Row, bool) {
	row := Row{Name: "transparent_hugepage", Where: f.where(hugePages, true), State: Fine, Why: "always makes 2 MiB of what is little used; madvise leaves it to the program"}
	text, ok := f.text(hugePages)
	switch {
	case !ok && f.exists("sys/kernel/mm"):
		return Row{}, false
	case !ok:
		row.Where, row.State, row.Wanted = CannotTell, Unknown, "madvise"
		return row, true
	}
	row.Now = shorten(chosen(text))
	row.Wanted = row.Now
	if row.Now == "always" {
		row.State, row.Wanted, row.paths, row.value = Short, "madvise", []string{hugePages}, "madvise"
	}
	return row, true
}

// chosen returns the word in brackets, or the whole text if there is none.
func chosen(text string) string {
	_, rest, ok := strings.Cut(text, "[")
	word, _, closed := strings.Cut(rest, "]")
	if !ok || !closed {
		return text
	}
	return word
}

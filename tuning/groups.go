package tuning

import (
	"path"
	"strconv"
	"strings"
)

// groups is what the control groups of the process allow, the lowest of each on the way up; 0 for no limit.
type groups struct {
	version int     // 1 or 2 as far as memory goes; 0 without control groups
	memory  int64   // bytes
	tasks   int64   // processes and threads
	cpus    float64 // CPU time a second
}

// readGroups reads the control groups of the process. On a host with both versions each controller is in one of them.
func readGroups(f *facts) groups {
	var g groups
	text, _ := f.text("proc/self/cgroup")
	for line := range strings.Lines(text) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		if parts[0] == "0" && parts[1] == "" {
			g.second(f, parts[2])
			continue
		}
		for controller := range strings.SplitSeq(parts[1], ",") {
			g.first(f, controller, parts[1], parts[2])
		}
	}
	return g
}

// second reads the control group of version 2.
func (g *groups) second(f *facts, group string) {
	if !f.exists("sys/fs/cgroup/cgroup.controllers") {
		return // version 1 has its controllers there
	}
	g.version = 2
	eachUp("sys/fs/cgroup", group, func(dir string) {
		lower(&g.memory, f.allowed(dir+"/memory.max"))
		lower(&g.memory, f.allowed(dir+"/memory.high"))
		lower(&g.tasks, f.allowed(dir+"/pids.max"))
		text, _ := f.text(dir + "/cpu.max")
		lower(&g.cpus, parseQuota(strings.Fields(text)))
	})
}

// first reads the control group of one controller of version 1. Some are mounted together, under both names.
func (g *groups) first(f *facts, controller, mounted, group string) {
	mount := "sys/fs/cgroup/" + controller
	if !f.exists(mount) {
		mount = "sys/fs/cgroup/" + mounted
	}
	eachUp(mount, group, func(dir string) {
		switch controller {
		case "memory":
			g.version = max(g.version, 1)
			lower(&g.memory, f.allowed(dir+"/memory.limit_in_bytes"))
		case "pids":
			lower(&g.tasks, f.allowed(dir+"/pids.max"))
		case "cpu":
			quota, _ := f.text(dir + "/cpu.cfs_quota_us")
			period, _ := f.text(dir + "/cpu.cfs_period_us")
			lower(&g.cpus, parseQuota([]string{quota, period}))
		}
	})
}

// eachUp calls do with the folder of a group and with all above it. A container may see its own group as the root of the
// hierarchy while it is named from the host's root, so the folder may not exist; the root does.
func eachUp(mount, group string, do func(dir string)) {
	for group = path.Clean("/" + group); ; group = path.Dir(group) {
		do(path.Join(mount, group))
		if group == "/" {
			return
		}
	}
}

// noLimit is where version 1 begins to mean none: the largest number of whole pages that fits.
const noLimit = 1 << 62

// allowed returns the limit in a file, 0 for none.
func (f *facts) allowed(name string) int64 {
	text, _ := f.text(name)
	v, ok := parseLimit(text)
	if !ok || v < 0 || v >= noLimit {
		return 0
	}
	return v
}

// parseQuota reads the microseconds of CPU time in a period, and the period; 0 for no limit.
func parseQuota(fields []string) float64 {
	if len(fields) != 2 {
		return 0
	}
	quota, err1 := strconv.ParseInt(fields[0], 10, 64)
	period, err2 := strconv.ParseInt(fields[1], 10, 64)
	if err1 != nil || err2 != nil || quota <= 0 || period <= 0 {
		return 0
	}
	return float64(quota) / float64(period)
}

// lower lowers *limit to v, if v is a limit.
func lower[T int64 | float64](limit *T, v T) {
	if v > 0 && (*limit == 0 || v < *limit) {
		*limit = v
	}
}

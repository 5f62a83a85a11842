package admission

import (
	"bytes"
	"errors"
	"io/fs"
	"math"
	"path"
	"slices"
)

// A hierarchy is how one version of cgroups tells of memory.
type hierarchy struct {
	mount    string
	limits   []string // files of which the lowest counts
	charged  string
	idleFile string // in memory.stat: file pages that the kernel takes back before anything else
}

var (
	cgroup1 = hierarchy{
		mount:    "sys/fs/cgroup/memory",
		limits:   []string{"memory.limit_in_bytes"}, // without one it is the largest number of whole pages
		charged:  "memory.usage_in_bytes",
		idleFile: "total_inactive_file",
	}
	cgroup2 = hierarchy{
		mount:    "sys/fs/cgroup",
		limits:   []string{"memory.max", "memory.high"}, // past high the kernel does not kill, it stalls
		charged:  "memory.current",
		idleFile: "inactive_file",
	}
)

// group is the cgroup, of those that the process is in, with the lowest limit.
type group struct {
	hierarchy
	path  string // below the mount
	limit int64  // math.MaxInt64 if there is none
}

// cgroup looks at the process's own cgroup and at all above it. A container may see its own as the root of
// the mount while /proc tells its path on the host: what of a path is not there has no limit.
func (h host) cgroup() (group, error) {
	own, err := h.ownGroup()
	if err != nil {
		return group{}, err
	}
	lowest := group{limit: math.MaxInt64}
	for p := own.path; ; p = path.Dir(p) {
		g := group{hierarchy: own.hierarchy, path: p}
		if g.limit, err = h.limitOf(g); err != nil {
			return group{}, err
		}
		if g.limit < lowest.limit {
			lowest = g
		}
		if p == "/" {
			return lowest, nil
		}
	}
}

// limitOf returns the lowest limit that g itself has, math.MaxInt64 if it has none or is not there.
func (h host) limitOf(g group) (int64, error) {
	lowest := int64(math.MaxInt64)
	for _, file := range g.limits {
		n, err := h.single(path.Join(g.mount, g.path, file))
		switch {
		case err == nil:
			lowest = min(lowest, n)
		case !errors.Is(err, fs.ErrNotExist):
			return 0, err
		}
	}
	return lowest, nil
}

// ownGroup returns the process's cgroup for memory, its limit unknown: that of version 1 if it has one. A kernel without
// cgroups has none.
func (h host) ownGroup() (group, error) {
	data, err := h.read("proc/self/cgroup")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return group{}, err
	}
	own := group{path: "/"}
	for line := range bytes.Lines(data) {
		// hierarchy number : controllers : path
		parts := bytes.SplitN(bytes.TrimSuffix(line, []byte("\n")), []byte(":"), 3)
		if len(parts) != 3 {
			continue
		}
		p := path.Clean("/" + string(parts[2]))
		switch controllers := bytes.Split(parts[1], []byte(",")); {
		case slices.ContainsFunc(controllers, func(c []byte) bool { return string(c) == "memory" }):
			return group{hierarchy: cgroup1, path: p}, nil
		case string(parts[0]) == "0":
			own = group{hierarchy: cgroup2, path: p}
		}
	}
	return own, nil
}

// charged returns what counts against g's limit and cannot go at once.
func (h host) charged(g group) (int64, error) {
	all, err := h.single(path.Join(g.mount, g.path, g.charged))
	if err != nil {
		return 0, err
	}
	idle, err := h.number(path.Join(g.mount, g.path, "memory.stat"), g.idleFile)
	if err != nil {
		return 0, err
	}
	return max(all-idle, 0), nil
}

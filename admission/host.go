package admission

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
)

// host reads what the kernel says of memory, from /proc and /sys below root.
type host struct {
	root string
}

// usage returns how much memory is used of how much: of the lowest limit there is. A configured one below 0 is
// none at all.
func (h host) usage(configured, conns int64) (Usage, error) {
	if configured < 0 {
		used, err := h.own(conns)
		return Usage{Used: used, Source: "none"}, err
	}
	total, err := h.number("proc/meminfo", "MemTotal:")
	if err != nil {
		return Usage{}, err
	}
	u := Usage{Limit: total << 10, Source: "host"}
	if configured > 0 && configured < u.Limit {
		u = Usage{Limit: configured, Source: "config"}
	}
	g, err := h.cgroup()
	if err != nil {
		return Usage{}, err
	}
	if g.limit < u.Limit {
		u = Usage{Limit: g.limit, Source: "cgroup"}
		u.Used, err = h.charged(g)
	} else {
		u.Used, err = h.own(conns)
	}
	return u, err
}

// Footprint returns the bytes that the process uses and those that the kernel uses for its conns, of which there are so many. root
// is as in [NewBudget].
func Footprint(root string, conns int64) (process, kernel int64, err error) {
	return host{root: root}.footprint(conns)
}

// own returns what the process uses, and the kernel for its conns.
func (h host) own(conns int64) (int64, error) {
	process, kernel, err := h.footprint(conns)
	return process + kernel, err
}

// footprint returns the two parts of own.
func (h host) footprint(conns int64) (process, kernel int64, err error) {
	const statm = "proc/self/statm" // sizes in pages: all, resident, and five more
	data, err := h.read(statm)
	if err != nil {
		return 0, 0, err
	}
	fields := bytes.Fields(data)
	if len(fields) < 2 {
		return 0, 0, unexpected(statm, data)
	}
	resident, err := parse(statm, fields[1])
	if err != nil {
		return 0, 0, err
	}
	buffers, err := h.tcpBuffers()
	page := int64(os.Getpagesize())
	return resident * page, buffers*page + conns*kernelPerConnection, err
}

// tcpBuffers returns the pages of data that wait in TCP sockets, of the whole host.
func (h host) tcpBuffers() (int64, error) {
	const sockstat = "proc/net/sockstat" // a line for each protocol: its name, then names and numbers in turn
	data, err := h.read(sockstat)
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(data) {
		fields := bytes.Fields(line)
		if len(fields) == 0 || string(fields[0]) != "TCP:" {
			continue
		}
		for i := 1; i+1 < len(fields); i += 2 {
			if string(fields[i]) == "mem" {
				return parse(sockstat, fields[i+1])
			}
		}
	}
	return 0, unexpected(sockstat, data)
}

// number returns the number behind name, in a file where each line has a name and a number.
func (h host) number(path, name string) (int64, error) {
	data, err := h.read(path)
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(data) {
		if fields := bytes.Fields(line); len(fields) >= 2 && string(fields[0]) == name {
			return parse(path, fields[1])
		}
	}
	return 0, unexpected(path, data)
}

// single returns the number that is all of a file; "max" is the largest there is.
func (h host) single(path string) (int64, error) {
	data, err := h.read(path)
	if err != nil {
		return 0, err
	}
	if data = bytes.TrimSpace(data); string(data) == "max" {
		return math.MaxInt64, nil
	}
	return parse(path, data)
}

func (h host) read(path string) ([]byte, error) {
	data, err := os.ReadFile(filepath.Join(h.root, path))
	if err != nil {
		return nil, fmt.Errorf("admission: %w", err)
	}
	return data, nil
}

// parse reads a number found in a file.
func parse(path string, field []byte) (int64, error) {
	n, err := strconv.ParseInt(string(field), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("admission: /%s: %w", path, err)
	}
	return n, nil
}

// unexpected says that what was looked for is not in a file.
func unexpected(path string, data []byte) error {
	return fmt.Errorf("admission: /%s is not as expected: %.80q", path, data)
}

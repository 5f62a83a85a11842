package tuning

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"
)

// WriteSysctlConf writes a file for /etc/sysctl.d with all that the load needs and nothing has already given more of. What does
// not show from here is in comments.
func (r *Report) WriteSysctlConf(w io.Writer) error {
	var b bytes.Buffer
	b.WriteString(wrap(fmt.Sprintf("%d connections on Linux %s: made by edge tune --sysctl-conf. Load with: sysctl --system", r.Load.Connections, shortRelease(r.Kernel)), "# "))
	for i := range r.Rows {
		row := &r.Rows[i]
		if !row.sysctl || !row.least {
			continue
		}
		b.WriteString("\n" + wrap(row.Why, "# "))
		if row.State == Unknown {
			b.WriteString("# It does not show from here; if the host has it:\n# ")
		}
		fmt.Fprintf(&b, "%s = %s\n", row.Name, row.Wanted)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// ParseSysctlConf reads a file for sysctl.d: what it sets, by name (sysctl.d(5)). An error names the line.
func ParseSysctlConf(conf io.Reader) (map[string]string, error) {
	set := make(map[string]string)
	lines := bufio.NewScanner(conf)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		name = strings.TrimSpace(strings.TrimPrefix(name, "-"))
		if !ok || name == "" {
			return nil, fmt.Errorf("tuning: line %d, %q, is not name = value", n, line)
		}
		set[strings.ReplaceAll(name, "/", ".")] = strings.Join(strings.Fields(value), " ")
	}
	return set, lines.Err()
}

// WriteSystemd writes a drop-in for the service's unit.
func (r *Report) WriteSystemd(w io.Writer) error {
	u := &r.unitWant
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %d connections: made by edge tune --systemd. Write it to /etc/systemd/system/edge.service.d/tune.conf,\n"+
		"# then systemctl daemon-reload, and restart the service.\n[Service]\n", r.Load.Connections)
	what := "Of each loop's descriptor table"
	if r.Load.SharedTables {
		what = "Of the one descriptor table"
	}
	fmt.Fprintf(&b, "# %s.\nLimitNOFILE=%d\nTasksMax=infinity\n", what, u.openFiles)
	if r.Memory.Total > 0 {
		fmt.Fprintf(&b, "# What the Go heap may have beside %s of sockets and what is on its way.\nEnvironment=GOMEMLIMIT=%dMiB\n",
			formatBytes(r.Memory.Kernel+r.Memory.InFlight), u.goLimit>>20)
	}
	fmt.Fprintf(&b, "# If the unit has a limit of memory, then no less than the sum; the kernel's share counts.\n#MemoryMax=%dM\n", (u.memory>>20)+1)
	fmt.Fprintf(&b, "# Among the last that the kernel kills when memory runs out.\nOOMScoreAdjust=-500\n")
	fmt.Fprintf(&b, "# A drain ends in order before the rest is killed: longer than shutdown.delay and shutdown.window together.\nKillMode=mixed\nTimeoutStopSec=%d\n", u.drainSeconds)
	_, err := w.Write(b.Bytes())
	return err
}

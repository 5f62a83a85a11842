package tuning

import (
	"fmt"
	"math"
	"strconv"
)

// processRows are what a service's unit or its container decides.
func processRows(f *facts, n *need) []Row {
	rows := []Row{filesRow(f, n)}
	if limit := f.groups.tasks; limit > 0 {
		rows = append(rows, unitRow("TasksMax", limit, n.threads(), "threads: those of the loops and of the Go runtime"))
	}
	rows = append(rows, goRow(f, n))
	if limit := f.groups.memory; limit > 0 && n.ram == limit {
		row := unitRow("MemoryMax", limit, n.memory().Sum, "the control group's memory, which sockets count towards")
		row.Now, row.Wanted = formatBytes(limit), formatBytes(max(limit, n.memory().Sum))
		rows = append(rows, row)
	}
	if quota := f.groups.cpus; quota > 0 {
		row := unitRow("CPUQuota", int64(math.Ceil(quota)), int64(n.Loops), "a loop without a CPU holds up its connections for a tenth of a second at a time")
		row.Now = strconv.FormatFloat(quota, 'g', 3, 64) + " CPUs"
		if row.Wanted += " CPUs"; row.State == Fine {
			row.Wanted = row.Now
		}
		rows = append(rows, row)
	}
	return append(rows, unitRow("loops", int64(n.Loops), n.neededLoops(), fmt.Sprintf("heartbeats and messages keep %.2f CPUs busy", n.cpus())))
}

// unitRow returns the row of a number that must be no less than need.
func unitRow(name string, now, need int64, why string) Row {
	want := max(now, need)
	row := Row{Name: name, Now: strconv.FormatInt(now, 10), Wanted: strconv.FormatInt(want, 10), Where: InUnit, State: Fine, Why: why}
	if now < need {
		row.State = Short
	}
	return row
}

// filesRow is about the hard limit of open files, which edge raises its soft one to.
func filesRow(f *facts, n *need) Row {
	why := "descriptors of one loop's table: a quarter more than its share"
	if n.SharedTables {
		why = "descriptors of all loops, which share a table"
	}
	_, hard, ok := f.limit("Max open files")
	if !ok {
		return Row{Name: "LimitNOFILE", Wanted: strconv.FormatInt(n.openFiles(), 10), Where: CannotTell, State: Unknown, Why: why}
	}
	if hard < 0 {
		return Row{Name: "LimitNOFILE", Now: "infinity", Wanted: "infinity", Where: InUnit, State: Fine, Why: why}
	}
	return unitRow("LimitNOFILE", hard, n.openFiles(), why)
}

// goRow is about the memory limit of the Go runtime.
func goRow(f *facts, n *need) Row {
	row := Row{Name: "GOMEMLIMIT", Where: InUnit, State: Unknown, Why: "the heap leaves room for sockets, which the Go runtime does not see"}
	set := f.variable("GOMEMLIMIT")
	row.Now = shorten(set)
	if set == "" {
		row.Now = "off"
	}
	if n.ram == 0 {
		row.Where = CannotTell
		return row
	}
	limit := n.goLimit() >> 20
	row.Wanted, row.State = strconv.FormatInt(limit, 10)+"MiB", Short
	if now, ok := parseBytes(set); ok && now >= 0 && now>>20 <= limit {
		row.Wanted, row.State = row.Now, Fine
	}
	return row
}

// formatBytes returns bytes in few digits.
func formatBytes(n int64) string {
	v, unit := float64(n), 0
	for v >= 1024 && unit < 4 {
		v /= 1024
		unit++
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", v, [...]string{"", "KiB", "MiB", "GiB", "TiB"}[unit])
}

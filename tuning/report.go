package tuning

import "slices"

// Where says who can change a setting.
type Where string

// The places.
const (
	Here       Where = "here"        // this process, if it is root's: Apply does it
	OnHost     Where = "host"        // whoever rules the host, from outside of this container or namespace
	InUnit     Where = "unit"        // the service's unit, or its container's limits
	AtBoot     Where = "boot"        // the kernel's command line, or the machine
	CannotTell Where = "cannot tell" // it does not show from here
)

// State says how a setting stands.
type State string

// The states.
const (
	Fine    State = "fine"
	Short   State = "short"
	Unknown State = "unknown"
)

// Row is one setting.
type Row struct {
	Name   string `json:"name"`
	Now    string `json:"now"` // empty where it does not show
	Wanted string `json:"wanted"`
	Where  Where  `json:"where"`
	State  State  `json:"state"`
	Why    string `json:"why"`

	sysctl bool     // Name is one
	least  bool     // Now is just what the load needs
	paths  []string // the files that take value
	value  string
}

// Settable reports whether [Report.Apply] can set r: it falls short, and this process may write it.
func (r *Row) Settable() bool { return r.State == Short && r.Where == Here && len(r.paths) > 0 }

// Report is what a host lacks for a load.
type Report struct {
	Load     Load     `json:"load"` // its defaults filled in
	Kernel   string   `json:"kernel"`
	Rows     []Row    `json:"settings"`
	Memory   Memory   `json:"memory"`
	CPU      CPU      `json:"cpu"`
	Notes    []string `json:"notes,omitempty"` // on what this kernel cannot do
	Clean    bool     `json:"clean"`           // nothing falls short, and the memory suffices as far as that can be told
	unitWant unit

	elsewhere bool // for more memory than the host has
}

// Memory is whether the load fits the memory, all in bytes.
type Memory struct {
	Total    int64 `json:"total"`  // 0 if nobody knows
	Kernel   int64 `json:"kernel"` // idle sockets
	Process  int64 `json:"process"`
	InFlight int64 `json:"in_flight"`          // on its way, or not read
	Tracking int64 `json:"tracking,omitempty"` // of connections, where that is loaded
	Free     int64 `json:"kept_free"`
	Sum      int64 `json:"sum"`
	State    State `json:"state"` // Fine if it fits
}

// CPU is what the load keeps busy.
type CPU struct {
	Busy  float64 `json:"busy"`  // CPUs, in the mean
	Loops int     `json:"loops"` // over which it is spread
}

// unit is what a service's unit is to say.
type unit struct {
	openFiles, goLimit, memory int64
	drainSeconds               int
}

// Check reports what h lacks for l. The only error is an [ErrLoad].
func Check(h Host, l Load) (*Report, error) {
	if err := l.check(); err != nil {
		return nil, err
	}
	f := readFacts(h)
	n := newNeed(l, f)
	r := &Report{Load: n.Load, Kernel: shorten(f.release), Notes: kernelNotes(f), Memory: n.memory(), elsewhere: l.Memory > f.ram}
	r.CPU = CPU{Busy: n.cpus(), Loops: n.Loops}
	r.Rows = slices.Concat(processRows(f, n), sysctlRows(f, n), hostRows(f, n), deviceRows(f, n))
	r.Clean = r.Memory.State != Short && len(r.In(Short)) == 0
	r.unitWant = unit{n.openFiles(), n.goLimit(), r.Memory.Sum, int(n.Drain.Seconds()) + 30}
	return r, nil
}

// In returns the rows in a state.
func (r *Report) In(s State) []Row {
	return slices.DeleteFunc(slices.Clone(r.Rows), func(row Row) bool { return row.State != s })
}

// Only returns r with no more than the rows in these places. Whether it is clean does not depend on the memory then.
func (r *Report) Only(places ...Where) *Report {
	o := *r
	o.Rows = slices.DeleteFunc(slices.Clone(r.Rows), func(row Row) bool { return !slices.Contains(places, row.Where) })
	o.Clean = len(o.In(Short)) == 0
	return &o
}

// Names returns the names of rows, at most so many, and how many more there are.
func Names(rows []Row, most int) (names []string, more int) {
	for _, row := range rows[:min(most, len(rows))] {
		names = append(names, row.Name)
	}
	return names, len(rows) - len(names)
}

// memory returns whether the load fits.
func (n *need) memory() Memory {
	each := int64(userState + tableSlot)
	if n.TLS {
		each += userTLS
	}
	m := Memory{
		Total:    n.ram,
		Kernel:   n.conns() * kernelIdle,
		Process:  n.conns() * each,
		InFlight: int64(n.inFlight()),
		Free:     n.ram / keptFree,
	}
	if n.tracked {
		m.Tracking = n.conns() * trackedEntry
	}
	m.Sum = m.Kernel + m.Process + m.InFlight + m.Tracking + m.Free
	switch {
	case n.ram == 0:
		m.State = Unknown
	case m.Sum < n.ram:
		m.State = Fine
	default:
		m.State = Short
	}
	return m
}

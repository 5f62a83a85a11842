// Package tuning says what a host lacks for so many connections: it reads the limits of the process, the kernel's settings, the
// control groups and the network devices, computes what a [Load] needs, and reports each difference with its reason and the
// place where it is put right.
//
//	report, err := tuning.Check(tuning.This(), tuning.Load{Connections: 1_000_000})
//	...
//	err = report.WriteTable(os.Stdout, false)
//
// Nothing that is higher than what is needed is ever lowered, save where more is a cost: what a socket may hold, timeouts,
// and what the kernel does behind our back (swapping, huge pages). What the running kernel lacks is not asked for, and what
// cannot be seen from here is said to be so.
//
// [Report.Apply] sets what this process may set, after it has written a file with which [Undo] puts back what nobody has changed since.
//
// All that is read and written goes through a [Host], so that a test can bring a host of its own. There are no goroutines.
// docs/tuning.md has the formulas and where they come from.
package tuning

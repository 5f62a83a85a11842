// Package faults breaks things around real nodes, each a process of its own, and looks at what becomes of them: signals,
// limits, full disks, failing system calls, dead peers, starved CPUs, storms. It has tests only, behind the build tag
// faults, one for each row of docs/faults.md:
//
//	make faults               all of them, some minutes
//	make faults FAULT=R15     one
//
// They need root and, for some, strace and ip; a test that may not do what it needs skips and says so. Each prints its
// figures in its log.
package faults

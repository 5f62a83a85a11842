// Baseline is the kernel's price of what edge does: a loop on raw system calls, written as one would
// in C, that does the same socket work on the same wire and hardly anything else. CPU figures
// of edge are given as ratios to it.
//
// Each thread has a listener with SO_REUSEPORT, an epoll set, one buffer to read into and an array of
// peers indexed by descriptor. A readable socket costs one recv, its answers one send, and a
// publication one send for each member of the room. It speaks the commands of edge's own protocol and, below
// /socket.io/, the events of Socket.IO over WebSocket. With --batch it is one send for each member and
// interval instead, of all that the interval has brought the room: the limit for servers that merge. For a million connections
// on a host that allows a process few descriptors there are --private-fd-tables, and --ping for the price of heartbeats.
//
// What it leaves out on purpose: it believes whatever it reads (no limits, no validation of HTTP,
// frames, UTF-8 or JSON), knows commands only in the form in which the flooder writes them, keeps one
// room for each peer, has no timers but that of --ping, no out queues (a full socket makes it wait),
// no metrics, and no end but being killed.
package main

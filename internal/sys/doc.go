// Package sys is where edge meets the Linux kernel: raw system calls, descriptor tables of one
// thread, and memory that the garbage collector does not see. It is the only home of unsafe.
//
// Two kinds of call stand here, and the difference matters to the Go scheduler. The raw form skips
// the scheduler's hooks: about 50 ns cheaper, and right only for calls that cannot block (I/O on
// non-blocking sockets, epoll_ctl, epoll_wait without a timeout). A raw call that sleeps would hold
// its P and with it every stop of the world. The one call that sleeps, [EpollWaitBlock], goes
// through the ordinary form.
//
// Functions return a [syscall.Errno], 0 for success, instead of an error: comparing it costs
// nothing, and EAGAIN is the answer of every second call.
package sys

// Package systemd is how a process talks with the service manager that has started it: it tells its state (sd_notify(3)), says
// that it is alive (sd_watchdog_enabled(3)), and takes over the sockets that were opened for it (sd_listen_fds(3)). Where no
// service manager is, none of it does anything. It starts no goroutines.
//
//	m, err := systemd.Find()
//	...
//	err = m.Ready("serving on :8000")
package systemd

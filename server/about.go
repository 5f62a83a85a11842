package server

import (
	"net/http"
	"os"
	"runtime"
	"time"
)

// Info is what a node is.
type Info struct {
	Version       string    `json:"version"`
	Go            string    `json:"go"`
	PID           int       `json:"pid"`
	Started       time.Time `json:"started"`
	UptimeSeconds int64     `json:"uptime_seconds"`
	Addresses     []string  `json:"addresses"`
	Internal      string    `json:"internal"`
	Loops         int       `json:"loops"`
	CPUs          int       `json:"cpus"`
	PrivateTables bool      `json:"private_fd_tables"`
	KernelTLS     string    `json:"kernel_tls,omitempty"` // whether the kernel does TLS records, and why not; empty without TLS
	KernelTLSUsed int       `json:"kernel_tls_connections,omitempty"`
	Development   bool      `json:"development"`
	NotReady      string    `json:"not_ready,omitempty"`
	Connections   int       `json:"connections"`
	Subscriptions int       `json:"subscriptions"`
	Rooms         int       `json:"rooms"`
	ProcessBytes  int64     `json:"process_bytes"`
	KernelBytes   int64     `json:"kernel_bytes"`
}

// started is when the process began, which to the second is when the node did.
var started = time.Now()

// about answers with what the node is.
func (s *Server) about(w http.ResponseWriter, _ *http.Request) {
	snap := s.snapshot()
	private, _ := s.reactor.PrivateTables()
	writeJSON(w, http.StatusOK, &Info{
		Version:       s.config.Version,
		Go:            runtime.Version(),
		PID:           os.Getpid(),
		Started:       started,
		UptimeSeconds: int64(time.Since(started).Seconds()),
		Addresses:     s.Addresses(),
		Internal:      s.InternalAddress(),
		Loops:         len(s.loops),
		CPUs:          runtime.NumCPU(),
		PrivateTables: private,
		KernelTLS:     s.aboutKernelTLS(s.exports.Load()),
		KernelTLSUsed: int(usedKernelTLS(&snap)),
		Development:   s.config.Development,
		NotReady:      s.whyNotReady(&snap),
		Connections:   int(openOf(&snap)),
		Subscriptions: snap.Subscriptions,
		Rooms:         snap.Rooms,
		ProcessBytes:  snap.ProcessBytes,
		KernelBytes:   snap.KernelBytes,
	})
}

package tuning

import (
	"errors"
	"fmt"
	"time"
)

// Load is what a host is to carry. Zero values stand for the defaults named here.
type Load struct {
	Connections  int           `json:"connections"`
	Messages     int           `json:"message_rate"`  // to all clients, a second
	Connects     int           `json:"connect_rate"`  // a second; half of the connections, as when all of them come back at once
	TLS          bool          `json:"tls"`           // ended by the node
	Loops        int           `json:"loops"`         // one for each CPU that the process may use
	SharedTables bool          `json:"shared_tables"` // one descriptor table for all loops
	Memory       int64         `json:"memory_bytes"`  // that of the host or of its control group
	Window       int64         `json:"window_bytes"`  // most that a socket may hold each way; 128 to 512 KiB by the number of connections
	Drain        time.Duration `json:"-"`             // over which a drain closes all connections; 2 minutes
}

// MostConnections is how many a load may have; some of the kernel's settings hold no more.
const MostConnections = 100_000_000

// ErrLoad is what every error in a Load wraps.
var ErrLoad = errors.New("tuning: load")

const (
	defaultDrain = 2 * time.Minute
	minWindow    = 16 << 10
	maxWindow    = 64 << 20
	maxLoops     = 256 // of a node
	maxRate      = 1 << 31
)

// check returns what is wrong with l.
func (l *Load) check() error {
	switch {
	case l.Connections < 1 || l.Connections > MostConnections:
		return fmt.Errorf("%w: %d connections; there may be 1 to %d", ErrLoad, l.Connections, MostConnections)
	case l.Messages < 0 || l.Messages > maxRate:
		return fmt.Errorf("%w: %d messages a second; there may be 0 to %d", ErrLoad, l.Messages, maxRate)
	case l.Connects < 0 || l.Connects > maxRate:
		return fmt.Errorf("%w: %d connects a second; there may be 0, for half of the connections, to %d", ErrLoad, l.Connects, maxRate)
	case l.Loops < 0 || l.Loops > maxLoops:
		return fmt.Errorf("%w: %d loops; there may be 0, for one for each CPU, to %d", ErrLoad, l.Loops, maxLoops)
	case l.Memory < 0:
		return fmt.Errorf("%w: memory of %d bytes; write 0 for what there is, or more", ErrLoad, l.Memory)
	case l.Window != 0 && (l.Window < minWindow || l.Window > maxWindow):
		return fmt.Errorf("%w: window of %d bytes; it may be %d to %d", ErrLoad, l.Window, minWindow, maxWindow)
	case l.Drain < 0:
		return fmt.Errorf("%w: drain of %v; write 0 for %v, or more", ErrLoad, l.Drain, defaultDrain)
	}
	return nil
}

package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Manager is the service manager, or nobody. Any goroutine may use it.
type Manager struct {
	socket   string        // where it listens; empty for nobody
	watchdog time.Duration // how long it waits for a sign of life; 0 for ever
}

// Find returns the service manager that the environment names. The environment is cleared of it, so that no child process takes
// what was said to this one for its own. The error is of a variable that makes no sense.
func Find() (*Manager, error) {
	m := &Manager{socket: take("NOTIFY_SOCKET")}
	var err error
	m.watchdog, err = watchdog(take("WATCHDOG_USEC"), take("WATCHDOG_PID"))
	return m, err
}

// take returns a variable of the environment and clears it.
func take(name string) string {
	value := os.Getenv(name)
	_ = os.Unsetenv(name) // fails for no name of ours
	return value
}

// watchdog returns how often a sign of life must come at least, if it is this process that must give it.
func watchdog(usec, pid string) (time.Duration, error) {
	if usec == "" || pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0, nil
	}
	n, err := strconv.ParseInt(usec, 10, 64)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("systemd: WATCHDOG_USEC is %q; want microseconds", usec)
	}
	return time.Duration(n) * time.Microsecond, nil
}

// Watchdog returns how often [Manager.Alive] must be called, twice as often as the manager insists on; 0 is never.
func (m *Manager) Watchdog() time.Duration { return m.watchdog / 2 }

// Ready says that the process serves, at first or again after Reloading. status is a line for people.
func (m *Manager) Ready(status string) error { return m.send("READY=1", line(status)) }

// Reloading says that the process reads its configuration again. Ready must follow.
func (m *Manager) Reloading() error {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return fmt.Errorf("systemd: clock: %w", err)
	}
	return m.send("RELOADING=1", "MONOTONIC_USEC="+strconv.FormatInt(now.Nano()/1000, 10))
}

// Stopping says that the process has begun to end.
func (m *Manager) Stopping(status string) error { return m.send("STOPPING=1", line(status)) }

// Status says what the process is at.
func (m *Manager) Status(status string) error { return m.send(line(status)) }

// Alive is the sign of life that the watchdog waits for.
func (m *Manager) Alive() error { return m.send("WATCHDOG=1") }

// line makes text one line.
func line(text string) string { return "STATUS=" + strings.Join(strings.Fields(text), " ") }

// patience is how long a manager may take to make room for a message.
const patience = time.Second

// send sends assignments as one datagram.
func (m *Manager) send(assignments ...string) error {
	if m.socket == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: m.socket, Net: "unixgram"}) // "@" is the abstract namespace
	if err != nil {
		return fmt.Errorf("systemd: notify: %w", err)
	}
	late := conn.SetWriteDeadline(time.Now().Add(patience))
	_, err = conn.Write([]byte(strings.Join(assignments, "\n")))
	if err = errors.Join(late, err, conn.Close()); err != nil {
		return fmt.Errorf("systemd: notify: %w", err)
	}
	return nil
}

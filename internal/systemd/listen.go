package systemd

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	firstSocket = 3    // the descriptor of the first socket that is passed on
	maxSockets  = 4096 // more make no sense
)

// Socket is a listening socket that the service manager has opened.
type Socket struct {
	Name string // FileDescriptorName= of the socket unit, by default the unit's own; may be empty
	File *os.File
}

// Sockets returns the sockets that were passed on to this process, in their order. They are the caller's, and no child process
// inherits them or hears of them. The error is of variables that make no sense.
func Sockets() ([]Socket, error) { return sockets(firstSocket) }

// sockets is Sockets from a descriptor on.
func sockets(first int) ([]Socket, error) {
	pid, count, names := take("LISTEN_PID"), take("LISTEN_FDS"), take("LISTEN_FDNAMES")
	if count == "" || pid != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || n > maxSockets {
		return nil, fmt.Errorf("systemd: LISTEN_FDS is %q; want a number of descriptors", count)
	}
	all := make([]Socket, n)
	for i := range all {
		name, rest, _ := strings.Cut(names, ":")
		names = rest
		unix.CloseOnExec(first + i)
		all[i] = Socket{name, os.NewFile(uintptr(first+i), "socket "+strconv.Itoa(first+i))}
	}
	return all, nil
}

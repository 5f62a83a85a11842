package sys

import (
	"testing"

	"golang.org/x/sys/unix"
)

// rightsPair returns the two ends of a non-blocking Unix stream.
func rightsPair(t *testing.T) [2]int {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// Descriptors come in order, each with its token, and name the files that were sent.
func TestRights(t *testing.T) {
	pair := rightsPair(t)
	defer Close(pair[1])
	if _, _, errno := RecvRights(pair[1]); errno != unix.EAGAIN {
		t.Errorf("of an empty stream: %v; want %v", errno, unix.EAGAIN)
	}
	bells := [3]int{eventfd(t), eventfd(t), eventfd(t)}
	for i, bell := range bells {
		if errno := SendRights(pair[0], bell, uint64(i)<<60|7); errno != 0 {
			t.Fatal(errno)
		}
	}
	for i, bell := range bells {
		fd, token, errno := RecvRights(pair[1])
		if errno != 0 || token != uint64(i)<<60|7 || fd == bell {
			t.Fatalf("received %d, %#x, %v", fd, token, errno)
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("flags %#x, %v; want FD_CLOEXEC", flags, err)
		}
		Wake(fd)
		var b [8]byte
		if n, err := unix.Read(bell, b[:]); n != 8 || err != nil {
			t.Errorf("descriptor %d is not of the file that was sent: %v", i, err)
		}
		Close(fd)
	}
	Close(pair[0])
	if _, _, errno := RecvRights(pair[1]); errno != unix.EPIPE {
		t.Errorf("at the end: %v; want %v", errno, unix.EPIPE)
	}
}

// A stream that nobody reads fills up, and one that has nobody to read it says so.
func TestRightsFull(t *testing.T) {
	pair := rightsPair(t)
	defer Close(pair[0])
	bell := eventfd(t)
	n := 0
	for ; SendRights(pair[0], bell, 1) == 0; n++ {
		if n > 1<<16 {
			t.Fatal("a stream takes any number of descriptors")
		}
	}
	if errno := SendRights(pair[0], bell, 1); n == 0 || errno != unix.EAGAIN && errno != unix.ETOOMANYREFS {
		t.Errorf("full after %d: %v", n, errno)
	}
	Close(pair[1])
	if errno := SendRights(pair[0], bell, 1); errno != unix.EPIPE {
		t.Errorf("to nobody: %v; want %v", errno, unix.EPIPE)
	}
}

// Where the table has no room the file is lost, and the token says whose it was.
func TestRightsWithoutRoom(t *testing.T) {
	pair := rightsPair(t)
	bell := eventfd(t)
	if errno := SendRights(pair[0], bell, 5); errno != 0 {
		t.Fatal(errno)
	}
	var old unix.Rlimit
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, nil, &old); err != nil {
		t.Fatal(err)
	}
	free, err := unix.FcntlInt(1, unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	Close(free)
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(free), Max: old.Max}, nil); err != nil {
		t.Fatal(err)
	}
	fd, token, errno := RecvRights(pair[1])
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, &old, nil); err != nil {
		t.Fatal(err)
	}
	if fd != -1 || token != 5 || errno != 0 {
		t.Errorf("received %d, %d, %v; want -1, 5 and no error", fd, token, errno)
	}
	Close(pair[0])
	Close(pair[1])
}

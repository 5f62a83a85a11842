package netpoll

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestEcho(t *testing.T) {
	for _, tables := range []Tables{TablesAuto, TablesOn, TablesOff} {
		for name, addresses := range map[string][]string{
			"IPv4":    {"127.0.0.1:0"},
			"IPv6":    {"[::1]:0"},
			"any":     {":0"},
			"name":    {"localhost:0"},
			"Unix":    {"unix:" + filepath.Join(t.TempDir(), "a")},
			"several": {"127.0.0.1:0", "127.0.0.2:0", "[::1]:0", "unix:" + filepath.Join(t.TempDir(), "b")},
		} {
			t.Run(fmt.Sprintf("%d/%s", tables, name), func(t *testing.T) {
				st := open(t, Config{Loops: 3, Tables: tables, Addresses: addresses}, script{})
				if got := st.Addresses(); len(got) != len(addresses) {
					t.Fatalf("Addresses() = %q; want %d", got, len(addresses))
				}
				for _, address := range st.Addresses() {
					echoAndClose(t, st, address)
				}
			})
		}
	}
}

// echoAndClose sees a few clients of one address through their lives.
func echoAndClose(t *testing.T, st *stage, address string) {
	for range 5 {
		c := dial(t, address)
		id := await(t, st.opened, "Opened")
		wantEcho(t, c, strings.Repeat("abc", 1000))
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		st.wantClosed(id, ClosedByPeer)
	}
}

func TestAnyAddressIsBothFamilies(t *testing.T) {
	st := open(t, Config{Addresses: []string{":0"}}, script{})
	port := st.Addresses()[0]
	wantEcho(t, dial(t, "127.0.0.1"+port), "four")
	wantEcho(t, dial(t, "[::1]"+port), "six")
}

func TestPrivateTablesSaysWhatWasChosen(t *testing.T) {
	for tables, want := range map[Tables]bool{TablesAuto: true, TablesOn: true, TablesOff: false} {
		st := open(t, Config{Tables: tables}, script{})
		if got, why := st.PrivateTables(); got != want || why != nil {
			t.Errorf("tables %d: PrivateTables() = %v, %v; want %v", tables, got, why, want)
		}
	}
}

// All loops listen on the port that the kernel chose for the first, and share its connections.
func TestLoopsShareOnePort(t *testing.T) {
	forTables(t, func(t *testing.T, tables Tables) {
		const loops, conns = 4, 400
		st := open(t, Config{Loops: loops, Tables: tables}, script{})
		var count [loops]int
		for range conns {
			_, id := st.connect()
			count[id.Loop()]++
		}
		for loop, n := range count {
			if n < conns/loops/2 { // more than five standard deviations away
				t.Errorf("loop %d got %d of %d conns; want about %d", loop, n, conns, conns/loops)
			}
		}
	})
}

func TestPortRange(t *testing.T) {
	for first := 21000 + os.Getpid()%1000*10; ; first += 10 { // below the ports that the kernel gives out
		address := fmt.Sprintf("127.0.0.77:%d-%d", first, first+2)
		probe, err := Open(Config{Loops: 1, Addresses: []string{address}, NewHandler: func(*Loop) Handler { return &actor{} }})
		if errors.Is(err, unix.EADDRINUSE) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		probe.Close()
		st := open(t, Config{Loops: 2, Addresses: []string{address}}, script{})
		for i, got := range st.Addresses() {
			if want := fmt.Sprintf("127.0.0.77:%d", first+i); got != want {
				t.Errorf("Addresses()[%d] = %s; want %s", i, got, want)
			}
			wantEcho(t, dial(t, got), "in range")
		}
		return
	}
}

// The kernel would let a second reactor of the same user share the port.
func TestPortOfAnotherReactorIsTaken(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0", ":0"} {
		st := open(t, Config{Loops: 2, Addresses: []string{address}}, script{})
		wantRefused(t, st.Addresses()[0], unix.EADDRINUSE)
		wantEcho(t, dial(t, st.Addresses()[0]), "still here")
	}
}

func TestForeignAddressIsRefused(t *testing.T) {
	for _, address := range []string{"192.0.2.1:0", "192.0.2.1:8000"} {
		wantRefused(t, address, unix.EADDRNOTAVAIL)
	}
}

// wantRefused opens a reactor on addresses in vain, and fails the test if that leaves a descriptor open.
func wantRefused(t *testing.T, address string, want error) {
	t.Helper()
	forTables(t, func(t *testing.T, tables Tables) {
		path := filepath.Join(t.TempDir(), "socket")
		before := descriptors()
		_, err := Open(Config{Loops: 2, Tables: tables, Addresses: []string{"unix:" + path, address}, NewHandler: func(*Loop) Handler { return &actor{} }})
		if !errors.Is(err, want) || !strings.Contains(fmt.Sprint(err), address) {
			t.Errorf("Open(%s) = %v; want %v", address, err, want)
		}
		if after := descriptors(); after != before {
			t.Errorf("Open(%s) failed and left %d descriptors", address, after-before)
		}
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("Open(%s) failed and left the socket file: %v", address, err)
		}
	})
}

// descriptors counts what is open in the process's table, without opening anything.
func descriptors() (n int) {
	for fd := range uintptr(4096) {
		if _, err := unix.FcntlInt(fd, unix.F_GETFD, 0); err == nil {
			n++
		}
	}
	return n
}

func TestBadConfig(t *testing.T) {
	for _, row := range []struct {
		config Config
		want   string
	}{
		{Config{Loops: MaxLoops + 1}, "there may be 1 to 256"},
		{Config{Loops: -1}, "there may be 1 to 256"},
		{Config{Addresses: []string{"nowhere"}}, "host:first-last"},
		{Config{Addresses: []string{"unix:/no/such/folder/socket"}}, "no such file"},
		{Config{Addresses: []string{"unix:/" + strings.Repeat("long", 40)}}, "invalid argument"},
	} {
		row.config.NewHandler = func(*Loop) Handler { return &actor{} }
		if r, err := Open(row.config); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("Open(%v) = %v, %v; want an error with %q", row.config.Addresses, r, err, row.want)
		}
	}
}

func TestSharedDescriptors(t *testing.T) {
	for _, loops := range []int{1, 3} {
		st := open(t, Config{Loops: loops, Tables: TablesOn, Addresses: []string{}}, script{})
		const ownEnd = 1 // of its passage
		if got := len(st.shareable(st.loops[0])) - ownEnd; got != SharedDescriptors(loops) {
			t.Errorf("%d loops share %d descriptors, want %d", loops, got, SharedDescriptors(loops))
		}
	}
}

func TestParseTables(t *testing.T) {
	for s, want := range map[string]Tables{"auto": TablesAuto, "on": TablesOn, "off": TablesOff} {
		if got, err := ParseTables(s); got != want || err != nil {
			t.Errorf("ParseTables(%s) = %v, %v; want %v", s, got, err, want)
		}
	}
	if _, err := ParseTables("yes"); err == nil {
		t.Error("ParseTables(yes) = nil error")
	}
}

func TestStopListeningKeepsConns(t *testing.T) {
	forTables(t, func(t *testing.T, tables Tables) {
		path := filepath.Join(t.TempDir(), "socket")
		st := open(t, Config{Loops: 2, Tables: tables, Addresses: []string{"127.0.0.1:0", "unix:" + path}}, script{})
		tcp, local := dial(t, st.Addresses()[0]), dial(t, "unix:"+path)
		await(t, st.opened, "Opened")
		await(t, st.opened, "Opened")
		for range 2 { // a second time is nothing new
			st.stopListening()
		}
		for _, address := range []string{st.Addresses()[0], path} {
			network := map[bool]string{true: "unix", false: "tcp"}[address == path]
			if c, err := net.Dial(network, address); err == nil {
				t.Errorf("dial %s after StopListening succeeds", address)
				_ = c.Close()
			}
		}
		wantEcho(t, tcp, "still here")
		wantEcho(t, local, "here too")
	})
}

// A node that drains must not take the socket file of the one that follows it away.
func TestCloseLeavesTheSuccessorsSocketFile(t *testing.T) {
	forTables(t, func(t *testing.T, tables Tables) {
		path := filepath.Join(t.TempDir(), "socket")
		config := Config{Loops: 2, Tables: tables, Addresses: []string{"unix:" + path}}
		old := open(t, config, script{})
		old.StopListening()
		successor := open(t, config, script{})
		old.Close()
		wantEcho(t, dial(t, successor.Addresses()[0]), "the new one")
	})
}

func TestCloseTwice(t *testing.T) {
	st := open(t, Config{Loops: 2}, script{})
	_, id := st.connect()
	st.Close()
	st.wantClosed(id, ClosedLoop)
	st.Close()
}

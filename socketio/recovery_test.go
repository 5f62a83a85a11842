package socketio

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// newRecovering returns an application that says to each socket as what it is there.
func newRecovering(t *testing.T, r Recovery) *fakeNode {
	return newFake(t, Options{Recovery: &r}, func(io *IO) {
		io.OnConnect(func(s *Socket) {
			if !s.Recovered() {
				must(t, s.Join("room"))
				must(t, s.Set("n", 1))
				return
			}
			must(t, s.Volatile().Emit("back", s.ID(), s.Rooms(), s.Get("n")))
		})
	})
}

// again has the client of c come back.
func (c *fakeSocket) again() *fakeSocket {
	c.node.t.Helper()
	auth := fmt.Sprintf(`{"token":"x","pid":%q}`, c.pid)
	if c.offset != "" {
		auth = fmt.Sprintf(`{"pid":%q,"offset":%q}`, c.pid, c.offset)
	}
	return c.node.connect(c.namespace, auth)
}

func TestClientsRecover(t *testing.T) {
	f := newRecovering(t, Recovery{})
	c := f.connect("/", "")
	if len(c.pid) != 20 {
		t.Errorf("private id %q", c.pid)
	}
	must(t, f.io.To("room").Emit("1"))
	must(t, f.io.Volatile().Emit("2", "poison"))
	must(t, f.io.Emit("3"))
	c.expect(`["1"]; ["2","poison"] volatile; ["3"]`)
	s := &Socket{ns: f.io.Namespace, key: c.key}
	must(t, s.Join("late"))
	must(t, s.Join("brief"))
	must(t, s.Leave("brief"))
	c.leave("transport close")
	must(t, f.io.To("room").Emit("4", []byte("x")))
	must(t, f.io.To("late").Emit("5"))
	must(t, f.io.To("brief").Emit("no"))
	must(t, f.io.Except("room").Emit("no"))
	must(t, f.io.To(c.id).Emit("6"))
	must(t, f.io.Volatile().Emit("no"))
	must(t, s.Emit("7"))

	back := c.again()
	back.expect(`["4",{"_placeholder":true,"num":0}] x; ["5"]; ["6"]; ["7"]; ["back","id1",["id1","late","room"],1] volatile`)
	if back.id != c.id || back.pid != c.pid {
		t.Errorf("came back as %s, %s; want %s, %s", back.id, back.pid, c.id, c.pid)
	}
	must(t, f.io.To(c.id).Emit("8"))
	must(t, f.io.To("room").Except(c.id).Emit("no"))
	must(t, (&Socket{ns: f.io.Namespace, key: back.key}).Broadcast().Emit("no"))
	back.expect(`["8"]`)
	if all, err := f.io.FetchSockets(t.Context()); err != nil || fmt.Sprint(all[0].ID, all[0].Rooms) != "id1[id1 late room]" {
		t.Errorf("FetchSockets = %+v, %v", all[0], err)
	}
	back.leave("ping timeout")
	back.again().expect(`["back","id1",["id1","late","room"],1] volatile`)
}

// Nothing was ever sent to it, and much was sent to others.
func TestQuietClientsRecover(t *testing.T) {
	f := newRecovering(t, Recovery{LogBytes: 2000})
	c := f.connect("/", "")
	c.leave("transport error")
	must(t, f.io.Emit("missed"))
	c.again().expect(`["missed"]; ["back","id1",["id1","room"],1] volatile`)
}

func TestWhoDoesNotRecover(t *testing.T) {
	f := newRecovering(t, Recovery{})
	other := f.io.Of("/other")
	for name, arrange := range map[string]func(*fakeSocket){
		"it has said goodbye":         func(c *fakeSocket) { c.leave("client namespace disconnect") },
		"it was sent away":            func(c *fakeSocket) { c.leave("server namespace disconnect") },
		"another namespace":           func(c *fakeSocket) { c.leave("transport close"); c.namespace = other.Name() },
		"another private id":          func(c *fakeSocket) { c.leave("transport close"); c.pid = "x" },
		"a live one elsewhere":        func(c *fakeSocket) { c.namespace = other.Name() },
		"no offset":                   func(c *fakeSocket) { c.leave("transport close"); c.offset = "!" },
		"an offset that there is not": func(c *fakeSocket) { c.leave("transport close"); c.offset = "zzzzzzzzzzzz" },
	} {
		c := f.connect("/", "")
		must(t, f.io.To(c.id).Emit("x"))
		pid, id := c.pid, c.id
		arrange(c)
		back := c.again()
		if back.pid == pid || back.id == id || strings.Contains(back.heard(), "back") {
			t.Errorf("%s: it has come back", name)
		}
	}
}

func TestRecoveryEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newRecovering(t, Recovery{MaxDisconnection: time.Minute, Sessions: 2})
		a := f.connect("/", "")
		a.leave("transport close")
		time.Sleep(59 * time.Second)
		a = a.again()
		a.expect(`["back","id1",["id1","room"],1] volatile`)
		a.leave("transport close")
		time.Sleep(61 * time.Second)
		if c := a.again(); c.pid == a.pid {
			t.Error("a client comes back after too long")
		}
		var all []*fakeSocket
		for range 3 {
			c := f.connect("/", "")
			c.leave("transport close")
			all = append(all, c)
		}
		for i, c := range all {
			if recovered := c.again().pid == c.pid; recovered != (i > 0) {
				t.Errorf("client %d of 3 has come back: %v", i+1, recovered)
			}
		}
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if n, m := len(f.io.sessions.gone), len(f.io.sessions.queue); n+m != 0 {
			t.Errorf("%d sessions and %d in line are left", n, m)
		}
	})
}

// The node has not noticed that the client's old connection is dead.
func TestClientsTakeOver(t *testing.T) {
	f := newRecovering(t, Recovery{})
	c := f.connect("/", "")
	must(t, f.io.Emit("1"))
	c.expect(`["1"]`)
	offset := c.offset
	must(t, f.io.Emit("2")) // into nowhere
	c.offset = offset
	back := c.again()
	back.expect(`["2"]; ["back","id1",["id1","room"],1] volatile`)
	if all, err := f.io.FetchSockets(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("FetchSockets = %v, %v; want the new one alone", all, err)
	}
}

// While sockets come back, everything that is sent reaches them once and in its order.
func TestNothingFallsBetween(t *testing.T) {
	const events, returns = 2000, 50
	f := newRecovering(t, Recovery{})
	c := f.connect("/", "")
	var sending sync.WaitGroup
	sending.Go(func() {
		for i := range events {
			must(t, f.io.Emit(fmt.Sprint("e", i)))
		}
	})
	var heard []string
	number := regexp.MustCompile(`"e\d+"`)
	for range returns {
		c.leave("transport close")
		heard = append(heard, number.FindAllString(c.heard(), -1)...)
		back := c.again()
		if back.pid != c.pid {
			t.Fatal("a client was not let back")
		}
		c.node.mu.Lock()
		back.offset = max(back.offset, c.offset)
		c.node.mu.Unlock()
		c = back
	}
	sending.Wait()
	heard = append(heard, number.FindAllString(c.heard(), -1)...)
	for i, name := range heard {
		if name != fmt.Sprintf(`"e%d"`, i) {
			t.Fatalf("event %d was %s", i, name)
		}
	}
	if len(heard) != events {
		t.Errorf("heard %d events; want %d", len(heard), events)
	}
}

func TestMiddlewaresOfThoseWhoReturn(t *testing.T) {
	for _, ask := range []bool{false, true} {
		asked := 0
		f := newFake(t, Options{Recovery: &Recovery{Middlewares: ask}}, func(io *IO) {
			io.Use(func(h *Handshake) error {
				asked++
				h.User, h.Info = "ann", fmt.Append(nil, asked)
				return nil
			})
		})
		c := f.connect("/", "")
		c.leave("transport close")
		r := f.request("/", fmt.Sprintf(`{"pid":%q}`, c.pid))
		welcome, err := f.app().Connect(r)
		welcome.Joined()
		want := map[bool]string{false: "1", true: "2"}[ask]
		if err != nil || welcome.Grant == nil || string(welcome.Grant.Info) != want {
			t.Errorf("a client comes back as %+v, %v; want %s", welcome.Grant, err, want)
		}
	}
}

// What one user had, rooms above all, is not for the next who sits down at the same page.
func TestAnotherUserDoesNotRecover(t *testing.T) {
	disk := &fakeDisk{logs: make(map[string][][]byte)}
	open := func(user string, r Recovery) *fakeNode {
		return newFakeOn(t, disk, Options{Recovery: &r}, func(io *IO) {
			io.Use(func(h *Handshake) error {
				if h.User = user; h.Auth != nil {
					h.User = "bob"
				}
				return nil
			})
		})
	}
	f := open("ann", Recovery{Middlewares: true})
	c := f.connect("/", "")
	c.leave("transport close")
	if back := c.again(); back.id == c.id {
		t.Error("another user has come back")
	}
	kept := f.connect("/", "")
	kept.leave("transport close")
	kept.node = open("ann", Recovery{}) // after a restart
	if back := kept.again(); back.id == kept.id {
		t.Error("another user has come back after a restart")
	}
}

// However often clients come and go, there is only so much about them.
func TestThoseWhoReturnAreNotKept(t *testing.T) {
	f := newFake(t, Options{Recovery: &Recovery{}}, nil)
	c := f.connect("/", "")
	for range 100 {
		c.leave("transport close")
		c = c.again()
	}
	if n := len(f.io.sessions.queue); n > 20 {
		t.Errorf("%d sessions are in line for one client", n)
	}
}

// A child of a dynamic namespace stays for those who may come back to it.
func TestChildrenWaitForTheirClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, Options{Recovery: &Recovery{}}, func(io *IO) { io.OfPattern(regexp.MustCompile("^/d")) })
		c := f.connect("/d", "")
		c.leave("transport close")
		back := c.again()
		if back.id != c.id {
			t.Error("a client does not come back to a namespace without others")
		}
		back.leave("transport close")
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if f.io.space("/d") != nil {
			t.Error("the namespace stays for ever")
		}
	})
}

// Rooms that are channels have histories of their own, and events there no offsets.
func TestMappedNamespacesHaveNoRecovery(t *testing.T) {
	f := newFake(t, Options{Recovery: &Recovery{}}, nil)
	f.io.mapped = []string{"/"}
	f.io.Namespace.journal = nil
	f.io.start(f)
	if c := f.connect("/", ""); c.pid != "" {
		t.Errorf("a client got a private id %q", c.pid)
	}
}

// Functions of OnDisconnect may send, also if the client has gone again before it was in its rooms; it may still come back as what it was.
func TestClientsGoWhileTheyComeBack(t *testing.T) {
	f := newRecovering(t, Recovery{})
	f.io.OnDisconnect(func(s *Socket, reason string) { must(t, f.io.Emit("left", reason)) })
	c := f.connect("/", "")
	c.leave("transport close")
	r := f.request("/", fmt.Sprintf(`{"pid":%q}`, c.pid))
	if _, err := f.app().Connect(r); err != nil {
		t.Fatal(err)
	}
	f.app().Disconnect(r.Socket, "/", "", nil) // of which OnConnect was never told
	c.again().expect(`["left","transport close"]; ["back","id1",["id1","room"],1] volatile`)
}

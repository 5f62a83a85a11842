package server

import (
	"bufio"
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/tlsrecord"
)

// emulated is a kernel that does TLS records.
type emulated struct{ *testutil.Kernel }

func (e emulated) Start(fd int, tx, rx netpoll.TLSKeys) (bool, syscall.Errno) {
	return e.Kernel.Start(fd, testutil.RecordKeys(tx), testutil.RecordKeys(rx))
}

// eachKernel runs a test on what stands for a kernel, and on this machine's where that does records: nil.
func eachKernel(t *testing.T, run func(t *testing.T, kernel *testutil.Kernel)) {
	t.Run("emulated", func(t *testing.T) { run(t, new(testutil.Kernel)) })
	t.Run("real", func(t *testing.T) {
		if err := netpoll.KernelTLS(); err != nil {
			t.Skip(err)
		}
		run(t, nil)
	})
}

// openKernel opens a node with TLS on a kernel that does its records.
func openKernel(t *testing.T, kernel *testutil.Kernel, change func(c *Config)) *node {
	t.Helper()
	if kernel != nil {
		t.Cleanup(kernel.Wait) // after the node has ended
	}
	return openSecure(t, func(c *Config) {
		c.TLS.Export = true
		if kernel != nil {
			c.records, c.PrivateTables = emulated{kernel}, "off"
		}
		if change != nil {
			change(c)
		}
	})
}

// checkKernelTLS waits until the kernel does the records of so many conns.
func (n *node) checkKernelTLS(want int64) {
	n.t.Helper()
	testutil.Eventually(n.t, patience, func() bool { return n.counts().KernelTLS == want }, fmt.Sprintf("the kernel does the records of %d conns", want))
}

// Sessions whose records the kernel does are sessions: commands, publications to many, and the end of a node with close_notify.
func TestSessionsOverKernelTLS(t *testing.T) { eachKernel(t, testSessionsOverKernelTLS) }

func testSessionsOverKernelTLS(t *testing.T, kernel *testutil.Kernel) {
	n := openKernel(t, kernel, func(c *Config) { c.Loops = 2 })
	var members []*client
	for range 5 {
		c := n.dial().secure(tls.VersionTLS13).upgrade(pathWebSocket)
		defer c.close()
		c.say(hello)
		c.say(subscribe(2, "room"))
		if got := c.hear(2, 0, false).replies; fmt.Sprint(got) != fmt.Sprint([]string{connected, subscribed(2)}) {
			t.Fatalf("connect and subscribe: %q", got)
		}
		members = append(members, c)
	}
	n.checkKernelTLS(5)
	n.checkMetric("edge_tls_kernel_connections 5")
	if _, body := n.get("/info"); !strings.Contains(body, `"kernel_tls":"used"`) || !strings.Contains(body, `"kernel_tls_connections":5`) {
		t.Errorf("/info says %s", body)
	}
	members[0].say(publish(3, "room", `"to all"`))
	for i, c := range members {
		replies := 0
		if i == 0 {
			replies = 1
		}
		if got := c.hear(replies, 1, false).pushes; len(got) != 1 || got[0] != pushOf("room", `"to all"`) {
			t.Errorf("member %d heard %q", i, got)
		}
	}
	done := n.serve()()
	for i, c := range members {
		if got := fmt.Sprint(c.rest()); got != "[close 3001]" {
			t.Errorf("member %d: %s; want close 3001 and close_notify", i, got)
		}
		c.close()
	}
	<-done
}

// Messages of any size pass whole and in order, and no TLS of the process is left.
func TestMessagesOverKernelTLS(t *testing.T) { eachKernel(t, testMessagesOverKernelTLS) }

func testMessagesOverKernelTLS(t *testing.T, kernel *testutil.Kernel) {
	n := openKernel(t, kernel, func(c *Config) { c.MessageLimit = 2 << 20 })
	c := n.dial().secure(tls.VersionTLS13).upgrade(pathEcho)
	defer c.close()
	c.echoMany()
	n.checkKernelTLS(1)
	c.close()
	n.checkKernelTLS(0)
}

// A client may go on talking while its records change hands: nothing is lost, whatever stands in one segment with the end of the
// handshake.
func TestRecordsChangeHandsUnderWay(t *testing.T) { eachKernel(t, testRecordsChangeHandsUnderWay) }

func testRecordsChangeHandsUnderWay(t *testing.T, kernel *testutil.Kernel) {
	n := openKernel(t, kernel, nil)
	for i := range 50 {
		c := n.dial()
		g := &gathering{Conn: c.conn, most: 100 * i}
		c.tls = tls.Client(g, &tls.Config{InsecureSkipVerify: true})
		c.in = bufio.NewReader(c.tls)
		if err := c.tls.Handshake(); err != nil {
			t.Fatal(err)
		}
		c.send([]byte(request(pathEcho)))
		g.flush()
		if head := c.readHead(); !strings.HasPrefix(head, "HTTP/1.1 101 ") {
			t.Fatalf("upgrade: %q", head)
		}
		for j := range 5 {
			c.send(masked(0x81, fmt.Sprint(j)))
		}
		g.flush()
		for j := range 5 {
			if got := c.next(); got != fmt.Sprintf("text %q", fmt.Sprint(j)) {
				t.Fatalf("message %d: %s", j, got)
			}
		}
		n.checkKernelTLS(1)
		c.close()
		n.checkKernelTLS(0)
	}
}

// A kernel that refuses leaves the records where they are; one that stops half way ends the conn.
func TestKernelTLSRefused(t *testing.T) {
	n := openKernel(t, &testutil.Kernel{Fail: syscall.ENOENT}, nil)
	c := n.dial().secure(tls.VersionTLS13).upgrade(pathEcho)
	defer c.close()
	c.send(masked(0x81, "hello"))
	if got := c.next(); got != `text "hello"` {
		t.Errorf("a conn that the kernel has refused: %s", got)
	}
	n.checkKernelTLS(0)

	n = openKernel(t, &testutil.Kernel{Half: syscall.EINVAL}, nil)
	c = n.dial()
	defer c.close()
	s := tls.Client(c.conn, &tls.Config{InsecureSkipVerify: true})
	if s.Handshake() == nil {
		_, _ = s.Read(make([]byte, 1))
	}
	testutil.Eventually(t, patience, func() bool { return n.counts().Open == 0 }, "the conn that was half the kernel's has gone")
}

// With TLS 1.2, and where nobody asks for it, the kernel is left alone.
func TestKernelTLSNotUsed(t *testing.T) { eachKernel(t, testKernelTLSNotUsed) }

func testKernelTLSNotUsed(t *testing.T, kernel *testutil.Kernel) {
	asked := openKernel(t, kernel, nil)
	unasked := openKernel(t, kernel, func(c *Config) { c.TLS.Export = false })
	for _, row := range []struct {
		n       *node
		version uint16
	}{{asked, tls.VersionTLS12}, {unasked, tls.VersionTLS13}} {
		c := row.n.dial().secure(row.version).upgrade(pathEcho)
		defer c.close()
		c.send(masked(0x81, "hello"))
		if got := c.next(); got != `text "hello"` {
			t.Errorf("TLS %x: %s", row.version, got)
		}
		row.n.checkKernelTLS(0)
	}
	if _, body := unasked.get("/info"); !strings.Contains(body, `"kernel_tls":"not used, but found"`) {
		t.Errorf("/info says %s", body)
	}
	next := *asked.config.TLS
	next.Export = false
	if err := asked.SetTLS(next); err != nil {
		t.Fatal(err)
	}
	c := asked.dial().secure(tls.VersionTLS13).upgrade(pathEcho)
	defer c.close()
	asked.checkKernelTLS(0)
}

// A client that says close_notify hears it too.
func TestCloseNotifyOverKernelTLS(t *testing.T) { eachKernel(t, testCloseNotifyOverKernelTLS) }

func testCloseNotifyOverKernelTLS(t *testing.T, kernel *testutil.Kernel) {
	n := openKernel(t, kernel, nil)
	c := n.dial().secure(tls.VersionTLS13).upgrade(pathEcho)
	defer c.close()
	n.checkKernelTLS(1)
	if err := c.tls.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c.conn); err != nil || len(got) != 5+2+1+16 || got[0] != 23 {
		t.Errorf("close_notify is answered with %x, %v; want one record", got, err)
	}
	n.checkKernelTLS(0)
}

// What is no data has its alert and its reason.
func TestRecordsAreJudged(t *testing.T) {
	for name, row := range map[string]struct {
		kind  byte
		b     []byte
		why   syscall.Errno
		alert byte
		label string
	}{
		"KeyUpdate":       {22, []byte{24, 0, 0, 1, 0}, 0, 80, "key_update"},
		"after KeyUpdate": {0, nil, syscall.EKEYEXPIRED, 80, "key_update"},
		"Finished":        {22, []byte{20, 0, 0, 0}, 0, 10, "protocol"},
		"heartbeat":       {24, []byte{1}, 0, 10, "protocol"},
		"short alert":     {21, []byte{1}, 0, 10, "protocol"},
		"changed":         {0, nil, syscall.EBADMSG, 20, "protocol"},
		"too large":       {0, nil, syscall.EMSGSIZE, 22, "record"},
		"no record":       {0, nil, syscall.EINVAL, 10, "record"},
		"kernel":          {0, nil, syscall.ENOMEM, 80, "protocol"},
	} {
		alert, err := judgeRecord(row.kind, row.b, row.why)
		if alert != row.alert || tlsrecord.Label(err) != row.label {
			t.Errorf("%s: alert %d, %v; want alert %d, label %s", name, alert, err, row.alert, row.label)
		}
	}
}

// A member that reads nothing is cut off.
func TestSlowOverKernelTLS(t *testing.T) { eachKernel(t, testSlowOverKernelTLS) }

func testSlowOverKernelTLS(t *testing.T, kernel *testutil.Kernel) {
	n := openKernel(t, kernel, func(c *Config) { c.QueueLimit = 64 << 10 })
	slow := n.dial().sluggish().secure(tls.VersionTLS13).upgrade(pathWebSocket)
	slow.say(hello)
	slow.say(subscribe(2, "room"))
	slow.hear(2, 0, false)
	n.checkKernelTLS(1)
	testutil.Eventually(t, patience, func() bool {
		n.publish("room", filler, PublishOptions{})
		return n.counts().Slow[metrics.SlowClosedBytes] == 1
	}, "the member that does not read is found slow")
	slow.close()
	testutil.Eventually(t, patience, func() bool { return n.counts().Open == 0 }, "its conn has gone")
}

// gathering is a conn that keeps back what is written until there is more than most bytes of it.
type gathering struct {
	net.Conn
	most int
	kept []byte
}

func (g *gathering) Write(b []byte) (int, error) {
	g.kept = append(g.kept, b...)
	if len(g.kept) > g.most {
		g.flush()
	}
	return len(b), nil
}

func (g *gathering) Read(b []byte) (int, error) {
	g.flush()
	return g.Conn.Read(b)
}

// flush writes what is kept, in two pieces.
func (g *gathering) flush() {
	half := len(g.kept) / 2
	_, _ = g.Conn.Write(g.kept[:half])
	_, _ = g.Conn.Write(g.kept[half:])
	g.kept = nil
}

// A client that changes its keys hears internal_error, and is counted: the kernel has only the first ones.
func TestKeyUpdateOverKernelTLS(t *testing.T) { eachKernel(t, testKeyUpdateOverKernelTLS) }

func testKeyUpdateOverKernelTLS(t *testing.T, kernel *testutil.Kernel) {
	n := openKernel(t, kernel, nil)
	moved := n.rejections(func() {
		c := n.dial()
		defer c.close()
		var log bytes.Buffer
		c.tls = tls.Client(c.conn, &tls.Config{InsecureSkipVerify: true, KeyLogWriter: &log})
		c.in = bufio.NewReader(c.tls)
		c.upgrade(pathEcho) // one record of the client's
		n.checkKernelTLS(1)
		records, err := testutil.NewRecords(clientKeys(t, log.String(), c.tls.ConnectionState().CipherSuite, 1))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.conn.Write(records.Seal(nil, testutil.RecordHandshake, []byte{24, 0, 0, 1, 1})); err != nil {
			t.Fatal(err)
		}
		if _, err := c.in.ReadByte(); err == nil || err.Error() != "remote error: tls: internal error" {
			t.Errorf("the client reads %v; want internal_error", err)
		}
	})
	checkMoved(t, moved, metrics.RejectTLSKeyUpdate, 1)
	n.checkKernelTLS(0)
}

// clientKeys returns what a client seals its records with from number seq on, by its key log (RFC 8446 section 7.3).
func clientKeys(t *testing.T, log string, suite uint16, seq uint64) testutil.RecordKeys {
	t.Helper()
	var secret []byte
	for line := range strings.Lines(log) {
		if words := strings.Fields(line); len(words) == 3 && words[0] == "CLIENT_TRAFFIC_SECRET_0" {
			secret, _ = hex.DecodeString(words[2])
		}
	}
	size, sum := 32, sha256.New
	switch suite {
	case tls.TLS_AES_128_GCM_SHA256:
		size = 16
	case tls.TLS_AES_256_GCM_SHA384:
		sum = sha512.New384
	}
	expand := func(label string, size int) []byte {
		b, err := hkdf.Expand(sum, secret, fmt.Sprintf("\x00%c%ctls13 %s\x00", size, 6+len(label), label), size)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	return testutil.RecordKeys{Suite: suite, Key: expand("key", size), IV: expand("iv", 12), Seq: seq}
}

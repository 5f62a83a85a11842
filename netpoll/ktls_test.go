package netpoll

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
	"golang.org/x/sys/unix"
)

// emulated is a kernel that does TLS records.
type emulated struct{ *testutil.Kernel }

func (e emulated) Start(fd int, tx, rx TLSKeys) (bool, syscall.Errno) {
	return e.Kernel.Start(fd, testutil.RecordKeys(tx), testutil.RecordKeys(rx))
}

// heard is what [RecordHandler.Record] was told.
type heard struct {
	kind byte
	text string
	why  syscall.Errno
}

var (
	keysOut = TLSKeys{Suite: tls.TLS_AES_128_GCM_SHA256, Key: bytes.Repeat([]byte{1}, 16), IV: make([]byte, 12), Seq: 2}
	keysIn  = TLSKeys{Suite: tls.TLS_AES_128_GCM_SHA256, Key: bytes.Repeat([]byte{2}, 16), IV: make([]byte, 12)}
)

// A recordClient talks to a conn with TLS below.
type recordClient struct {
	net.Conn
	t       *testing.T
	to      *testutil.Records
	from    *testutil.Records
	held    []byte
	text    []byte // data that has come
	records []heard
}

// eachKernel runs a test on what stands for a kernel, and on this machine's where that does records: nil.
func eachKernel(t *testing.T, run func(t *testing.T, kernel *testutil.Kernel)) {
	t.Run("emulated", func(t *testing.T) { run(t, new(testutil.Kernel)) })
	t.Run("real", func(t *testing.T) {
		if err := KernelTLS(); err != nil {
			t.Skip(err)
		}
		run(t, nil)
	})
}

// belowStage opens a reactor on a kernel and connects a client, whose records that kernel does.
func belowStage(t *testing.T, kernel *testutil.Kernel, s script) (*stage, *recordClient, ConnID) {
	t.Helper()
	return belowStageOf(t, Config{}, kernel, s)
}

// belowStageOf is belowStage of a reactor with a config.
func belowStageOf(t *testing.T, config Config, kernel *testutil.Kernel, s script) (*stage, *recordClient, ConnID) {
	t.Helper()
	if kernel != nil {
		config.Records, config.Tables = emulated{kernel}, TablesOff
	}
	st := open(t, config, s)
	sock, id := st.connect()
	r := &recordClient{Conn: sock, t: t}
	var failed [2]error
	r.to, failed[0] = testutil.NewRecords(testutil.RecordKeys(keysIn))
	r.from, failed[1] = testutil.NewRecords(testutil.RecordKeys(keysOut))
	if err := errors.Join(failed[:]...); err != nil {
		t.Fatal(err)
	}
	st.on(id, func(l *Loop, c *Conn) {
		if !l.StartTLS(c, keysOut, keysIn) || l.KernelTLS() != 1 {
			t.Errorf("StartTLS failed, or counts %d conns", l.KernelTLS())
		}
	})
	t.Cleanup(func() {
		_ = sock.Close()
		if kernel != nil {
			kernel.Wait()
		}
	})
	return st, r, id
}

func (r *recordClient) say(kind byte, b []byte) {
	r.t.Helper()
	send(r.t, r.Conn, r.to.Seal(nil, kind, b))
}

// listen takes what comes until there are so many bytes of data, or to the end.
func (r *recordClient) listen(bytes int) error {
	buf := make([]byte, 32<<10)
	for len(r.text) < bytes {
		n, err := r.Read(buf)
		r.held = append(r.held, buf[:n]...)
		for record := testutil.NextRecord(r.held); record != nil; record = testutil.NextRecord(r.held) {
			kind, b, err := r.from.Open(record)
			if err != nil {
				return err
			}
			r.held = r.held[len(record):]
			if kind == testutil.RecordData {
				r.text = append(r.text, b...)
			} else {
				r.records = append(r.records, heard{kind: kind, text: string(b)})
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// wantEnd fails the test unless the stream ends with these data and one alert.
func (r *recordClient) wantEnd(text []byte, alert string) {
	r.t.Helper()
	err := r.listen(1 << 30)
	if err != io.EOF || !bytes.Equal(r.text, text) {
		r.t.Errorf("%d bytes, then %v; want %d and EOF", len(r.text), err, len(text))
	}
	if len(r.records) != 1 || r.records[0] != (heard{kind: recordAlert, text: alert}) {
		r.t.Errorf("other records: %+v; want an alert %q", r.records, alert)
	}
}

// Data goes both ways as on any conn; the end of a conn in order is close_notify and then the end of the stream, behind all that
// waited.
func TestRecordsBelow(t *testing.T) { eachKernel(t, testRecordsBelow) }

func testRecordsBelow(t *testing.T, kernel *testutil.Kernel) {
	st, r, id := belowStage(t, kernel, script{})
	want := 0
	for _, size := range []int{1, 5, 0, 1000, 16 << 10, 70_000, 0, 3} {
		r.say(recordData, bytes.Repeat([]byte{byte(size)}, size))
		if want += size; r.listen(want) != nil || len(r.text) != want {
			t.Fatalf("%d bytes have come back; want %d", len(r.text), want)
		}
	}
	r.text = nil
	last := bytes.Repeat([]byte("last words "), 100_000)
	st.on(id, func(l *Loop, c *Conn) { l.Shutdown(c, last, patience) })
	r.wantEnd(last, "\x01\x00")
	_ = r.Close()
	st.wantClosed(id, ClosedLocally)
	st.do(0, func(l *Loop) {
		if l.KernelTLS() != 0 {
			t.Errorf("%d conns with TLS below; want none", l.KernelTLS())
		}
	})
}

// What is no data goes to Record, which says an alert and closes; close_notify is not said again.
func TestOtherRecordsBelow(t *testing.T) { eachKernel(t, testOtherRecordsBelow) }

func testOtherRecordsBelow(t *testing.T, kernel *testutil.Kernel) {
	for name, row := range map[string]struct {
		send  func(r *recordClient)
		want  heard
		alert byte
	}{
		"close_notify": {func(r *recordClient) { r.say(recordAlert, []byte{1, 0}) }, heard{recordAlert, "\x01\x00", 0}, 0},
		"KeyUpdate":    {func(r *recordClient) { r.say(22, []byte{24, 0, 0, 1, 1}) }, heard{22, "\x18\x00\x00\x01\x01", 0}, 80},
		"bad record": {func(r *recordClient) { send(r.t, r.Conn, append([]byte{23, 3, 3, 0, 20}, make([]byte, 20)...)) },
			heard{0, "", unix.EBADMSG}, 20},
	} {
		t.Run(name, func(t *testing.T) {
			told := make(chan heard, 8)
			_, r, _ := belowStage(t, kernel, script{record: func(l *Loop, c *Conn, h heard) {
				told <- h
				l.Alert(c, row.alert)
				l.Alert(c, 1)
				l.Shutdown(c, nil, patience)
			}})
			r.say(recordData, []byte("data"))
			if err := r.listen(4); err != nil {
				t.Fatal(err)
			}
			row.send(r)
			if got := await(t, told, "Record"); got != row.want {
				t.Errorf("Record was told %+v; want %+v", got, row.want)
			}
			level := byte(2)
			if row.alert == 0 {
				level = 1
			}
			r.wantEnd([]byte("data"), string([]byte{level, row.alert}))
		})
	}
}

// A message that comes in many records is put together like any other.
func TestMessageInManyRecords(t *testing.T) { eachKernel(t, testMessageInManyRecords) }

func testMessageInManyRecords(t *testing.T, kernel *testutil.Kernel) {
	st, r, id := belowStage(t, kernel, script{received: func(l *Loop, c *Conn, b []byte) (int, int) {
		if len(b) < 100_000 {
			return 0, 100_000
		}
		l.Write(c, b)
		return len(b), 0
	}})
	message := bytes.Repeat([]byte("0123456789"), 10_000)
	for piece := message; len(piece) > 0; {
		n := min(len(piece), 777)
		r.say(recordData, piece[:n])
		piece = piece[n:]
		if len(piece) == len(message)-777*4 {
			r.say(recordData, nil)
		}
	}
	if err := r.listen(len(message)); err != nil || !bytes.Equal(r.text, message) {
		t.Errorf("%d bytes, %v; want the message", len(r.text), err)
	}
	st.on(id, func(l *Loop, c *Conn) {
		if l.Held(c) != 0 {
			t.Errorf("%d bytes are held", l.Held(c))
		}
	})
}

// A conn for which something waits, or that is about to end, is left as it is, and so is one that the kernel refuses.
func TestStartTLSRefused(t *testing.T) {
	kernel := &testutil.Kernel{Fail: unix.ENOENT}
	st := open(t, Config{Records: emulated{kernel}, Tables: TablesOff}, script{})
	client, id := st.connect()
	st.on(id, func(l *Loop, c *Conn) {
		if l.StartTLS(c, keysOut, keysIn) {
			t.Error("StartTLS on a kernel that refuses")
		}
	})
	wantEcho(t, client, "plain")
	st.on(id, func(l *Loop, c *Conn) {
		kernel.Fail = 0
		l.Write(c, make([]byte, 64<<20))
		if l.Backlog(c) == 0 || l.StartTLS(c, keysOut, keysIn) {
			t.Error("StartTLS where something waits")
		}
		l.Close(c, ClosedLocally)
		if l.StartTLS(c, keysOut, keysIn) {
			t.Error("StartTLS on a conn that closes")
		}
	})
	st.wantClosed(id, ClosedLocally)

	half := open(t, Config{Records: emulated{&testutil.Kernel{Half: unix.EINVAL}}, Tables: TablesOff}, script{})
	_, id = half.connect()
	half.on(id, func(l *Loop, c *Conn) {
		if !l.StartTLS(c, keysOut, keysIn) || !c.Closing() {
			t.Error("half of StartTLS is no end")
		}
	})
	half.wantClosed(id, ClosedReset)
}

// A peer that goes away without a word is noticed as without TLS.
func TestEndBelow(t *testing.T) { eachKernel(t, testEndBelow) }

func testEndBelow(t *testing.T, kernel *testutil.Kernel) {
	st, r, id := belowStage(t, kernel, script{})
	_ = r.Close()
	st.wantClosed(id, ClosedByPeer)
}

// A part of a record that waits for its rest does not keep the loop awake, and stands in the way of nothing that is sent.
func TestPartOfRecordBelow(t *testing.T) { eachKernel(t, testPartOfRecordBelow) }

func testPartOfRecordBelow(t *testing.T, kernel *testutil.Kernel) {
	st, r, id := belowStage(t, kernel, script{})
	heard := 0
	for i := range 3 {
		record := r.to.Seal(nil, recordData, []byte("late"))
		send(t, r.Conn, record[:7])
		var waits, before uint64
		st.do(0, func(l *Loop) { before = l.stats.Waits })
		testutil.Eventually(t, patience, func() bool {
			st.do(0, func(l *Loop) { waits = l.stats.Waits })
			return waits > before+2
		}, "the loop sleeps")
		large := 4 << 20 * i
		st.on(id, func(l *Loop, c *Conn) { l.Write(c, make([]byte, large)) })
		if heard += large; r.listen(heard) != nil {
			t.Fatalf("%d bytes have come; want %d", len(r.text), heard)
		}
		send(t, r.Conn, record[7:])
		if heard += 4; r.listen(heard) != nil || string(r.text[heard-4:]) != "late" {
			t.Fatalf("%d bytes, at the end %q; want %d, and late", len(r.text), r.text[max(len(r.text)-4, 0):], heard)
		}
	}
}

// A loop that gathers hears of the rest of a record, which is an edge and told of once.
func TestGatherLosesNoEdge(t *testing.T) { eachKernel(t, testGatherLosesNoEdge) }

func testGatherLosesNoEdge(t *testing.T, kernel *testutil.Kernel) {
	st, r, id := belowStageOf(t, Config{Gather: time.Millisecond}, kernel, script{})
	for i := range 20 {
		st.on(id, func(l *Loop, c *Conn) { l.hearEdges(c, true) }) // as when a part has come
		r.say(recordData, []byte("rest"))
		if err := r.listen(4 * (i + 1)); err != nil {
			t.Fatalf("after %d echoes: %v", i, err)
		}
	}
}

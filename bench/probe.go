package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/protocol"
)

// probeTimeout is when a round trip, or a connect, of the probe has failed.
const probeTimeout = 10 * time.Second

// probeHangs is when one that the end of the run cuts short has failed too.
const probeHangs = time.Second

// probe is one more connection, apart from the load, that makes a round trip at fixed times: it says
// how the server answers somebody else meanwhile. A nil probe is one that is not wanted.
type probe struct {
	target *target
	proxy  *proxied                 // that it comes by
	join   *protocol.ConnectRequest // where t does not echo
	every  time.Duration
	ctx    context.Context
	cancel context.CancelFunc // ends what is under way too
	ended  chan struct{}

	mu     sync.Mutex // guards what follows
	phases []probeRecord
}

// probeRecord is one phase.
type probeRecord struct {
	name    string
	failed  uint64
	latency *hdrhistogram.Histogram
}

// startProbe begins to make round trips to t, with join where that takes a session; with every 0 there is no probe.
func startProbe(t *target, proxy *proxied, join *protocol.ConnectRequest, every time.Duration) *probe {
	if every == 0 {
		return nil
	}
	p := &probe{target: t, proxy: proxy, join: join, every: every, ended: make(chan struct{})}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	go p.serve()
	return p
}

// stop ends the probe, and returns when its goroutine has ended.
func (p *probe) stop() {
	if p != nil {
		p.cancel()
		<-p.ended
	}
}

// phase begins a new record.
func (p *probe) phase(name string) {
	if p != nil {
		p.mu.Lock()
		p.phases = append(p.phases, probeRecord{name: name, latency: newHistogram()})
		p.mu.Unlock()
	}
}

// result sums up the phases in which there was a round trip.
func (p *probe) result() (all []ProbePhase) {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.phases {
		f := &p.phases[i]
		if l := latencyOf(f.latency); l != nil || f.failed > 0 {
			all = append(all, ProbePhase{f.name, f.failed, l})
		}
	}
	return all
}

// note records a round trip in the present phase.
func (p *probe) note(took time.Duration, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.phases) == 0 {
		return
	}
	f := &p.phases[len(p.phases)-1]
	if err != nil {
		f.failed++
	} else {
		record(f.latency, int64(took))
	}
}

// serve makes round trips. Time counts from when one was due: one that takes long delays the next, and
// that counts too.
func (p *probe) serve() {
	defer close(p.ended)
	var way *wire
	defer func() { way.close() }()
	for due := time.Now(); p.sleep(due); due = due.Add(p.every) {
		began := due
		var err error
		if way == nil {
			way, err = openWire(p.ctx, p.target, p.proxy, p.join)
			due = time.Now() // a connect is no round trip
		} else if err = way.roundTrip(); err == nil {
			p.note(time.Since(due), nil)
		}
		if p.ctx.Err() != nil && time.Since(began) < probeHangs {
			return // stop has cut it short
		}
		if err != nil {
			p.note(0, err)
			way.close()
			way, due = nil, time.Now()
		}
	}
}

// sleep returns true when it is due, or false when the probe is to end.
func (p *probe) sleep(due time.Time) bool {
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-p.ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// wire is a WebSocket of the probe, on blocking calls.
type wire struct {
	conn   net.Conn
	spare  func() bool // has the context end without this wire
	stream frame.Stream
	in     []byte // read and not yet used
	ask    []byte // the frame that is answered by one
}

// errProbe means that the server does not answer as it should.
var errProbe = errors.New("bench: the probe's server does not answer")

// openWire connects to where t echoes or, if it does not, to where it serves rooms: there a call of an
// unknown method, which is answered by an error, does as well. The wire is cut when ctx ends.
func openWire(ctx context.Context, t *target, proxy *proxied, join *protocol.ConnectRequest) (*wire, error) {
	w, err := openPath(ctx, t, proxy, echoPath)
	if err == nil {
		w.ask = frame.AppendMasked(nil, [4]byte{1, 2, 3, 4}, frame.OpText, stamp{}.appendTo(nil, 64), false)
		return w, nil
	}
	if w, err = openPath(ctx, t, proxy, t.request(roomsPath).Target); err != nil {
		return nil, err
	}
	w.ask = frame.AppendMasked(nil, [4]byte{1, 2, 3, 4}, frame.OpText, protocol.JSON.AppendConnect(nil, connectID, join), false)
	if err := w.roundTrip(); err != nil {
		w.close()
		return nil, err
	}
	w.ask = frame.AppendMasked(nil, [4]byte{1, 2, 3, 4}, frame.OpText, []byte(`{"id":2,"rpc":{"method":"probe"}}`), false)
	return w, nil
}

// openPath opens a WebSocket at one path.
func openPath(ctx context.Context, t *target, proxy *proxied, path string) (*wire, error) {
	d := net.Dialer{Timeout: probeTimeout}
	conn, err := d.DialContext(ctx, "tcp", t.address)
	if err != nil {
		return nil, err
	}
	w := &wire{conn: conn, spare: context.AfterFunc(ctx, func() { hangUp(conn) })}
	at := *t
	at.path = path
	if header := proxy.append(nil, t, probeClient); len(header) > 0 {
		err = w.send(header)
	}
	w.conn = t.dialSecure(conn)
	if err == nil {
		err = w.upgrade(at.request(""))
	}
	if err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// probeClient is the probe's number among clients that a proxy tells of.
const probeClient = 1<<24 - 3

func (w *wire) upgrade(asked *frame.ClientRequest) error {
	if err := w.send(frame.AppendRequest(nil, asked)); err != nil {
		return err
	}
	for {
		var response frame.Response
		n, err := frame.ParseResponse(w.in, 0, asked, &response)
		switch {
		case err != nil:
			return err
		case n > 0 && response.Status != 101:
			return fmt.Errorf("%w: HTTP status %d at %s", errProbe, response.Status, asked.Target)
		case n > 0:
			w.in = w.in[n:]
			return nil
		}
		if err := w.read(); err != nil {
			return err
		}
	}
}

// roundTrip sends what is answered and waits for the answer. Pings in between are answered.
func (w *wire) roundTrip() error {
	if err := w.send(w.ask); err != nil {
		return err
	}
	for {
		f, n, _, bad := w.stream.Next(w.in, &frameOptions)
		switch {
		case bad != nil:
			return bad
		case n == 0:
			if err := w.read(); err != nil {
				return err
			}
			continue
		}
		w.in = w.in[n:]
		switch {
		case f.Opcode == frame.OpClose:
			return errProbe
		case f.Opcode != frame.OpText:
		case string(f.Payload) != "{}":
			return nil
		default:
			if err := w.send(frame.AppendMasked(nil, [4]byte{1}, frame.OpText, protocol.JSON.AppendPong(nil), false)); err != nil {
				return err
			}
		}
	}
}

func (w *wire) send(b []byte) error {
	if err := w.conn.SetDeadline(time.Now().Add(probeTimeout)); err != nil {
		return err
	}
	_, err := w.conn.Write(b)
	return err
}

func (w *wire) read() error {
	var room [4 << 10]byte
	n, err := w.conn.Read(room[:])
	w.in = append(w.in, room[:n]...)
	return err
}

func (w *wire) close() {
	if w != nil {
		w.spare()
		_ = w.conn.Close() // it has nothing to say that matters
	}
}

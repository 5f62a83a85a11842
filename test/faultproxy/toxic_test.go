package faultproxy

import (
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// start is when what the stages get has arrived.
var start = time.Unix(1000, 0)

// through sends pieces of a stream, which all arrive at start, through one stage. It returns each piece that comes
// out as its text and the milliseconds after start when it is due; "." is the end of a stream, "!" our close.
func through(toxic Toxic, pieces ...string) string {
	s := toxic.begin(&flow{rng: rand.New(rand.NewPCG(1, 2))})
	var out []string
	for _, piece := range pieces {
		in := segment{data: []byte(piece), due: start}
		if piece == "." {
			in = segment{end: fin, due: start}
		}
		for _, seg := range s.pass([]segment{in}) {
			text := string(seg.data) + [...]string{goesOn: "", fin: ".", finish: "!"}[seg.end]
			out = append(out, fmt.Sprintf("%s@%d", text, seg.due.Sub(start).Milliseconds()))
		}
	}
	return strings.Join(out, " ")
}

func TestStages(t *testing.T) {
	for _, row := range []struct {
		toxic Toxic
		in    []string
		want  string
	}{
		{Latency{Delay: 30 * time.Millisecond}, []string{"ab", "c", "."}, "ab@30 c@30 .@30"},
		{Bandwidth{Rate: 200}, []string{"abcd", "e", "."}, "ab@10 cd@20 e@25 .@25"},
		{Bandwidth{Rate: 10}, []string{"ab"}, "a@100 b@200"},
		{Bandwidth{}, []string{"ab"}, "a@1000 b@2000"},
		{Slicer{Size: 2}, []string{"abcde", "f", "."}, "ab@0 cd@0 e@0 f@0 .@0"},
		{Slicer{Size: 2, Gap: 5 * time.Millisecond}, []string{"abcde", "."}, "ab@0 cd@5 e@10 .@15"},
		{Slicer{}, []string{"abc"}, "a@0 b@0 c@0"},
		{SlowClose{Delay: 40 * time.Millisecond}, []string{"ab", "."}, "ab@0 .@40"},
		{Timeout{}, []string{"ab", "."}, ""},
		{LimitData{Bytes: 3}, []string{"ab", "cd", "e", "."}, "ab@0 c@0 !@0"},
		{LimitData{Bytes: 2}, []string{"ab", "cd"}, "ab@0 !@0"},
		{LimitData{Bytes: 3}, []string{"ab", "."}, "ab@0 .@0"},
		{Corrupt{Offset: 3}, []string{"ab", "cde", "f"}, "ab@0 c\x9be@0 f@0"},
		{Corrupt{Rate: 1}, []string{"ab", "."}, "\x9e\x9d@0 .@0"},
	} {
		if got := through(row.toxic, row.in...); got != row.want {
			t.Errorf("%T%v of %q = %q; want %q", row.toxic, row.toxic, row.in, got, row.want)
		}
	}
}

func TestDrawsStayInTheirRange(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	l, s := Latency{Delay: 10, Jitter: 12}, Slicer{Size: 5, Variation: 7}
	delays, sizes := map[time.Duration]bool{}, map[int]bool{}
	for range 2000 {
		delays[l.draw(rng)] = true
		sizes[s.draw(rng)] = true
	}
	for d := range delays {
		if d < 0 || d > 22 {
			t.Errorf("%v draws %d", l, d)
		}
	}
	for n := range sizes {
		if n < 1 || n > 12 {
			t.Errorf("%v draws %d", s, n)
		}
	}
	if len(delays) != 23 || len(sizes) != 12 {
		t.Errorf("drew %d delays and %d sizes; want 23 and 12", len(delays), len(sizes))
	}
}

// flips returns where a stream of size zeros is not zero behind a stage, when it comes in pieces of n bytes.
func flips(c Corrupt, size, n int) (at []int) {
	s := c.begin(&flow{rng: rand.New(rand.NewPCG(5, 6))})
	for i := 0; i < size; i += n {
		piece := make([]byte, min(n, size-i))
		s.pass([]segment{{data: piece}})
		for j, b := range piece {
			if b != 0 {
				at = append(at, i+j)
			}
		}
	}
	return at
}

func TestWhatIsCorruptDoesNotDependOnThePieces(t *testing.T) {
	const size = 100_000
	c := Corrupt{Rate: 0.01}
	want := flips(c, size, size)
	if n := len(want); n < 800 || n > 1200 {
		t.Errorf("%d of %d bytes are corrupt; want about 1000", n, size)
	}
	for _, n := range []int{1, 7, 4096} {
		if got := flips(c, size, n); !slices.Equal(got, want) {
			t.Errorf("in pieces of %d, %d bytes are corrupt; want the same %d as in one", n, len(got), len(want))
		}
	}
}

func TestLatencyHoldsBack(t *testing.T) {
	const delay = 30 * time.Millisecond
	p, client, far := pair(t)
	p.Add(Upstream, Latency{Delay: delay, Jitter: 10 * time.Millisecond})
	begun := time.Now()
	send(t, client, "late")
	wantNext(t, far, "late")
	if took := time.Since(begun); took < 20*time.Millisecond {
		t.Errorf("bytes took %v; want at least 20ms", took)
	}
	_ = client.CloseWrite()
	wantEnd(t, far)
}

func TestRemovedLatencyLetsGo(t *testing.T) {
	p, client, far := pair(t)
	remove := p.Add(Upstream, Latency{Delay: time.Hour})
	send(t, client, "held")
	wantTaken(t, p.Conns()[0], Upstream, 4)
	remove()
	wantNext(t, far, "held")
}

func TestBandwidthHoldsTheRate(t *testing.T) {
	p, client, far := pair(t)
	p.Add(Downstream, Bandwidth{Rate: 100_000})
	begun := time.Now()
	text := strings.Repeat("z", 10_000)
	send(t, far, text)
	wantNext(t, client, text)
	if took := time.Since(begun); took < 100*time.Millisecond {
		t.Errorf("10 KB at 100 KB/s took %v; want at least 100ms", took)
	}
}

func TestSlowCloseComesLate(t *testing.T) {
	p, client, far := pair(t)
	p.Add(Upstream, SlowClose{Delay: 30 * time.Millisecond})
	begun := time.Now()
	_ = client.CloseWrite()
	wantEnd(t, far)
	if took := time.Since(begun); took < 30*time.Millisecond {
		t.Errorf("the end took %v; want at least 30ms", took)
	}
}

func TestTimeoutSaysNothing(t *testing.T) {
	p, client, far := pair(t)
	c := p.Conns()[0]
	p.Add(Upstream, Timeout{})
	send(t, client, "lost")
	_ = client.CloseWrite()
	wantTaken(t, c, Upstream, 4)
	send(t, far, "heard")
	wantNext(t, client, "heard")
	c.Cut()
	wantReset(t, far) // and neither bytes nor the end before that
}

// A client that has died without a word: not even its reset reaches the server.
func TestTimeoutHidesResets(t *testing.T) {
	p, client, far := pair(t)
	c := p.Conns()[0]
	remove := c.Add(Both, Timeout{})
	send(t, client, "x")
	reset(client)
	wantTaken(t, c, Upstream, 1)
	send(t, far, "y")
	wantTaken(t, c, Downstream, 1)
	remove()
	c.HalfClose(Upstream)
	wantEnd(t, far)
}

func TestTimeoutClosesAfterAWhile(t *testing.T) {
	p, client, far := pair(t)
	p.Add(Downstream, Timeout{After: 20 * time.Millisecond})
	send(t, far, "lost")
	wantEnd(t, client)
	wantEnd(t, far)
	p.Await(0)
}

func TestResetPeer(t *testing.T) {
	p, client, far := pair(t)
	p.Conns()[0].Add(Downstream, ResetPeer{After: 10 * time.Millisecond})
	wantReset(t, client)
	wantReset(t, far)
}

// A sender that nobody reads keeps its flow in a write; the reset comes all the same.
func TestResetPeerDuringAWrite(t *testing.T) {
	p, client, far := pair(t, SocketBuffers(4096))
	c := p.Conns()[0]
	_ = client.SetReadBuffer(4096)
	block := make(chan error, 1)
	go func() {
		_, err := far.Write(make([]byte, 16<<20))
		block <- err
	}()
	testutil.Eventually(t, limit, func() bool { return c.Taken(Downstream) >= 4096 }, "the stream has begun")
	c.Add(Downstream, ResetPeer{After: 10 * time.Millisecond})
	if err := <-block; err == nil {
		t.Error("16 MiB went through to a client that does not read")
	}
}

func TestLimitDataPassesJustThat(t *testing.T) {
	p, client, far := pair(t)
	p.Add(Downstream, LimitData{Bytes: 5})
	send(t, far, "hello world")
	wantNext(t, client, "hello")
	wantEnd(t, client)
	wantEnd(t, far)
}

func TestCorruptOnTheWire(t *testing.T) {
	p, client, far := pair(t)
	p.Add(Upstream, Corrupt{Offset: 6})
	send(t, client, "hello ")
	wantNext(t, far, "hello ")
	send(t, client, "world")
	wantNext(t, far, "\x88orld")
}

func TestStallIsBounded(t *testing.T) {
	const buffer = 1000
	p, client, far := pair(t, Buffer(buffer))
	c := p.Conns()[0]
	resume := p.Add(Upstream, Stall{})
	text := strings.Repeat("0123456789", 1000)
	send(t, client, text)
	wantTaken(t, c, Upstream, buffer)
	send(t, far, "the other direction")
	wantNext(t, client, "the other direction")
	if n := c.Passed(Upstream); n != 0 {
		t.Errorf("passed %d bytes of a stalled stream", n)
	}
	if n := c.Taken(Upstream); n != buffer {
		t.Errorf("took %d bytes; want no more than the buffer's %d", n, buffer)
	}
	resume()
	wantNext(t, far, text)
}

func TestToxicsAreForTheirConnAndDirection(t *testing.T) {
	s := serve(t)
	p := Start(t, s.Addr().String())
	var clients, fars []*net.TCPConn
	for range 2 {
		clients, fars = append(clients, dial(t, p.Addr())), append(fars, s.next(t))
	}
	p.Await(2)
	p.Find(clients[0].LocalAddr()).Add(Upstream, Corrupt{Rate: 1})
	for i, want := range []string{"\x9e\x9d", "ab"} {
		send(t, clients[i], "ab")
		wantNext(t, fars[i], want)
		send(t, fars[i], "ab")
		wantNext(t, clients[i], "ab")
	}
}

// Toxics work in their order, those of the proxy first; a stream begun later meets them too.
func TestToxicsWorkInTheirOrder(t *testing.T) {
	s := serve(t)
	p := Start(t, s.Addr().String())
	p.Add(Upstream, LimitData{Bytes: 4})
	p.Add(Upstream, Corrupt{Offset: 1})
	client := dial(t, p.Addr())
	far := s.next(t)
	send(t, client, "abcdef")
	wantNext(t, far, "a\x9dcd")
	wantEnd(t, far)
}

func TestWhatArrivesAfterAddHasTheFault(t *testing.T) {
	p, client, far := pair(t)
	for range 200 {
		remove := p.Add(Upstream, Corrupt{Rate: 1})
		send(t, client, "a")
		wantNext(t, far, "\x9e")
		remove()
		send(t, client, "a")
		wantNext(t, far, "a")
	}
}

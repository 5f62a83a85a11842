//go:build faults

package faults

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/auth"
	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/test/balancer"
)

const (
	fronts      = 4 // processes of HAProxy, as a connection takes two of the 20,000 descriptors that each may have
	frontRooms  = 100
	frontRate   = 600 // connections a second that a node takes
	frontBurst  = 100 // beyond them, at once
	frontDelay  = 5 * time.Second
	frontWindow = 30 * time.Second
	frontKey    = "a-key-of-the-HTTP-API"
)

// frontNode starts a node at a place behind balancers.
func frontNode(t *testing.T, place balancer.Place) *node {
	t.Helper()
	n := start(t, launch{
		config: fmt.Sprintf(`
listen: {proxy_protocol: {enabled: true, trusted: [127.0.0.0/8]}}
api: {key: %q}
client: {token: {hmac_secret_key: %q}, connection_rate_limit: %d, connection_rate_burst: %d}
shutdown: {delay: %v, window: %v}
room:
  namespaces:
    - {name: chat, history_size: 300, history_ttl: 10m, force_recovery: true, allow_subscribe_for_client: true, allow_history_for_subscriber: true}
`, frontKey, signer.Secret, frontRate, frontBurst, frontDelay, frontWindow),
		args: []string{"--loops=2", "--address=" + place.Public[0].String(), "--address=" + place.Public[1].String(), "--internal-address=" + place.Internal.String()},
	})
	return n
}

// migration is clients that move from node to node.
type migration struct {
	t      *testing.T
	doors  chan struct{} // as many connects may be under way as it holds
	over   chan struct{}
	done   sync.WaitGroup
	movers []*mover

	standing, refused, gaps, stale atomic.Int64
	strange                        sync.Map // ends of sessions other than 3001
}

// mover is one of them. It must get all numbers of its room; on a node that it comes to it reads from the history what it has
// missed. Its goroutine owns it, and the test when that has ended.
type mover struct {
	*migration
	front  netip.AddrPort
	number int
	token  string
	room   string
	epoch  string
	offset uint64
	last   uint64        // number
	seen   atomic.Uint64 // the same
	moves  []move
}

// move is from the end of a session to the beginning of the next.
type move struct {
	left, back time.Time
	waited     time.Duration // of that, by its own choice
}

// migrate has size clients connect through the fronts and returns when all stand.
func migrate(t *testing.T, size int, fronts []netip.AddrPort) *migration {
	t.Helper()
	m := &migration{t: t, doors: make(chan struct{}, 2048), over: make(chan struct{})}
	for i := range size {
		token, err := signer.Connect(auth.ConnectClaims{Identity: auth.Identity{User: fmt.Sprintf("user-%d", i), Expiry: time.Now().Add(time.Hour)}})
		if err != nil {
			t.Fatal(err)
		}
		m.movers = append(m.movers, &mover{migration: m, front: fronts[i%len(fronts)], number: i, token: token, room: frontRoom(i)})
	}
	t.Cleanup(m.leave)
	for _, c := range m.movers {
		m.done.Go(c.live)
	}
	m.await("all stand", func() bool { return m.standing.Load() == int64(size) })
	return m
}

func frontRoom(i int) string { return fmt.Sprintf("chat:%d", i%frontRooms) }

// leave ends all clients.
func (m *migration) leave() {
	if !m.isOver() {
		close(m.over)
	}
	m.done.Wait()
}

func (m *migration) isOver() bool {
	select {
	case <-m.over:
		return true
	default:
		return false
	}
}

func (m *migration) await(what string, cond func() bool) {
	m.t.Helper()
	testutil.Eventually(m.t, 4*patience, func() bool { time.Sleep(20 * time.Millisecond); return cond() }, what)
}

// live connects, again and again, until the end, and waits before it as the official SDK does.
func (c *mover) live() {
	wait := time.Duration(c.number) * time.Millisecond // the first time they come in order
	var away move
	for tries := 0; ; tries++ {
		select {
		case <-c.over:
		case <-time.After(wait):
		}
		if c.isOver() {
			return
		}
		c.doors <- struct{}{}
		s, err := c.connect()
		<-c.doors
		if err != nil {
			c.refused.Add(1)
		} else {
			if away.back = time.Now(); !away.left.IsZero() {
				c.moves = append(c.moves, away)
			}
			c.standing.Add(1)
			c.ended(c.read(s))
			c.standing.Add(-1)
			tries, away = 0, move{left: time.Now()}
		}
		wait = min(20*time.Second, 500*time.Millisecond+rand.N(min(20*time.Second, 500*time.Millisecond<<min(tries, 10))))
		away.waited += wait
	}
}

// ended notes how a session has ended.
func (c *mover) ended(why error) {
	if !c.isOver() && codeOf(why) != 3001 {
		c.strange.Store(why.Error(), true)
	}
}

// connect opens a session.
func (c *mover) connect() (*client, error) {
	conn, err := connectTo(nil, c.front, from(c.number/1000))
	if err != nil {
		return nil, err
	}
	return begin(conn, c.enter)
}

// enter subscribes, and takes from the history what a recovery has not brought.
func (c *mover) enter(s *client) error {
	if _, err := s.ask(fmt.Sprintf(`{"id":1,"connect":{"token":%q}}`, c.token)); err != nil {
		return err
	}
	r, later, err := c.ask(s, resubscribe(2, c.room, c.epoch, c.offset))
	if err != nil {
		return err
	}
	c.epoch, c.offset = r.Subscribe.Epoch, r.Subscribe.Offset
	past := r.Subscribe.Publications
	if !r.Subscribe.Recovered {
		var more []reply
		r, more, err = c.ask(s, fmt.Sprintf(`{"id":3,"history":{"channel":%q,"limit":300}}`, c.room))
		if err != nil {
			return err
		}
		past, later = r.History.Publications, append(later, more...)
		c.stale.Add(1)
	}
	c.note(past)
	c.take(later)
	return nil
}

// ask returns the answer to a command, and the pushes around it.
func (c *mover) ask(s *client, command string) (answer reply, pushes []reply, err error) {
	if err := s.conn.SetDeadline(time.Now().Add(hangUp)); err != nil {
		return reply{}, nil, err
	}
	if err := s.say(command); err != nil {
		return reply{}, nil, err
	}
	for answer.ID == 0 {
		all, err := s.replies()
		if err != nil {
			return reply{}, nil, err
		}
		for _, r := range all {
			if r.ID == 0 {
				pushes = append(pushes, r)
			} else if answer = r; r.Error != nil {
				return reply{}, nil, fmt.Errorf("%.100s is answered with error %d", command, r.Error.Code)
			}
		}
	}
	return answer, pushes, s.conn.SetDeadline(time.Time{})
}

func (c *mover) take(all []reply) {
	for _, r := range all {
		if p := r.Push.Pub; p != nil {
			c.note([]publication{*p})
			c.offset = p.Offset
		}
	}
}

// note takes publications, [number, nanoseconds, padding], of which the first may be known from elsewhere.
func (c *mover) note(all []publication) {
	for _, p := range all {
		number, _, ok := stampOf(p.Data)
		if !ok || number > c.last+1 {
			c.gaps.Add(1)
		}
		c.last = max(c.last, number)
	}
	c.seen.Store(c.last)
}

// read reads to the end of the session or of the migration.
func (c *mover) read(s *client) error {
	ended := make(chan struct{})
	defer close(ended)
	c.done.Go(func() {
		select {
		case <-c.over:
		case <-ended:
		}
		s.close()
	})
	for {
		all, err := s.replies()
		if err != nil {
			return err
		}
		c.take(all)
	}
}

// backend publishes in all rooms in turn, at both nodes, as they tell each other nothing.
type backend struct {
	t       *testing.T
	http    http.Client
	nodes   []*node
	leaving atomic.Bool // the first of the nodes
	gone    bool
	sent    atomic.Int64
	stop    func()
}

// publishAtBoth publishes so many a second until it is stopped.
func publishAtBoth(t *testing.T, rate int, nodes ...*node) *backend {
	b := &backend{t: t, nodes: nodes}
	b.http.Timeout = patience
	over, done := make(chan struct{}), make(chan struct{})
	b.stop = sync.OnceFunc(func() { close(over); <-done; b.http.CloseIdleConnections() })
	t.Cleanup(b.stop)
	go func() {
		defer close(done)
		every := time.NewTicker(time.Second / time.Duration(rate))
		defer every.Stop()
		for i := 0; ; i++ {
			select {
			case <-over:
				return
			case <-every.C:
			}
			b.publish(i)
		}
	}()
	return b
}

// publish publishes number i at all nodes that are there.
func (b *backend) publish(i int) {
	body := fmt.Sprintf(`{"channel":%q,"data":[%d,0,%q]}`, frontRoom(i), i/frontRooms+1, strings.Repeat("x", 100))
	for _, n := range b.nodes {
		if n == b.nodes[0] && b.gone {
			continue
		}
		if err := b.post(n, body); err != nil {
			if n == b.nodes[0] && b.leaving.Load() {
				b.gone = true
				continue
			}
			b.t.Errorf("publishing at %s: %v", n.internal, err)
		}
	}
	b.sent.Add(1)
}

func (b *backend) post(n *node, body string) error {
	r, err := http.NewRequest(http.MethodPost, "http://"+n.internal+"/api/publish", strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("X-API-Key", frontKey)
	answer, err := b.http.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err == nil && !bytes.HasPrefix(text, []byte(`{"result"`)) {
		err = errors.New(string(text))
	}
	return err
}

// newest returns the last number that has been published in a room.
func (b *backend) newest(room int) uint64 {
	return uint64((b.sent.Load() - int64(room%frontRooms) + frontRooms - 1) / frontRooms)
}

// lacking returns how many clients lack a publication.
func (m *migration) lacking(b *backend) (n int) {
	for _, c := range m.movers {
		if c.seen.Load() < b.newest(c.number) {
			n++
		}
	}
	return n
}

// R02: a rolling restart. Behind HAProxy are two nodes full of clients; one drains while publications go on. Nobody misses any,
// the other node accepts no more in a second than it is told to, and everybody is back when the window and waits of its own are
// over.
func TestR02DrainBehindHAProxy(t *testing.T) {
	program, err := exec.LookPath("haproxy")
	if err != nil {
		t.Skip("haproxy is not installed")
	}
	size := clients(t)
	site := balancer.NewSite(t)
	a, b := frontNode(t, site.Nodes[0]), frontNode(t, site.Nodes[1])
	var doors []netip.AddrPort
	for i := range fronts {
		balancer.HAProxy(t, program, "../../deploy/haproxy/haproxy.cfg", site.Fronts[i], site, size/fronts+100)
		doors = append(doors, site.Fronts[i])
	}
	m := migrate(t, size, doors)
	before := [2]int{a.figures().sessions(), b.figures().sessions()}
	p := publishAtBoth(t, 20, a, b)
	m.await("publications arrive", func() bool { return p.sent.Load() > frontRooms && m.lacking(p) == 0 })
	was, refused := b.figures(), m.refused.Load()
	m.stale.Store(0)

	p.leaving.Store(true)
	began := time.Now()
	a.term()
	ended := make(chan int, 1)
	go func() { ended <- a.end() }()
	looks := b.watchArrivals(func() bool { return len(ended) > 0 && m.standing.Load() == int64(size) })
	took := time.Since(began)
	if code := <-ended; code != 0 {
		t.Errorf("the node that drained ended with %d", code)
	}
	var said struct{ Cut int }
	if a.book.decode(t, "drained", &said); said.Cut != 0 {
		t.Errorf("%d were cut off", said.Cut)
	}
	p.stop()
	m.await("everybody has all publications", func() bool { return m.lacking(p) == 0 })
	is := b.figures()
	turnedAway := is.sum("edge_reject_total", `stage="accept"`) - was.sum("edge_reject_total", `stage="accept"`)
	m.leave()

	if m.gaps.Load() != 0 {
		t.Errorf("%d publications did not follow the one before", m.gaps.Load())
	}
	m.strange.Range(func(why, _ any) bool { t.Errorf("a session ended: %v", why); return true })
	rate, beyond := mostArrivals(looks, frontRate)
	if beyond > frontBurst {
		t.Errorf("the other node accepted %.0f more than its rate; it may %d", beyond, frontBurst)
	}
	moves, absence, late := m.times(began.Add(frontDelay + frontWindow))
	if moves < before[0] || is.sessions() != size {
		t.Errorf("%d clients of %d have moved, %d of %d are at the other node", moves, before[0], is.sessions(), size)
	}
	if late > time.Minute { // a machine that others use too
		t.Errorf("a client was back %v after the end of the window and its waits", late)
	}
	t.Logf("%d clients, %d and %d at the nodes; %d publications at each, none missed; %d moves, %d attempts in vain, %d histories read",
		size, before[0], before[1], p.sent.Load(), moves, m.refused.Load()-refused, m.stale.Load())
	t.Logf("the node was empty and all were back %v after TERM (delay %v, window %v); away for %v; the last was back %v after the end of the window, less its own waits",
		took.Round(10*time.Millisecond), frontDelay, frontWindow, absence, late.Round(10*time.Millisecond))
	t.Logf("the other node accepted at most %.0f in a second, limit %d and %d at once, and refused %v", rate, frontRate, frontBurst, turnedAway)
}

// look is what a node has accepted by a moment.
type look struct {
	at      time.Time
	open    int // connections, among them those that it refuses, for the second that they have to read why
	refused int
}

// watchArrivals looks again and again what the node has accepted, until a condition holds.
func (n *node) watchArrivals(done func() bool) (looks []look) {
	n.t.Helper()
	n.await("all are back", func() bool {
		var top struct {
			At          time.Time
			Connections int
			Totals      struct{ Rejects int }
		}
		_, body := n.get("/debug/top")
		if err := json.Unmarshal([]byte(body), &top); err != nil {
			n.t.Fatal(err)
		}
		looks = append(looks, look{top.At, top.Connections, top.Totals.Rejects})
		return done()
	})
	return looks
}

// mostArrivals returns how many were let in at most in a second or a little more, as a rate, and the largest number that was
// beyond what a rate allows. What was refused in the last three seconds is taken to be open still.
func mostArrivals(looks []look, rate float64) (most, beyond float64) {
	in := make([]float64, len(looks))
	old := 0
	for i, l := range looks {
		for l.at.Sub(looks[old].at) > 3*time.Second {
			old++
		}
		in[i] = float64(l.open - (l.refused - looks[old].refused))
	}
	for i, from := range looks {
		second := false
		for j, to := range looks[i:] {
			took, came := to.at.Sub(from.at).Seconds(), in[i+j]-in[i]
			beyond = max(beyond, in[i+j]-float64(from.open)-rate*took)
			if took >= 1 && !second {
				second, most = true, max(most, came/took)
			}
		}
	}
	return most, beyond
}

// times returns how many moves there were, for how long each took, and by how much the last one went beyond a moment and the
// client's own waits.
func (m *migration) times(end time.Time) (moves int, absence latencies, late time.Duration) {
	for _, c := range m.movers {
		for _, v := range c.moves {
			moves++
			absence = append(absence, v.back.Sub(v.left))
			late = max(late, v.back.Sub(end)-v.waited)
		}
	}
	return moves, absence, late
}

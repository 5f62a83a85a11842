//go:build faults

package faults

import (
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/auth"
	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// clients is how many take part in a storm: FAULTS_CLIENTS, 18,000 if nothing, which is what the usual limit of 20,000
// descriptors leaves room for.
func clients(t testing.TB) int {
	t.Helper()
	s := os.Getenv("FAULTS_CLIENTS")
	if s == "" {
		return 18_000
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

var signer = auth.Signer{Secret: "a secret of 32 bytes, which is the least"}

const (
	stormRooms   = 100
	stormAddress = "--address=127.7.7.7:0" // where nobody's own port is in the way of the second node
)

// stormConfig is a node outside development mode whose rooms survive it.
func stormConfig(dir, more string) string {
	return fmt.Sprintf(`
client: {token: {hmac_secret_key: %q}, %s}
history: {store: {enabled: true, path: %q}}
room:
  namespaces:
    - {name: chat, history_size: 500, history_ttl: 10m, store: true, force_recovery: true, allow_subscribe_for_client: true, allow_publish_for_client: true}
`, signer.Secret, more, filepath.Join(dir, "store.db"))
}

// storm is clients that come back.
type storm struct {
	t       testing.TB
	node    atomic.Pointer[node]
	tls     *tls.Config // nil for plain connections
	jitter  time.Duration
	retry   func(tries int) time.Duration
	doors   chan struct{} // as many connects may be under way as it holds: more of them starve the clients of this process
	over    chan struct{}
	done    sync.WaitGroup
	clients []*returner

	standing, refused, unrecovered, gaps, connects atomic.Int64
	killed, thrownOut                              atomic.Int64 // nodes; sessions of a node that lived
	lost                                           sync.Map     // why these ended
}

// returner is one of them. Its goroutine owns it.
type returner struct {
	storm  *storm
	number int
	token  string
	room   string
	epoch  string
	offset uint64
	seen   atomic.Uint64 // offset
}

// gatherStorm has size clients connect to the node and returns when all stand.
func gatherStorm(n *node, size int, s *storm) {
	n.t.Helper()
	s.t, s.over, s.doors = n.t, make(chan struct{}), make(chan struct{}, 512)
	s.node.Store(n)
	for i := range size {
		token, err := signer.Connect(auth.ConnectClaims{Identity: auth.Identity{User: fmt.Sprintf("user-%d", i), Expiry: time.Now().Add(time.Hour)}})
		if err != nil {
			n.t.Fatal(err)
		}
		s.clients = append(s.clients, &returner{storm: s, number: i, token: token, room: fmt.Sprintf("chat:%d", i%stormRooms)})
	}
	n.t.Cleanup(func() { close(s.over); s.done.Wait() })
	for _, r := range s.clients {
		s.done.Go(r.live)
	}
	s.await("all stand", func() bool { return s.standing.Load() == int64(size) })
}

// await waits longer than others do.
func (s *storm) await(what string, cond func() bool) {
	s.t.Helper()
	testutil.Eventually(s.t, 4*patience, func() bool { time.Sleep(20 * time.Millisecond); return cond() }, what)
}

// live connects, again and again, until the storm is over.
func (r *returner) live() {
	s := r.storm
	wait := time.Duration(r.number) * time.Millisecond // the first time they come in order
	for tries := 0; ; tries++ {
		select {
		case <-s.over:
			return
		case <-time.After(wait):
		}
		s.doors <- struct{}{}
		c, err := r.connect()
		<-s.doors
		if err != nil {
			s.refused.Add(1)
			wait = s.retry(tries)
			continue
		}
		s.standing.Add(1)
		killed := s.killed.Load()
		err = r.read(c)
		s.standing.Add(-1)
		s.ended(killed, err)
		tries, wait = 0, rand.N(s.jitter+1)
	}
}

// connect opens a session and recovers.
func (r *returner) connect() (*client, error) {
	s := r.storm
	s.connects.Add(1)
	conn, err := connectTo(nil, s.node.Load().address, from(r.number/1000))
	if err != nil {
		return nil, err
	}
	if s.tls != nil {
		conn = tls.Client(conn, s.tls)
	}
	return begin(conn, r.enter)
}

func (r *returner) enter(c *client) error {
	if _, err := c.ask(fmt.Sprintf(`{"id":1,"connect":{"token":%q}}`, r.token)); err != nil {
		return err
	}
	reply, err := c.ask(resubscribe(2, r.room, r.epoch, r.offset))
	if err != nil {
		return err
	}
	sub := reply.Subscribe
	if r.epoch != "" && (!sub.Recovered || sub.Epoch != r.epoch) {
		r.storm.unrecovered.Add(1)
	}
	if r.epoch == "" || !sub.Recovered {
		r.offset = sub.Offset
	}
	r.epoch = sub.Epoch
	r.note(sub.Publications)
	return nil
}

// note takes publications, which must follow what came before.
func (r *returner) note(all []publication) {
	for _, p := range all {
		if p.Offset != r.offset+1 {
			r.storm.gaps.Add(1)
		}
		r.offset = p.Offset
	}
	r.seen.Store(r.offset)
}

// ended notes the end of a session that began when so many nodes had been killed.
func (s *storm) ended(killed int64, why error) {
	select {
	case <-s.over:
	default:
		if s.killed.Load() == killed {
			s.lost.Store(why.Error(), true)
			s.thrownOut.Add(1)
		}
	}
}

// read reads to the end of the session or of the storm.
func (r *returner) read(c *client) error {
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-r.storm.over:
		case <-ended:
		}
		c.close()
	}()
	for {
		all, err := c.replies()
		if err != nil {
			return err
		}
		for _, reply := range all {
			if p := reply.Push.Pub; p != nil {
				r.note([]publication{*p})
			}
		}
	}
}

// publishAll publishes once to each room.
func (s *storm) publishAll(n *node, tlsConfig *tls.Config) {
	s.t.Helper()
	token, err := signer.Connect(auth.ConnectClaims{Identity: auth.Identity{User: "publisher"}})
	if err != nil {
		s.t.Fatal(err)
	}
	var c *client
	s.await("the publisher is let in", func() bool {
		conn, err := connectTo(nil, n.address)
		if err != nil {
			return false
		}
		if tlsConfig != nil {
			conn = tls.Client(conn, tlsConfig)
		}
		if c, err = upgrade(conn, pathProtocol); err != nil {
			_ = conn.Close()
			return false
		}
		return true
	})
	defer c.close()
	if _, err := c.ask(fmt.Sprintf(`{"id":1,"connect":{"token":%q}}`, token)); err != nil {
		s.t.Fatal(err)
	}
	for i := range stormRooms {
		if _, err := c.ask(publish(2, fmt.Sprintf("chat:%d", i), `"news"`)); err != nil {
			s.t.Fatal(err)
		}
	}
}

// blow kills the node, starts it again at the same place, publishes meanwhile, and waits until everybody is back and has
// all publications.
func (s *storm) blow(config string) {
	s.t.Helper()
	old := s.node.Load()
	size := int64(len(s.clients))
	s.publishAll(old, s.tls)
	s.await("the first publications arrive", func() bool { return s.have(1) })
	steady := old.status("VmRSS")
	connects, refused := s.connects.Load(), s.refused.Load()
	s.killed.Add(1)
	_ = old.cmd.Process.Kill()
	_ = old.cmd.Wait() // killed; its sockets are closed from here on
	s.await("everybody notices", func() bool { return s.standing.Load() < size/2 || s.refused.Load() > refused })
	began := time.Now()
	n := start(s.t, launch{config: config, args: []string{"--loops=2", "--address=" + old.address.String()}})
	s.node.Store(n)
	serving := time.Since(began)
	s.publishAll(n, s.tls)
	s.await("everybody is back", func() bool { return s.standing.Load() == size })
	took := time.Since(began)
	s.await("everybody has what was published", func() bool { return s.have(2) })
	peak := n.status("VmHWM")
	f := n.figures()
	if s.unrecovered.Load() != 0 || s.gaps.Load() != 0 {
		s.t.Errorf("%d did not recover, %d publications did not follow the one before", s.unrecovered.Load(), s.gaps.Load())
	}
	if out := s.thrownOut.Load(); out > 0 {
		s.lost.Range(func(why, _ any) bool { s.t.Logf("a session ended: %v", why); return true })
		s.t.Errorf("%d sessions of a node that lives have ended; who is in must stay in", out)
	}
	if peak > steady*3/2+32<<20 {
		s.t.Errorf("the process grew to %.0f MiB; it had %.0f MiB before", mib(peak), mib(steady))
	}
	s.t.Logf("%d clients back, authenticated and recovered %v after the restart (which took %v): %d attempts, %d in vain; recovered %v; 0 publications lost; memory at most %.0f MiB, %.0f MiB before",
		size, took.Round(10*time.Millisecond), serving.Round(10*time.Millisecond), s.connects.Load()-connects, s.refused.Load()-refused,
		f.sum("edge_recoveries_total", `result="recovered"`), mib(peak), mib(steady))
	for name, v := range f {
		if v > 0 && strings.HasPrefix(name, "edge_reject_total") {
			s.t.Logf("%s %v", name, v)
		}
	}
}

// have reports whether every client has so many publications.
func (s *storm) have(count uint64) bool {
	for _, r := range s.clients {
		if r.seen.Load() < count {
			return false
		}
	}
	return true
}

// R35: a polite storm. The node is killed and comes back, its clients return within five seconds, and back off as the
// official SDK does.
func TestR35PoliteStorm(t *testing.T) {
	config := stormConfig(t.TempDir(), "connection_limit: 0")
	n := start(t, launch{config: config, args: []string{"--loops=2", stormAddress}})
	s := &storm{jitter: 5 * time.Second, retry: func(tries int) time.Duration {
		return min(20*time.Second, 500*time.Millisecond+rand.N(min(20*time.Second, 500*time.Millisecond<<min(tries, 10))))
	}}
	gatherStorm(n, clients(t), s)
	s.blow(config)
}

// R36: a rude storm. All come back at once, with TLS and a token, and back off in step. Admission lets in what the node can
// take, and who is in stays in.
func TestR36RudeStorm(t *testing.T) {
	const rate = 600
	dir := t.TempDir()
	authority := newCertificate(t, dir, "first")
	config := stormConfig(dir, fmt.Sprintf("connection_rate_limit: %d, connection_rate_burst: %d", rate, rate)) + authority.config("max_handshakes: 512")
	n := start(t, launch{config: config, args: []string{"--loops=2", stormAddress}})
	s := &storm{tls: authority.client(), retry: func(tries int) time.Duration { return min(20*time.Second, 500*time.Millisecond<<min(tries, 10)) }}
	gatherStorm(n, clients(t), s)
	s.blow(config)
	refused := s.node.Load().figures().sum("edge_reject_total", `stage="accept"`)
	if refused == 0 && clients(t) > 2*rate {
		t.Error("admission has refused nobody")
	}
	t.Logf("admission at %d a second has refused %v", rate, refused)
}

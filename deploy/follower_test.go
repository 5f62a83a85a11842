package deploy

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/seed4ac54ce5/edge/auth"
)

// session is one connection of a client that speaks the JSON protocol.
type session struct {
	net.Conn
	r *bufio.Reader // nil without anything read ahead
}

func (s *session) Read(b []byte) (int, error) {
	if s.r != nil {
		return s.r.Read(b)
	}
	return s.Conn.Read(b)
}

// dialFrom connects from an address.
func dialFrom(to netip.AddrPort, from netip.Addr) (net.Conn, error) {
	d := net.Dialer{Timeout: patience, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}
	return d.Dial("tcp", to.String())
}

// openSession connects from an address and shows a token.
func openSession(to netip.AddrPort, from netip.Addr) (*session, error) {
	conn, err := dialFrom(to, from)
	if err != nil {
		return nil, err
	}
	s := &session{Conn: conn}
	if err := s.begin(); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return s, nil
}

func (s *session) begin() (err error) {
	if err := s.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	where := &url.URL{Scheme: "ws", Host: "edge.example", Path: "/connection/websocket"}
	if s.r, _, err = (ws.Dialer{}).Upgrade(s.Conn, where); err != nil {
		return err
	}
	token, err := signer.Connect(auth.ConnectClaims{Identity: auth.Identity{User: "u", Expiry: time.Now().Add(time.Hour)}})
	if err != nil {
		return err
	}
	if err := s.say(`{"id":1,"connect":{"token":"` + token + `"}}`); err != nil {
		return err
	}
	all, err := s.hear()
	if err == nil && (len(all) != 1 || all[0].Connect == nil) {
		err = fmt.Errorf("connect is answered with %+v", all)
	}
	return err
}

func (s *session) say(text string) error { return wsutil.WriteClientText(s, []byte(text)) }

// position is a point in a room's past.
type position struct {
	Epoch  string `json:"epoch"`
	Offset uint64 `json:"offset"`
}

// reply is an answer or a push; the data of all publications are numbers.
type reply struct {
	Connect   *struct{}
	Subscribe *struct {
		position
		Recovered    bool
		Publications []publication
	}
	History *struct {
		position
		Publications []publication
	}
	Push struct{ Pub *publication }
}

type publication struct {
	Data   int
	Offset uint64
}

// hear returns the replies of the next message that has any, and answers pings.
func (s *session) hear() (all []reply, err error) {
	for len(all) == 0 {
		text, err := wsutil.ReadServerText(s)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(text)) {
			if strings.TrimSpace(line) == "{}" {
				if err := s.say("{}"); err != nil {
					return nil, err
				}
				continue
			}
			var r reply
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				return nil, fmt.Errorf("%q: %w", line, err)
			}
			all = append(all, r)
		}
	}
	return all, nil
}

// crowd is followers of one room.
type crowd struct {
	t         *testing.T
	front     netip.AddrPort
	room      string
	over      chan struct{}
	done      sync.WaitGroup
	followers []*follower

	standing, moves atomic.Int64
}

// follower is a client that must get all numbers that are published in its room, 1, 2, 3 and so on, whichever nodes it is on.
// It asks every node that it comes to for a recovery; nodes do not share their rooms, so it may get none, and reads what it has
// missed out of the room's history. Its goroutine owns it.
type follower struct {
	*crowd
	from   netip.Addr
	stands position // epoch empty before the first subscription
	last   int      // number
	seen   atomic.Int64
}

// follow has clients follow a room through a balancer, each from an address of its own, and returns when all stand. They end
// with the test.
func follow(t *testing.T, front netip.AddrPort, room string, size int) *crowd {
	t.Helper()
	g := &crowd{t: t, front: front, room: room, over: make(chan struct{})}
	t.Cleanup(g.leave)
	for i := range size {
		f := &follower{crowd: g, from: netip.AddrFrom4([4]byte{127, 8, byte(1 + i/200), byte(1 + i%200)})}
		g.followers = append(g.followers, f)
		g.done.Go(f.live)
	}
	g.await("all clients stand", func() bool { return int(g.standing.Load()) == size })
	return g
}

// leave ends all followers.
func (g *crowd) leave() {
	select {
	case <-g.over:
	default:
		close(g.over)
	}
	g.done.Wait()
}

func (g *crowd) await(what string, cond func() bool) {
	g.t.Helper()
	for deadline := time.Now().Add(patience); !cond(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			g.t.Fatalf("not within %v: %s; %d of %d stand", patience, what, g.standing.Load(), len(g.followers))
		}
	}
}

// have reports whether every follower has the numbers up to n.
func (g *crowd) have(n int) bool {
	for _, f := range g.followers {
		if int(f.seen.Load()) < n {
			return false
		}
	}
	return true
}

// live connects and follows, again and again, until the end.
func (f *follower) live() {
	for wait := time.Duration(0); ; wait = 100*time.Millisecond + rand.N(400*time.Millisecond) {
		select {
		case <-f.over:
			return
		case <-time.After(wait):
		}
		s, err := openSession(f.front, f.from)
		if err != nil {
			continue // refused, or the balancer has found nobody: again
		}
		f.read(s)
	}
}

// read enters the room and follows it to the end of the session.
func (f *follower) read(s *session) {
	ended := make(chan struct{})
	defer close(ended)
	f.done.Go(func() {
		select {
		case <-f.over:
		case <-ended:
		}
		_ = s.Close()
	})
	err := f.enter(s)
	if err == nil {
		f.standing.Add(1)
		err = f.stay(s)
		f.standing.Add(-1)
	}
	f.left(err)
}

// stay takes what is published until the session ends.
func (f *follower) stay(s *session) error {
	if err := s.SetDeadline(time.Time{}); err != nil {
		return err
	}
	for {
		all, err := s.hear()
		if err != nil {
			return err
		}
		f.take(all)
	}
}

// left checks how a session has ended.
func (f *follower) left(why error) {
	select {
	case <-f.over:
		return
	default:
	}
	f.moves.Add(1)
	var closed wsutil.ClosedError
	if !errors.As(why, &closed) || closed.Code != 3001 {
		f.t.Errorf("a session ends with %v; want close 3001", why)
	}
}

// enter subscribes, and takes from the room's history what has been missed.
func (f *follower) enter(s *session) error {
	command := fmt.Sprintf(`{"id":2,"subscribe":{"channel":%q}}`, f.room)
	if f.stands.Epoch != "" {
		command = fmt.Sprintf(`{"id":2,"subscribe":{"channel":%q,"recover":true,"epoch":%q,"offset":%d}}`, f.room, f.stands.Epoch, f.stands.Offset)
	}
	if err := s.say(command); err != nil {
		return err
	}
	all, err := s.hear()
	if err != nil {
		return err
	}
	sub := all[0].Subscribe
	if sub == nil {
		return fmt.Errorf("%s is answered with %+v", command, all)
	}
	f.stands = sub.position
	if sub.Recovered {
		f.note(sub.Publications)
		f.take(all[1:])
		return nil
	}
	return f.catchUp(s, all[1:])
}

// catchUp reads the room's history from its beginning, a page of 300 at a time. What is pushed meanwhile comes after it.
func (f *follower) catchUp(s *session, later []reply) error {
	for since := (position{f.stands.Epoch, 0}); since.Offset < f.stands.Offset; {
		where, err := json.Marshal(since)
		if err != nil {
			return err
		}
		if err := s.say(fmt.Sprintf(`{"id":3,"history":{"channel":%q,"limit":300,"since":%s}}`, f.room, where)); err != nil {
			return err
		}
		var page []publication
		for page == nil {
			all, err := s.hear()
			if err != nil {
				return err
			}
			for _, r := range all {
				if r.History == nil {
					later = append(later, r)
				} else if page = r.History.Publications; len(page) == 0 {
					return io.ErrUnexpectedEOF // it has been there when the subscription began
				}
			}
		}
		f.note(page)
		since.Offset = page[len(page)-1].Offset
	}
	f.take(later)
	return nil
}

func (f *follower) take(all []reply) {
	for _, r := range all {
		if p := r.Push.Pub; p != nil {
			f.note([]publication{*p})
			f.stands.Offset = p.Offset
		}
	}
}

// note takes numbers, of which the follower may have had the first ones elsewhere.
func (f *follower) note(all []publication) {
	for _, p := range all {
		if p.Data > f.last+1 {
			f.t.Errorf("after %d comes %d", f.last, p.Data)
		}
		f.last = max(f.last, p.Data)
	}
	f.seen.Store(int64(f.last))
}

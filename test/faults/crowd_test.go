//go:build faults

package faults

import (
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// member is one client of a crowd, and what it has seen. Its goroutine owns it, save the counts.
type member struct {
	*client
	room string
	last uint64        // offset or number of the last publication
	lags latencies     // from publishing to arrival
	ends chan struct{} // closed when it is over
	why  error         // then
	over time.Time     // the same

	received atomic.Int64
	gaps     atomic.Int64 // publications that did not follow the one before
}

// crowd is a number of members that read until their end.
type crowd struct {
	members []*member
	began   time.Time
}

// gather has size clients enter the rooms, in turn, a few at a time. They answer pings and check that the numbers that
// are published come in order.
func gather(n *node, size int, rooms ...string) *crowd {
	n.t.Helper()
	g := &crowd{members: make([]*member, size), began: time.Now()}
	var wg sync.WaitGroup
	var failed atomic.Pointer[error]
	const workers = 32
	for w := range workers {
		wg.Go(func() {
			for i := w; i < size; i += workers {
				m, err := enter(n, rooms[i%len(rooms)], from(i/1000))
				if err != nil {
					failed.Store(&err)
					return
				}
				g.members[i] = m
			}
		})
	}
	wg.Wait()
	g.members = slices.DeleteFunc(g.members, func(m *member) bool { return m == nil })
	for _, m := range g.members {
		go m.listen(g.began)
	}
	n.t.Cleanup(g.leave)
	if err := failed.Load(); err != nil {
		n.t.Fatal(*err)
	}
	return g
}

func enter(n *node, room string, options ...option) (*member, error) {
	c, err := dial(n.in, n.address, pathProtocol, options...)
	if err != nil {
		return nil, err
	}
	m := &member{client: c, room: room, ends: make(chan struct{})}
	for _, command := range []string{`{"id":1,"connect":{}}`, subscribe(2, room)} {
		if _, err := c.ask(command); err != nil {
			c.close()
			return nil, fmt.Errorf("%s: %w", command, err)
		}
	}
	return m, nil
}

// listen reads until the session ends. Publications are arrays: their number, and when they were sent, in nanoseconds since
// began.
func (m *member) listen(began time.Time) {
	defer close(m.ends)
	defer m.close()
	for {
		all, err := m.replies()
		if err != nil {
			m.why, m.over = err, time.Now()
			return
		}
		for _, r := range all {
			if p := r.Push.Pub; p != nil {
				m.note(p, time.Since(began))
			}
		}
	}
}

// note takes a publication: [number, nanoseconds, anything].
func (m *member) note(p *publication, now time.Duration) {
	number, sent, ok := stampOf(p.Data)
	if !ok {
		return
	}
	if number != m.last+1 {
		m.gaps.Add(1)
	}
	m.last = number
	m.lags = append(m.lags, now-sent)
	m.received.Add(1)
}

// stamp makes the data of a publication.
func (g *crowd) stamp(number uint64, padding string) string {
	return fmt.Sprintf(`[%d,%d,%q]`, number, time.Since(g.began), padding)
}

// stampOf takes it apart.
func stampOf(data []byte) (number uint64, sent time.Duration, ok bool) {
	fields := [2]int64{}
	at := 1
	for i := range fields {
		end := at
		for end < len(data) && data[end] != ',' {
			end++
		}
		if end >= len(data) {
			return 0, 0, false
		}
		v, err := strconv.ParseInt(string(data[at:end]), 10, 64)
		if err != nil {
			return 0, 0, false
		}
		fields[i], at = v, end+1
	}
	return uint64(fields[0]), time.Duration(fields[1]), true
}

// leave ends all members and waits for them.
func (g *crowd) leave() {
	for _, m := range g.members {
		m.close()
	}
	g.wait()
}

// wait returns when all members are over.
func (g *crowd) wait() {
	for _, m := range g.members {
		<-m.ends
	}
}

// standing is how many members are not over.
func (g *crowd) standing() (n int) {
	for _, m := range g.members {
		select {
		case <-m.ends:
		default:
			n++
		}
	}
	return n
}

// received is how many publications have come to all members.
func (g *crowd) received() (n int64) {
	for _, m := range g.members {
		n += m.received.Load()
	}
	return n
}

// checkOrder fails the test if a member has missed a publication, or got one twice or too late.
func (g *crowd) checkOrder(t testing.TB) {
	t.Helper()
	for i, m := range g.members {
		if n := m.gaps.Load(); n > 0 {
			t.Errorf("member %d: %d publications did not follow the one before", i, n)
			return
		}
	}
}

// publisher publishes to a room at a rate until it is stopped.
type publisher struct {
	sent atomic.Int64
	stop func()
}

// publishing has a client of its own publish numbers to a room, so many a second, each with some padding.
func (g *crowd) publishing(n *node, room string, rate int, padding string) *publisher {
	n.t.Helper()
	c := n.connect()
	p := new(publisher)
	over, done := make(chan struct{}), make(chan struct{})
	p.stop = sync.OnceFunc(func() { close(over); <-done; c.close() })
	n.t.Cleanup(p.stop)
	go func() {
		defer close(done)
		every := time.NewTicker(time.Second / time.Duration(rate))
		defer every.Stop()
		for number := uint64(1); ; number++ {
			select {
			case <-over:
				return
			case <-every.C:
			}
			if _, err := c.ask(publish(2, room, g.stamp(number, padding))); err != nil {
				n.t.Errorf("publishing: %v", err)
				return
			}
			p.sent.Add(1)
		}
	}()
	return p
}

// marks are how many publications each member has had by now.
func (g *crowd) marks() (marks []int) {
	for _, m := range g.members {
		marks = append(marks, int(m.received.Load()))
	}
	return marks
}

// lagsSplit returns how long publications took to members that are over, before and after marks.
func (g *crowd) lagsSplit(marks []int) (before, after latencies) {
	for i, m := range g.members {
		<-m.ends
		before = append(before, m.lags[:marks[i]]...)
		after = append(after, m.lags[marks[i]:]...)
	}
	return before, after
}

package server

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/netpoll"
)

// What a client is told of an end is the time that is left, in seconds that have begun.
func TestTTL(t *testing.T) {
	if expires, seconds := ttl(time.Time{}); expires || seconds != 0 {
		t.Errorf("ttl of no end = %t, %d", expires, seconds)
	}
	began := func(d time.Duration) uint32 { return uint32(math.Ceil(d.Seconds())) }
	for _, d := range []time.Duration{-time.Hour, 0, time.Millisecond, 1500 * time.Millisecond, time.Hour, 2 * maxTTL} {
		end := time.Now().Add(d)
		most := time.Until(end)
		expires, seconds := ttl(end)
		if least := time.Until(end); !expires || seconds < began(min(max(least, 0), maxTTL)) || seconds > began(min(max(most, 0), maxTTL)) {
			t.Errorf("ttl of %v = %t, %d; want true, and from %v to %v", d, expires, seconds, least, most)
		}
	}
}

// Sessions whose tokens end at the same moment are not taken away at the same moment, if nobody can refresh them, but none before
// its time and none much later.
func TestExpiryIsSpread(t *testing.T) {
	const sessions, delay = 64, 50 * time.Second
	n := openNode(t, func(c *Config) { c.ExpiredCloseDelay, c.ExpiredSubCloseDelay = delay, delay })
	for _, c := range n.crowd(sessions) {
		defer c.close()
	}
	var lasts, subs []int
	err := n.onLoops(t.Context(), func(l *loop) {
		middle := time.Second/2 - l.net.Now()%time.Second // of one of the loop's seconds, or the next might begin meanwhile
		end := time.Now().Add(time.Hour + middle)
		moment := l.momentOf(end)
		l.net.Each(func(c *netpoll.Conn) {
			s := l.sessions.At(c.Slot())
			if s.state != stateReady {
				return
			}
			l.setExpiry(c, s, end)
			lasts = append(lasts, int((l.lastMoment(c, s)-time.Duration(moment)*time.Second)/time.Second))
			l.setSubExpiry(c, []byte("room"), end)
		})
		for _, e := range l.subEnds.queue {
			subs = append(subs, int(e.due/time.Second)-int(moment))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for what, all := range map[string][]int{"sessions": lasts, "subscriptions": subs} {
		slices.Sort(all)
		if len(all) != sessions || all[0] < 50 || all[len(all)-1] > 61 || all[len(all)-1]-all[0] < 5 {
			t.Errorf("%s end %s s after their time; want %d, from 50 to 60 s", what, fmt.Sprint(all), sessions)
		}
	}
}

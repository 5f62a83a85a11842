package main

import "time"

// pingStep is how far apart a thread's rounds of pings are: those that fall due within one go in a row, as edge's do.
const pingStep = time.Second

// ping is the protocol's, in a frame.
var ping = appendFrame(nil, opText, []byte("{}"))

// pingDue pings the descriptors whose turn it is, and returns in how many milliseconds the next have theirs, -1 for never.
func (t *thread) pingDue() (ms int) {
	every := t.house.ping
	if every == 0 {
		return -1
	}
	now := time.Now()
	if t.pinged.IsZero() {
		t.pinged = now
	}
	if left := t.pinged.Add(pingStep).Sub(now); left > 0 {
		return int(left/time.Millisecond) + 1
	}
	n := int(time.Duration(t.used) * now.Sub(t.pinged) / every)
	t.pinged = now
	for range min(n, t.used) {
		t.next = (t.next + 1) % t.used
		if t.peers[t.next].room != nil {
			send(t.next, ping)
		}
	}
	return int(pingStep / time.Millisecond)
}

// sooner returns the smaller of two times for epoll_wait, where -1 is never.
func sooner(a, b int) int {
	if a < 0 || b >= 0 && b < a {
		return b
	}
	return a
}

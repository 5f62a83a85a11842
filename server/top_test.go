package server

import (
	"encoding/json"
	"os"
	"slices"
	"testing"
)

// decoded asks n for a path and returns what the answer says.
func decoded[T any](n *node, path string) (v T) {
	n.t.Helper()
	status, body := n.get(path)
	if err := json.Unmarshal([]byte(body), &v); err != nil || status != 200 {
		n.t.Fatalf("%s = %d %s: %v", path, status, body, err)
	}
	return v
}

func TestTop(t *testing.T) {
	n := openNode(t, func(c *Config) { c.Loops = 2 })
	quiet := decoded[Top](n, "/debug/top")
	a, b := n.memberOf("small", "large"), n.memberOf("large")
	defer a.close()
	defer b.close()
	n.publish("large", 1, PublishOptions{})
	a.next()
	b.next()
	n.Server.crowds.mu.Lock() // the look at a few rooms has taken no time, but the clock may be coarse
	n.Server.crowds.until = quiet.At
	n.Server.crowds.mu.Unlock()
	top := decoded[Top](n, "/debug/top")
	if top.Connections != 3 || top.Rooms != 2 || top.Subscriptions != 3 || top.NotReady != "" || !top.At.After(quiet.At) {
		t.Errorf("top = %+v; want 3 connections, 2 rooms, 3 subscriptions", top)
	}
	if want := []TopRoom{{"large", 2}, {"small", 1}}; !slices.Equal(top.Largest, want) {
		t.Errorf("the largest rooms are %v; want %v", top.Largest, want)
	}
	if d := top.Totals; d.Connects-quiet.Totals.Connects != 2 || d.Deliveries-quiet.Totals.Deliveries != 2 || d.MessagesIn == 0 || d.WireOut == 0 {
		t.Errorf("totals = %+v after %+v; want 2 connects and 2 deliveries more", d, quiet.Totals)
	}
	open, lags := int64(0), uint64(0)
	for _, l := range top.Loops {
		open += l.Connections
	}
	for _, b := range top.Lag {
		lags += b.Count
	}
	if len(top.Loops) != 2 || open != 3 || lags == 0 || top.Lag[len(top.Lag)-1].UpTo != 0 {
		t.Errorf("loops = %+v, lag = %+v; want 2 loops with 3 connections, and a lag", top.Loops, top.Lag)
	}
}

func TestInfo(t *testing.T) {
	n := openNode(t, func(c *Config) { c.Version = "edge 1" })
	i := decoded[Info](n, "/info")
	if i.Version != "edge 1" || i.PID != os.Getpid() || i.Loops != 1 || i.Connections != 1 || i.Internal != n.InternalAddress() || !slices.Equal(i.Addresses, n.Addresses()) || i.ProcessBytes == 0 {
		t.Errorf("info = %+v", i)
	}
}

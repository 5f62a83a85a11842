package server

import (
	"context"
	"testing"
	"time"
)

// TestDataThatIsNotJSON has rooms with publications that a JSON client cannot have: whichever way they come, it is
// closed, and nothing of them gets into a frame of its own.
func TestDataThatIsNotJSON(t *testing.T) {
	n := openNode(t, func(c *Config) {
		c.Rooms.WithoutNamespace = RoomOptions{HistorySize: 10, HistoryTTL: time.Minute, ForceRecovery: true}
		c.Rooms.Namespaces = []Namespace{
			{"latest", RoomOptions{Kind: "latest", HistorySize: 1, HistoryTTL: time.Minute}},
			{"job", RoomOptions{Kind: "durable", HistorySize: 10, HistoryTTL: time.Minute}},
		}
	})
	for _, room := range []string{"r", "latest:r"} {
		if _, err := n.Publish(context.Background(), room, []byte("{\"a\":\xff"), PublishOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for rule, lines := range map[string]string{
		"history":         hello + "\n" + `{"id":2,"history":{"channel":"r","limit":10}}`,
		"recovery":        hello + "\n" + `{"id":2,"subscribe":{"channel":"r","recover":true}}`,
		"the newest":      hello + "\n" + subscribe(2, "latest:r"),
		"recovery by two": hello + "\n" + `{"id":2,"subscribe":{"channel":"r","recover":true}}` + "\n" + subscribe(3, "other"),
		"wishes":          `{"id":1,"connect":{"subs":{"latest:r":{},"other":{},"another":{}}}}`,
	} {
		n.run(rule, func(t *testing.T) {
			c := n.open(pathWebSocket)
			defer c.close()
			c.say(lines)
			if h := c.hear(9, 0, true); h.end != "close 3506" || len(h.pushes) > 0 {
				t.Errorf("%s: %q", rule, h)
			}
		})
	}
	c, _ := n.consume("a")
	defer c.close()
	if _, err := n.Publish(context.Background(), "job:1", []byte("no"), PublishOptions{}); err != nil {
		t.Fatal(err)
	}
	if text, _ := c.nextText(); text != "close 3506" {
		t.Errorf("live: %s", text)
	}
}

func TestEpochs(t *testing.T) {
	for _, epoch := range []uint64{1, 1<<48 - 1, 0x0123456789ab} {
		text := appendEpoch(nil, epoch)
		if got := parseEpoch(text); got != epoch || len(text) != 8 {
			t.Errorf("epoch %x is %q, which is %x", epoch, text, got)
		}
	}
	if got := parseEpoch(nil); got != 0 {
		t.Errorf("no epoch is %x; want any, 0", got)
	}
	for _, text := range []string{"a", "AAAAAAAA", "AAAAAAA", "AAAAAAAAA", "AAAAAAA!", "ÿÿÿÿ"} {
		if got := parseEpoch([]byte(text)); got != foreignEpoch {
			t.Errorf("parseEpoch(%q) = %x; want that of no room", text, got)
		}
	}
}

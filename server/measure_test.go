package server

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/auth"
	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/metrics"
)

// A loop that does not answer is missing from the metrics, and the others keep their numbers. The node is not ready.
func TestStuckLoopIsMissing(t *testing.T) {
	t.Parallel() // it waits for times
	n := openNode(t, func(c *Config) { c.Loops = 2 })
	stuck, release := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan error)
	go func() {
		asked <- n.onLoops(ctx, func(l *loop) {
			if l.net.Number() == 0 {
				close(stuck)
				<-release
			}
		})
	}()
	<-stuck
	var body string
	testutil.Eventually(t, patience, func() bool {
		_, body = n.get("/metrics")
		return strings.Contains(body, `edge_loop_turns_total{loop="1"}`)
	}, "the other loop answers")
	status, why := n.get("/health/ready")
	close(release)
	if err := <-asked; err != nil {
		t.Error(err)
	}
	cancel()
	if strings.Contains(body, `{loop="0"}`) || !strings.Contains(body, "\nedge_ready 0\n") {
		t.Errorf("/metrics with loop 0 stuck says\n%s", body)
	}
	if status != http.StatusServiceUnavailable || !strings.Contains(why, "a loop does not turn") {
		t.Errorf("/health/ready = %d %s; want 503 and why", status, why)
	}
}

// What a turn takes is counted as the turn's, and what it waits is not.
func TestTurnTimes(t *testing.T) {
	n := openNode(t, nil)
	before := n.counts()
	const nap = 300 * time.Millisecond
	if err := n.onLoops(t.Context(), func(*loop) { time.Sleep(nap) }); err != nil {
		t.Fatal(err)
	}
	n.counts() // a turn is counted in the next one
	after := n.counts()
	if took := after.TurnTime.Sum - before.TurnTime.Sum; took < nap {
		t.Errorf("turns took %v in which one took %v", took, nap)
	}
	if after.TurnTime.Sum > after.Busy {
		t.Errorf("turns took %v, and the loop was busy for %v", after.TurnTime.Sum, after.Busy)
	}
}

// Publications wait for a loop that does not turn, and their lag says so.
func TestDeliveryLag(t *testing.T) {
	n := openNode(t, nil)
	c := n.memberOf("a")
	defer c.close()
	before := n.counts()
	const nap = 300 * time.Millisecond
	err := n.onLoops(t.Context(), func(l *loop) {
		n.publish("a", 1, PublishOptions{})
		time.Sleep(nap)
	})
	if err != nil {
		t.Fatal(err)
	}
	c.next()
	after := n.counts()
	if lag := after.Lag.Sum - before.Lag.Sum; lag < nap {
		t.Errorf("the lag of a publication on a loop that stood still for %v is %v", nap, lag)
	}
	if pass := after.FanoutTime.Sum - before.FanoutTime.Sum; pass <= 0 {
		t.Errorf("the fan-out took %v", pass)
	}
}

// Connect commands are counted by what came of them.
func TestConnectResults(t *testing.T) {
	n := openKeyed(t, nil)
	for _, r := range []struct {
		token string
		want  metrics.ConnectResult
	}{
		{tokenOf(t, auth.ConnectClaims{Identity: user("ann", 0)}), metrics.ConnectOK},
		{tokenOf(t, auth.ConnectClaims{Identity: user("ann", -time.Hour)}), metrics.ConnectRefused},
		{"nonsense", metrics.ConnectRefused},
		{"", metrics.ConnectNoToken},
	} {
		before := n.counts().Connects
		c := n.open(pathWebSocket)
		c.say(`{"id":1,"connect":{"token":"` + r.token + `"}}`)
		c.next()
		c.close()
		after := n.counts().Connects
		for result := range metrics.ConnectResults {
			moved, want := after[result]-before[result], uint64(0)
			if result == r.want {
				want = 1
			}
			if moved != want {
				t.Errorf("token %.10q: %v moved by %d; want %d", r.token, result, moved, want)
			}
		}
	}
}

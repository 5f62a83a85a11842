package server

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// get asks n's internal address.
func (n *node) get(path string) (status int, body string) {
	n.t.Helper()
	return n.ask(http.MethodGet, path)
}

// scrape returns n's metrics, once all loops have answered in time.
func (n *node) scrape() (body string) {
	n.t.Helper()
	testutil.Eventually(n.t, patience, func() bool {
		_, body = n.get("/metrics")
		return strings.Count(body, "\nedge_loop_turns_total{") == len(n.loops)
	}, "all loops are in the metrics")
	return body
}

// awaitReady waits until n is ready, and returns what it says: a loop that has got no CPU for a second is one that does not turn.
func (n *node) awaitReady(path string) (body string) {
	n.t.Helper()
	testutil.Eventually(n.t, patience, func() (ok bool) {
		var status int
		status, body = n.get(path)
		return status == http.StatusOK
	}, "the node is ready")
	return body
}

func TestHealth(t *testing.T) {
	n := openNode(t, nil)
	for _, path := range []string{"/health", "/health/ready", "/health/live"} {
		if body := n.awaitReady(path); body != "{}\n" && !strings.HasPrefix(body, `{"degraded":`) {
			t.Errorf("%s = %q; want {}, or degraded on a slow machine", path, body)
		}
	}
	for _, r := range []struct {
		method, path string
		status       int
	}{
		{http.MethodGet, "/nothing", http.StatusNotFound},
		{http.MethodPost, "/health", http.StatusMethodNotAllowed},
		{http.MethodPost, "/metrics", http.StatusMethodNotAllowed},
		{http.MethodGet, pathEcho, http.StatusNotFound},
	} {
		if status, _ := n.ask(r.method, r.path); status != r.status {
			t.Errorf("%s %s = %d; want %d", r.method, r.path, status, r.status)
		}
	}
}

// pipes is a listener on no network.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if c, ok := <-p; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{} }

// Who sends half a request, or nothing any more, does not hold the internal address for ever; an answer that takes long is not cut.
func TestInternalAddressBearsWithNobodyForEver(t *testing.T) {
	const long = 10 * bodyPatience
	mux := http.NewServeMux()
	mux.HandleFunc("POST /body", func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	mux.HandleFunc("GET /long", takesLong(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
			w.WriteHeader(http.StatusTeapot)
		case <-time.After(long):
		}
	}))
	for _, r := range []struct {
		request, answer string
		after           time.Duration // the end comes, give or take a second
	}{
		{"GET /lo", "", headPatience},
		{"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhalf", "HTTP/1.1 200 OK", bodyPatience}, // with as much as there was
		{"GET /long HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK", long + idlePatience},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, ln := newInternal(mux), make(pipes, 1)
			var all sync.WaitGroup
			all.Go(func() { _ = s.Serve(ln) }) // ends with ln
			client, conn := net.Pipe()
			ln <- conn
			all.Go(func() { _, _ = io.WriteString(client, r.request) })
			began := time.Now()
			answer, err := io.ReadAll(client) // to the end, which comes by itself
			took := time.Since(began)
			if err != nil || !strings.HasPrefix(string(answer), r.answer) || took < r.after || took > r.after+time.Second {
				t.Errorf("%q is answered %q, %v, and it ends after %v; want %q, and %v", r.request, answer, err, took, r.answer, r.after)
			}
			close(ln)
			all.Wait()
			_ = client.Close()
		})
	}
}

// What an application counts itself is shown too, but not under a name that is taken.
func TestMetricsOfTheApplication(t *testing.T) {
	orders := prometheus.NewCounter(prometheus.CounterOpts{Name: "orders_total"})
	orders.Inc()
	n := openNode(t, func(c *Config) { c.Metrics = []prometheus.Collector{orders} })
	n.checkMetric("orders_total 1")
	taken := prometheus.NewGauge(prometheus.GaugeOpts{Name: "edge_ready", Help: "Other."})
	s, err := Open(Config{
		Addresses: []string{"127.0.0.1:0"}, InternalAddress: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler),
		Metrics: []prometheus.Collector{taken},
	})
	if !errors.Is(err, ErrConfig) {
		t.Errorf("Open with a metric of the node's: %v; want ErrConfig", err)
	}
	if s != nil {
		s.Close()
	}
}

// The figures of a session that subscribes, publishes and is refused are the ones that operators know the names of.
func TestMetrics(t *testing.T) {
	n := openNode(t, func(c *Config) { c.LogDropped = func() uint64 { return 7 } })
	c, _ := n.connect(pathWebSocket)
	defer c.close()
	c.say(subscribe(2, "a") + "\n" + publish(3, "a", `"12345"`))
	c.hear(2, 1, false)
	refused := n.open(pathEcho)
	refused.send(drawn("83 80 00000000"))
	refused.rest()
	refused.close()

	body := n.scrape()
	for _, line := range []string{
		`edge_connections{transport="websocket"} 1`,
		`edge_connects_total{result="ok"} 1`,
		`edge_disconnects_total{code="1002"} 1`,
		`edge_reject_total{reason="protocol",stage="frame"} 1`,
		`edge_reject_total{reason="bad_request",stage="handshake"} 0`,
		`edge_rooms 1`,
		`edge_subscriptions 1`,
		`edge_messages_in_total 2`,
		`edge_messages_out_total 4`,
		`edge_publications_total 1`,
		`edge_fanout_deliveries_total 1`,
		`edge_fanout_writes_total 1`,
		`edge_outbound_queue_bytes 0`,
		`edge_session_panics_total 0`,
		`edge_slow_consumers_total{action="close_queue"} 0`,
		`edge_connects_total{result="no_token"} 0`,
		`edge_fanout_duration_seconds_count 1`,
		`edge_delivery_lag_seconds_count 1`,
		`edge_delivery_lag_seconds_bucket{le="+Inf"} 1`,
		`edge_drain_remaining 0`,
		`edge_ready 1`,
		`edge_insecure{setting="development"} 1`,
		`edge_log_dropped_total 7`,
		`edge_slow_consumers_total{action="close_stall"} 0`,
	} {
		if !strings.Contains(body, "\n"+line+"\n") {
			t.Errorf("/metrics lacks %s", line)
		}
	}
	for _, name := range []string{
		"edge_payload_bytes_in_total", "edge_payload_bytes_out_total", "edge_wire_bytes_in_total", "edge_wire_bytes_out_total",
		"edge_loop_turn_seconds", "edge_connection_memory_bytes", "edge_writes_total", "edge_loop_busy_seconds_total", "edge_loop_turns_total", "go_goroutines", "process_open_fds",
	} {
		if !strings.Contains(body, "\n# TYPE "+name+" ") {
			t.Errorf("/metrics lacks %s", name)
		}
	}
}

// Payload is what clients and rooms say, without the headers of frames.
func TestPayloadCounts(t *testing.T) {
	n := openNode(t, nil)
	c, reply := n.connect(pathWebSocket)
	defer c.close()
	before := n.counts()
	say := subscribe(2, "a") + "\n" + publish(3, "a", `"12345"`)
	c.say(say)
	c.hear(2, 1, false)
	after := n.counts()
	if got := after.PayloadIn - before.PayloadIn; got != uint64(len(say)) {
		t.Errorf("payload in grew by %d; want %d", got, len(say))
	}
	want := len(subscribed(2) + "\n" + published(3) + strings.Replace(pushOf("a", `"12345"`), "ID", strings.Repeat("x", idSize), 1))
	if got := after.PayloadOut - before.PayloadOut; got != uint64(want) {
		t.Errorf("payload out grew by %d after %s; want %d", got, reply, want)
	}
}

func TestPlayground(t *testing.T) {
	n := openNode(t, nil)
	status, body := n.get("/")
	if url := `"ws://` + n.Addresses()[0] + pathWebSocket + `"`; status != http.StatusOK || !strings.Contains(strings.ReplaceAll(body, `\/`, "/"), url) {
		t.Errorf("/ = %d, %d bytes; want a page with %s", status, len(body), url)
	}
}

// What is there to try things is there in development mode only: /echo asks for no token and has no limits.
func TestH05DevelopmentPaths(t *testing.T) {
	for _, development := range []bool{true, false} {
		n := openNodeAlone(t, func(c *Config) { c.Development, c.Echo = development, false })
		for address, there := range map[string]int{
			n.Addresses()[0] + pathEcho: http.StatusUpgradeRequired,
			n.InternalAddress() + "/":   http.StatusOK,
		} {
			want := http.StatusNotFound
			if development {
				want = there
			}
			r, err := http.Get("http://" + address)
			if err != nil {
				t.Fatal(err)
			}
			_ = r.Body.Close()
			if r.StatusCode != want {
				t.Errorf("development %v: GET %s = %d; want %d", development, address, r.StatusCode, want)
			}
		}
	}
}

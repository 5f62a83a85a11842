package deploy

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/server"
)

// patience bounds every wait: what takes longer hangs.
const patience = 2 * time.Minute

// Each graph of the dashboard shows something of a node that is at work, and each rule can be evaluated: a real Prometheus says so.
func TestPrometheusShowsANode(t *testing.T) {
	node := openNode(t)
	p := startPrometheus(t, node.InternalAddress())
	work(t, node)
	for _, g := range panels(t) {
		for _, target := range g.Targets {
			expr := strings.NewReplacer("$job", "edge", "$instance", ".*", "$__rate_interval", "10s").Replace(target.Expr)
			testutil.Eventually(t, patience, func() bool {
				refuse(t, node) // some graphs are of what goes wrong
				return p.samples(t, expr) > 0
			}, "the graph "+g.Title+" shows "+expr)
		}
	}
	for _, rule := range p.rules(t) {
		if rule.Health != "ok" {
			t.Errorf("rule %s is %s: %s", rule.Name, rule.Health, rule.LastError)
		}
	}
}

// openNode opens a node with all that there are metrics of.
func openNode(t *testing.T) *server.Server {
	t.Helper()
	hooks := metrics.NewHooks()
	hooks.Called("connect", "ok", 0)
	hooks.Retried("connect")
	s, err := server.Open(server.Config{
		Addresses:       []string{"127.0.0.1:0"},
		InternalAddress: "127.0.0.1:0",
		Loops:           1,
		Development:     true,
		Metrics:         []prometheus.Collector{hooks},
		Store:           &server.StoreConfig{Path: filepath.Join(t.TempDir(), "histories"), Sync: "interval"},
		Log:             slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// work makes a node do once what it shows only then: a WebSocket breaks a rule, and a backend asks for something.
func work(t *testing.T, node *server.Server) {
	t.Helper()
	head := "GET /connection/websocket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	conn, err := net.Dial("tcp", node.Addresses()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	if _, err := io.WriteString(conn, head); err != nil {
		t.Fatal(err)
	}
	if _, err := http.ReadResponse(r, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte{0x81, 0}); err != nil { // not masked
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, r); err != nil {
		t.Fatal(err)
	}
	ask(t, http.MethodPost, "http://"+node.InternalAddress()+"/api/info", "{}")
}

// refuse has a node turn a request away.
func refuse(t *testing.T, node *server.Server) {
	t.Helper()
	ask(t, http.MethodGet, "http://"+node.Addresses()[0]+"/nothing", "")
}

// ask returns the body of an answer, whatever its status, and leaves no connection.
func ask(t *testing.T, method, address, body string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Close = true
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// prometheusServer is a Prometheus that scrapes one node every second.
type prometheusServer struct{ address string }

// listening finds the address in Prometheus's log.
var listening = regexp.MustCompile(`msg="Listening on".* address=(127\.0\.0\.1:[0-9]+)`)

// startPrometheus runs Prometheus with the rules and the configuration of this folder, for one node.
func startPrometheus(t *testing.T, node string) *prometheusServer {
	t.Helper()
	rules, err := filepath.Abs("prometheus/edge.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	config := adapted(t, "prometheus/prometheus.yml", `["10.0.0.11:9000", "10.0.0.12:9000"]`, `["`+node+`"]`,
		"scrape_interval: 15s", "scrape_interval: 1s", "[edge.rules.yml]", "["+rules+"]\nglobal: { evaluation_interval: 1s }")
	cmd := exec.Command(need(t, "prometheus", "prometheus"), "--config.file="+config, "--storage.tsdb.path="+t.TempDir(), "--web.listen-address=127.0.0.1:0")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // nothing that it has is kept
		_ = cmd.Wait()
	})
	p, ready := new(prometheusServer), false
	for log := bufio.NewScanner(stderr); log.Scan(); {
		if m := listening.FindStringSubmatch(log.Text()); m != nil {
			p.address = m[1]
		}
		ready = ready || strings.Contains(log.Text(), "Server is ready")
		if ready && p.address != "" {
			go func() { _, _ = io.Copy(io.Discard, stderr) }() // ends with the process
			return p
		}
	}
	t.Fatal("Prometheus ends before it is ready")
	return nil
}

// get asks Prometheus, and takes its answer apart.
func (p *prometheusServer) get(t *testing.T, path string, data any) {
	t.Helper()
	var answer struct {
		Status, Error string
		Data          json.RawMessage
	}
	text := ask(t, http.MethodGet, "http://"+p.address+path, "")
	if err := json.Unmarshal(text, &answer); err != nil || answer.Status != "success" {
		t.Fatalf("Prometheus answers %s with %s", path, text)
	}
	if err := json.Unmarshal(answer.Data, data); err != nil {
		t.Fatal(err)
	}
}

// samples returns how many there are for an expression now.
func (p *prometheusServer) samples(t *testing.T, expr string) int {
	t.Helper()
	var data struct{ Result []json.RawMessage }
	p.get(t, "/api/v1/query?query="+url.QueryEscape(expr), &data)
	return len(data.Result)
}

// rule is what Prometheus says of a rule.
type rule struct{ Name, Health, LastError string }

// rules returns all rules, once each has been evaluated.
func (p *prometheusServer) rules(t *testing.T) (all []rule) {
	t.Helper()
	testutil.Eventually(t, patience, func() bool {
		var data struct {
			Groups []struct{ Rules []rule }
		}
		p.get(t, "/api/v1/rules", &data)
		all = nil
		for _, g := range data.Groups {
			all = append(all, g.Rules...)
		}
		for _, r := range all {
			if r.Health == "unknown" {
				return false
			}
		}
		return len(all) > 0
	}, "all rules have been evaluated")
	return all
}

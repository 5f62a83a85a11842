package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seed4ac54ce5/edge/api"
	apiclient "github.com/seed4ac54ce5/edge/api/client"
)

// post sends a request to n's API, at its internal address, with a key if there is one.
func (n *node) post(key, method, body string, headers ...string) (status int, answer string) {
	n.t.Helper()
	r, err := http.NewRequest(http.MethodPost, "http://"+n.InternalAddress()+"/api/"+method, strings.NewReader(body))
	if err != nil {
		n.t.Fatal(err)
	}
	if key != "" {
		r.Header.Set("X-API-Key", key)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	r.Close = true
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		n.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// checkMetric fails the test unless n's metrics have the line.
func (n *node) checkMetric(line string) {
	n.t.Helper()
	if body := n.scrape(); !strings.Contains(body, "\n"+line+"\n") {
		n.t.Errorf("/metrics lacks %s", line)
	}
}

const someAPIKey = "a key of the API"

// M01: the API is on the internal address alone, and answers those who show the key, which can be changed.
func TestM01APINeedsItsKey(t *testing.T) {
	n := openNode(t, func(c *Config) { c.API.Key = someAPIKey })
	for _, r := range []struct {
		what, key, want string
		status          int
	}{
		{"the key", someAPIKey, `{"result":{"channels":{}}}`, 200},
		{"no key", "", "", 401},
		{"another key", someAPIKey + "x", "", 401},
	} {
		if status, answer := n.post(r.key, "channels", "{}"); status != r.status || answer != r.want {
			t.Errorf("%s: %d %s; want %d %s", r.what, status, answer, r.status, r.want)
		}
	}
	if err := n.SetAPIKey("another"); err != nil {
		t.Fatal(err)
	}
	if old, _ := n.post(someAPIKey, "channels", "{}"); old != 401 {
		t.Errorf("the key of before is answered with %d; want 401", old)
	}
	if status, _ := n.post("another", "channels", "{}"); status != 200 {
		t.Errorf("the new key is answered with %d; want 200", status)
	}
	n.checkMetric(`edge_api_refused_total{status="401"} 3`)
	n.checkMetric(`edge_api_requests_total{method="channels",result="ok"} 2`)
	n.checkMetric(`edge_api_request_duration_seconds_count{method="channels"} 2`)

	public := n.dial()
	defer public.close()
	public.send([]byte("POST /api/info HTTP/1.1\r\nHost: edge.test\r\nX-API-Key: another\r\nContent-Length: 2\r\n\r\n{}"))
	if head := public.readHead(); strings.HasPrefix(head, "HTTP/1.1 2") {
		t.Errorf("the public address answers %q", head)
	}
	n.checkNeighbour()
}

// Where there is no key, the API is closed, and in development mode open to programs of this host.
func TestAPIWithoutKey(t *testing.T) {
	for _, r := range []struct {
		what       string
		change     func(*Config)
		program    int
		page       int
		afterwards int
	}{
		{"by itself", func(c *Config) { c.Development = false }, 401, 401, 401},
		{"insecure", func(c *Config) { c.Development, c.API.Insecure = false, true }, 200, 403, 401},
		{"in development", func(*Config) {}, 200, 403, 401},
	} {
		s, err := Open(apart(r.change))
		if err != nil {
			t.Fatal(err)
		}
		n := &node{Server: s, t: t}
		program, _ := n.post("", "info", "{}")
		page, _ := n.post("", "info", "{}", "Origin", "http://"+n.InternalAddress())
		if err := n.SetAPIKey(someAPIKey); err != nil {
			t.Error(err)
		}
		afterwards, _ := n.post("", "info", "{}")
		if program != r.program || page != r.page || afterwards != r.afterwards {
			t.Errorf("%s: a program got %d, a page %d, and a program after a key was set %d; want %d, %d, %d",
				r.what, program, page, afterwards, r.program, r.page, r.afterwards)
		}
		n.Close()
	}
}

// M01: a node whose internal address others could reach does not open without a key, whatever else is switched on, and does not
// lose it.
func TestM01KeylessAPIStaysOnLoopback(t *testing.T) {
	for _, address := range []string{":0", "0.0.0.0:0", "[::]:0"} {
		for _, change := range []func(*Config){
			func(*Config) {},
			func(c *Config) { c.Development = false },
			func(c *Config) { c.API.Insecure = true },
		} {
			s, err := Open(apart(func(c *Config) {
				change(c)
				c.InternalAddress = address
			}))
			if err == nil {
				s.Close()
			}
			if err != nil && isMissing(err) {
				continue // a host without IPv6
			}
			if !errors.Is(err, ErrConfig) || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "api.key") {
				t.Errorf("Open with the internal address %s and no key: %v; want one line that names api.key", address, err)
			}
		}
	}
	s, err := Open(apart(func(c *Config) { c.InternalAddress, c.API.Key = ":0", someAPIKey }))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.SetAPIKey(""); !errors.Is(err, ErrConfig) {
		t.Errorf("SetAPIKey of none on such an address: %v; want ErrConfig", err)
	}
	_, port, _ := net.SplitHostPort(s.InternalAddress())
	r, err := http.Post("http://127.0.0.1:"+port+"/api/info", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if _ = r.Body.Close(); r.StatusCode != 401 {
		t.Errorf("and then a request without a key: %d; want 401", r.StatusCode)
	}
}

// isMissing reports whether err is that this host has no such address.
func isMissing(err error) bool {
	var op *net.OpError
	return errors.As(err, &op)
}

// M02: a request that is too large is refused whole, counted, and nothing of it is done.
func TestM02APIBodyLimit(t *testing.T) {
	n := openNode(t, func(c *Config) { c.API = API{Key: someAPIKey, BodyLimit: 1000} })
	c, _ := n.connect(pathWebSocket)
	defer c.close()
	c.say(subscribe(2, "a"))
	c.hear(1, 0, false)
	// It leaves in one write: behind the answer a slow client's next one would fail.
	huge := `{"commands":[` + strings.Repeat(`{"publish":{"channel":"a","data":1}},`, 50) + `{"info":{}}]}`
	if status, _ := n.post(someAPIKey, "batch", huge); status != 413 {
		t.Errorf("a batch of %d bytes: %d; want 413", len(huge), status)
	}
	if status, answer := n.post(someAPIKey, "publish", `{"channel":"a","data":2}`); status != 200 || answer != fine {
		t.Errorf("a publication after it: %d %s", status, answer)
	}
	if got := c.hear(0, 1, false).pushes; len(got) != 1 || got[0] != `{"push":{"channel":"a","pub":{"data":2}}}` {
		t.Errorf("a member heard %q; want the second request alone", got)
	}
	n.checkMetric(`edge_api_refused_total{status="413"} 1`)
	n.checkNeighbour()
}

// M03: what requests name as they like becomes no label, whatever they are answered with.
func TestM03APILabelsAreFixed(t *testing.T) {
	n := openNode(t, func(c *Config) { c.API = API{Key: someAPIKey, Transport: true} })
	for _, method := range []string{"evil", "evil%0a", "publish%0aevil"} {
		if status, _ := n.post(someAPIKey, method, "{}"); status != 404 {
			t.Errorf("%s: %d; want 404", method, status)
		}
	}
	body := `{"commands":[{"evil":{}},{"publish":{"channel":"evil\n","data":1}},{"rpc":{"method":"evil\u001b"}}]}`
	n.post(someAPIKey, "batch", body, "X-Centrifugo-Error-Mode", "evil", "X-Evil", "evil")
	_, metrics := n.get("/metrics")
	if strings.Contains(metrics, "evil") {
		t.Error("a name out of a request is in the metrics")
	}
	n.checkMetric(`edge_api_refused_total{status="404"} 3`)
	n.checkMetric(`edge_api_requests_total{method="publish",result="refused"} 1`)
}

// apart is a configuration like that of openNode, for a node that the test opens and closes itself.
func apart(change func(*Config)) Config {
	c := isolated()
	change(&c)
	return c
}

// What several backends publish at a time reaches the members on all loops in one order, which is that of the answers.
func TestAPIPublishesInOrder(t *testing.T) {
	const publishers, each, members = 4, 50, 6
	n := openTown(t)
	if err := n.SetAPIKey(someAPIKey); err != nil {
		t.Fatal(err)
	}
	var all []citizen
	for range members {
		c := n.citizen("alice")
		defer c.close()
		c.enter("past:a")
		all = append(all, c)
	}
	backend := apiclient.New("http://"+n.InternalAddress(), apiclient.Options{Key: someAPIKey})
	want := make([]string, publishers*each)
	var publishing sync.WaitGroup
	for p := range publishers {
		publishing.Go(func() {
			for i := range each {
				data := fmt.Sprintf(`"%d of %d"`, i, p)
				at, err := backend.Publish(t.Context(), api.PublishRequest{Channel: "past:a", Data: json.RawMessage(data)})
				if err != nil || at.Offset == 0 || at.Offset > publishers*each {
					t.Errorf("publish: %+v, %v", at, err)
					return
				}
				want[at.Offset-1] = fmt.Sprintf(`{"push":{"channel":"past:a","pub":{"data":%s,"offset":%d}}}`, data, at.Offset)
			}
		})
	}
	publishing.Wait()
	for i, c := range all {
		if got := c.hear(0, len(want), false).pushes; !slices.Equal(got, want) {
			t.Errorf("member %d heard\n%q\nwant\n%q", i, got, want)
		}
	}
	n.checkMetric(fmt.Sprintf(`edge_api_requests_total{method="publish",result="ok"} %d`, len(want)))
}

package server

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
)

// order has n do something, with a key and as from a page of origin if they are not empty.
func (n *node) order(path, key, origin string) (status int, body string) {
	n.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://"+n.InternalAddress()+path, nil)
	if err != nil {
		n.t.Fatal(err)
	}
	r.Close = true
	for name, value := range map[string]string{"X-API-Key": key, "Origin": origin} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		n.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	return answer.StatusCode, string(b)
}

func TestControl(t *testing.T) {
	n := openNode(t, nil)
	for _, path := range []string{"/drain", "/reload", "/rebalance?to=1"} {
		if status, body := n.order(path, "", ""); status != http.StatusNotImplemented {
			t.Errorf("%s of a node without control = %d %s; want 501", path, status, body)
		}
		if status, _ := n.get(path); status != http.StatusMethodNotAllowed {
			t.Errorf("GET %s = %d; want 405", path, status)
		}
	}
	drained, wrong := 0, error(nil)
	n.SetControl(Control{
		Drain:  func() { drained++ },
		Reload: func() (Reloaded, error) { return Reloaded{[]string{"a"}, []string{}}, wrong },
		Rebalance: func(_ context.Context, to int) (int, error) {
			if to == 13 {
				return 0, errors.New("not thirteen")
			}
			return 1, nil
		},
	})
	for _, r := range []struct {
		path, body string
		status     int
	}{
		{"/drain", `{"connections":1,"surplus":1}`, http.StatusAccepted},
		{"/reload", `{"changed":["a"],"waiting":[]}`, http.StatusOK},
		{"/rebalance?to=0", `{"connections":1,"surplus":1}`, http.StatusAccepted},
		{"/rebalance?to=13", `{"error":"not thirteen"}`, http.StatusConflict},
		{"/rebalance?to=-1", `{"error":"to is the number of clients that may stay, 0 or more"}`, http.StatusBadRequest},
		{"/rebalance", `{"error":"to is the number of clients that may stay, 0 or more"}`, http.StatusBadRequest},
	} {
		if status, body := n.order(r.path, "", ""); status != r.status || body != r.body+"\n" {
			t.Errorf("%s = %d %s; want %d %s", r.path, status, body, r.status, r.body)
		}
	}
	wrong = errors.New("line 3: no such key")
	if status, body := n.order("/reload", "", ""); status != http.StatusUnprocessableEntity || body != `{"error":"line 3: no such key"}`+"\n" {
		t.Errorf("a reload that fails = %d %s; want 422 and why", status, body)
	}
	if status, _ := n.order("/drain", "", "https://evil.example"); status != http.StatusForbidden || drained != 1 {
		t.Errorf("a web page gets %d, and the node was drained %d times; want 403, once", status, drained)
	}
}

// With a key, operators show it.
func TestControlAsksForTheKey(t *testing.T) {
	n := openNode(t, func(c *Config) { c.API.Key = "a key" })
	drained := 0
	n.SetControl(Control{Drain: func() { drained++ }})
	for key, want := range map[string]int{"": http.StatusUnauthorized, "another": http.StatusUnauthorized, "a key": http.StatusAccepted} {
		if status, _ := n.order("/drain", key, ""); status != want {
			t.Errorf("/drain with key %q = %d; want %d", key, status, want)
		}
	}
	if drained != 1 {
		t.Errorf("drained %d times; want once", drained)
	}
}

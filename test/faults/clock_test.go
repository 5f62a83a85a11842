//go:build faults

package faults

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/auth"
)

// skewed builds edge with a wall clock that the file CLOCK_SKEW names sets off by so many seconds, at any time. Only
// time.Now differs; the monotonic clock is the kernel's.
func skewed(t testing.TB) (binary string) {
	t.Helper()
	dir := filepath.Join(os.TempDir(), "faults-clock") // the same each time, so that the go command knows what it has built
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	original := filepath.Join(strings.TrimSpace(string(root)), "src/time/time.go")
	text, err := os.ReadFile(original)
	if err != nil {
		t.Fatal(err)
	}
	const reading = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	if strings.Count(string(text), reading) != 1 {
		t.Skip("time.Now of this Go release does not look as expected")
	}
	changed := strings.Replace(string(text), reading, reading+"\tsec += Skew.Load()\n", 1)
	changed = strings.Replace(changed, "\nimport (\n", "\nimport (\n\t\"sync/atomic\"\n", 1) + "\n// Skew is added to the wall clock, in seconds.\nvar Skew atomic.Int64\n"
	const follow = `package main

import (
	"os"
	"strconv"
	"time"
)

func init() {
	go func() {
		for ; ; time.Sleep(10 * time.Millisecond) {
			b, _ := os.ReadFile(os.Getenv("CLOCK_SKEW"))
			if v, err := strconv.ParseInt(string(b), 10, 64); err == nil {
				time.Skew.Store(v)
			}
		}
	}()
}
`
	here, err := filepath.Abs("../../cmd/edge")
	if err != nil {
		t.Fatal(err)
	}
	replace := map[string]string{original: filepath.Join(dir, "time.go"), filepath.Join(here, "clock_skew.go"): filepath.Join(dir, "follow.go")}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"time.go": []byte(changed), "follow.go": []byte(follow), "overlay.json": overlay} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	binary = filepath.Join(dir, "edge")
	if err := build(binary, "../../cmd/edge", "-overlay="+filepath.Join(dir, "overlay.json")); err != nil {
		t.Fatal(err)
	}
	return binary
}

// R42: the wall clock steps an hour ahead and an hour back. Sessions, pings, histories and the ends of sessions keep to the
// monotonic clock; only whether a new token is good follows the wall clock.
func TestR42WallClockSteps(t *testing.T) {
	const size = 50
	file := filepath.Join(t.TempDir(), "skew")
	step := func(by time.Duration) {
		t.Helper()
		next := file + ".next"
		if err := os.WriteFile(next, fmt.Appendf(nil, "%d", int(by.Seconds())), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, file); err != nil { // at once
			t.Fatal(err)
		}
	}
	n := start(t, launch{
		binary: skewed(t),
		env:    []string{"CLOCK_SKEW=" + file},
		config: fmt.Sprintf("development: true\nclient: {ping_interval: 2s, expired_close_delay: 1s, token: {hmac_secret_key: %q}}\n"+
			"room: {without_namespace: {history_size: 10, history_ttl: 10m, force_recovery: true, presence: true}}\n", signer.Secret),
	})
	g := gather(n, size, "room")
	p := g.publishing(n, "room", 5, "")
	for _, by := range []time.Duration{time.Hour, -time.Hour, 0} {
		ends := n.dial(pathProtocol)
		if err := ends.enter(time.Now().Add(n.skew).Add(4 * time.Second)); err != nil {
			t.Fatal(err)
		}
		began, ended := time.Now(), make(chan error, 1)
		go func() { ended <- ends.rest() }()
		step(by)
		n.skew = by
		n.await("the node's wall clock has stepped", func() bool { return n.tokenIsGood(30*time.Minute) && !n.tokenIsGood(-30*time.Minute) })
		before, received := pingsOf(g), g.received()
		n.await("pings and publications go on", func() bool { return pingsOf(g) >= before+2*size && g.received() > received+5*size })
		if code := codeOf(<-ended); code != 3005 || time.Since(began) < 3*time.Second || time.Since(began) > time.Minute {
			t.Errorf("after a step to %v a session that may last 4 s ended with %d after %v", by, code, time.Since(began))
		}
		r, err := n.connect().ask(`{"id":3,"history":{"channel":"room","limit":10}}`)
		if err != nil || len(r.History.Publications) != 10 {
			t.Errorf("after a step to %v the history has %d publications, %v; want 10", by, len(r.History.Publications), err)
		}
		t.Logf("wall clock at %+v: two rounds of pings, history whole, a session of 4 s ended after %v", by, time.Since(began).Round(100*time.Millisecond))
	}
	p.stop()
	n.await("all publications arrive", func() bool { return g.received() >= size*p.sent.Load() })
	g.checkOrder(t)
	if got := g.standing(); got != size {
		t.Errorf("%d of %d sessions stand", got, size)
	}
}

// enter connects with a token that is good until then.
func (c *client) enter(until time.Time) error {
	token, err := signer.Connect(auth.ConnectClaims{Identity: auth.Identity{User: "ann", Expiry: until}})
	if err != nil {
		return err
	}
	_, err = c.ask(fmt.Sprintf(`{"id":1,"connect":{"token":%q}}`, token))
	return err
}

// tokenIsGood reports whether the node takes a token that expires in d by the clock that the node has been given.
func (n *node) tokenIsGood(d time.Duration) bool {
	n.t.Helper()
	c := n.dial(pathProtocol)
	defer c.close()
	return c.enter(time.Now().Add(n.skew).Add(d)) == nil
}

// R42: a node in a time namespace whose monotonic clock is at a year when it starts.
func TestR42TimeNamespace(t *testing.T) {
	need(t, "unshare")
	year := "31536000"
	if out, err := exec.Command("unshare", "--time", "--monotonic", year, "--boottime", year, "true").CombinedOutput(); err != nil {
		t.Skipf("no time namespaces here: %v, %s", err, out)
	}
	n := start(t, launch{before: []string{"unshare", "--time", "--monotonic", year, "--boottime", year}, args: []string{"--ping-interval=2s"}})
	g := gather(n, 20, "room")
	n.pause(4 * time.Second)
	before := pingsOf(g)
	n.await("pings go on", func() bool { return pingsOf(g) >= before+40 })
	if got := g.standing(); got != 20 {
		t.Errorf("%d of 20 sessions stand", got)
	}
	n.checkNeighbour()
}

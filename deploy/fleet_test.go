package deploy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/auth"
	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/test/balancer"
)

var signer = auth.Signer{Secret: "a secret of 32 bytes, which is the least"}

const apiKey = "a-key-of-the-HTTP-API"

// fleet is two nodes at their places, each a process, with the edge.yaml of this folder.
type fleet struct {
	t       *testing.T
	site    *balancer.Site
	program string
	env     []string // what edge.yaml leaves at its default
	nodes   [2]*process
}

// newFleet builds edge and starts both nodes.
func newFleet(t *testing.T, env ...string) *fleet {
	t.Helper()
	f := &fleet{t: t, site: balancer.NewSite(t), program: filepath.Join(t.TempDir(), "edge"), env: env}
	if out, err := exec.Command("go", "build", "-o", f.program, "../cmd/edge").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	f.start(0)
	f.start(1)
	return f
}

// start runs node number i, which ends with the test.
func (f *fleet) start(i int) {
	f.t.Helper()
	place := f.site.Nodes[i]
	config := adapted(f.t, "edge.yaml",
		`[":8000-8003"]`, fmt.Sprintf("[%q, %q]", place.Public[0], place.Public[1]),
		"10.0.0.0/28", "127.0.0.0/8",
		"10.0.0.11:9000", place.Internal.String(),
		"/etc/edge/secrets/api_key", save(f.t, "api_key", apiKey),
		"/etc/edge/secrets/token_hmac", save(f.t, "token_hmac", signer.Secret))
	p := &process{t: f.t, place: place, cmd: exec.Command(f.program, "serve", "--config", config)}
	p.cmd.Env = append(os.Environ(), f.env...)
	p.cmd.Stderr = &p.log
	if err := p.cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(p.kill)
	f.nodes[i] = p
	p.await(`"msg":"serving"`)
}

// process is a node.
type process struct {
	t     *testing.T
	place balancer.Place
	cmd   *exec.Cmd
	log   testutil.Book
}

// kill ends the process, if it still runs.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait() // twice is fine
	if p.t.Failed() {
		p.t.Logf("log of the node at %v:\n%s", p.place.Internal, p.log.String())
	}
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// end waits for the process to end by itself, with status 0 and nobody cut off.
func (p *process) end() {
	p.t.Helper()
	stuck := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	defer stuck.Stop()
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("a node that drains ends with %v", err)
	}
	if !strings.Contains(p.log.String(), `"msg":"drained","cut":0}`) {
		p.t.Error("a node that drains has cut somebody off, or does not say")
	}
}

// await waits until the log has a text.
func (p *process) await(text string) {
	p.t.Helper()
	testutil.Eventually(p.t, patience, func() bool { return strings.Contains(p.log.String(), text) }, "the node logs "+text)
}

// publish has the node publish a number in a room, again and again until it has said yes. It reports false if there is no
// node any more.
func (p *process) publish(room string, number int) bool {
	body := fmt.Sprintf(`{"channel":%q,"data":%d,"idempotency_key":"%d"}`, room, number, number)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		answer, err := p.post("/api/publish", body)
		switch {
		case errors.Is(err, syscall.ECONNREFUSED):
			return false
		case err == nil && bytes.HasPrefix(answer, []byte(`{"result"`)):
			return true
		}
	}
	p.t.Errorf("the node at %v does not publish", p.place.Internal)
	return false
}

// post asks the internal address.
func (p *process) post(path, body string) ([]byte, error) {
	r, err := http.NewRequest(http.MethodPost, "http://"+p.place.Internal.String()+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Close = true
	r.Header.Set("X-API-Key", apiKey)
	answer, err := (&http.Client{Timeout: patience}).Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	return io.ReadAll(answer.Body)
}

// clients returns how many clients the node has.
func (p *process) clients() int {
	p.t.Helper()
	text, err := p.post("/api/info", "{}")
	if err != nil {
		p.t.Fatal(err)
	}
	var answer struct {
		Result struct {
			Nodes []struct {
				Clients int `json:"num_clients"`
			}
		}
	}
	if err := json.Unmarshal(text, &answer); err != nil || len(answer.Result.Nodes) != 1 {
		p.t.Fatalf("info is %s", text)
	}
	return answer.Result.Nodes[0].Clients
}

// listens reports whether the node takes connections, also without saying anything on them.
func (p *process) listens() bool {
	conn, err := dialFrom(p.place.Public[0], netip.MustParseAddr("127.0.0.1"))
	if err == nil {
		_ = conn.Close()
	}
	return err == nil
}

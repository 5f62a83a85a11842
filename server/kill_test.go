package server

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// A node of its own process, so that it can be killed: the test binary, told by its environment to be one.
const (
	runAsNode = "RUN_AS_NODE_WITH_STORE" // path of the store
	syncAs    = "RUN_AS_NODE_WITH_SYNC"
)

// beNode serves until it is killed, and says on which address.
func beNode(path string) error {
	s, err := Open(Config{
		Addresses:       []string{"127.0.0.1:0"},
		InternalAddress: "127.0.0.1:0",
		Loops:           2,
		Development:     true,
		PingInterval:    -1,
		Rooms: Rooms{WithoutNamespace: RoomOptions{
			HistorySize: 1 << 20, HistoryTTL: time.Hour, Store: true, ForceRecovery: true,
		}},
		Store: &StoreConfig{Path: path, Sync: os.Getenv(syncAs)},
		Log:   slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	fmt.Println(s.Addresses()[0])
	_, err = io.Copy(io.Discard, os.Stdin) // ends with the test, should it not kill us
	s.Close()
	return err
}

// victim is such a node.
type victim struct {
	t       *testing.T
	cmd     *exec.Cmd
	stdin   io.Closer
	address string
}

func startVictim(t *testing.T, path, sync string) *victim {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), runAsNode+"="+path, syncAs+"="+sync)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	address, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the node did not start: %v", err)
	}
	return &victim{t, cmd, stdin, strings.TrimSpace(address)}
}

// kill ends v as kill -9 does.
func (v *victim) kill() {
	v.t.Helper()
	if err := v.cmd.Process.Kill(); err != nil {
		v.t.Error(err)
	}
	_ = v.cmd.Wait() // says that it was killed
	_ = v.stdin.Close()
}

// reply is what the test looks at of a message from the node.
type reply struct {
	ID        int             `json:"id"`
	Error     json.RawMessage `json:"error"`
	Subscribe *stretch        `json:"subscribe"`
	History   *stretch        `json:"history"`
	RPC       *struct {
		Data placed `json:"data"`
	} `json:"rpc"`
	Push *struct {
		Pub *datum `json:"pub"`
	} `json:"push"`
}

type placed struct {
	Offset uint64 `json:"offset"`
	Epoch  string `json:"epoch"`
}

type datum struct {
	Offset uint64 `json:"offset"`
	Data   string `json:"data"`
}

type stretch struct {
	placed
	Publications []datum `json:"publications"`
	Recovered    bool    `json:"recovered"`
}

// killedClient is a connected client of a victim.
type killedClient struct {
	*client
	lines []string
}

func (v *victim) dial() *killedClient {
	v.t.Helper()
	conn, err := net.Dial("tcp", v.address)
	if err != nil {
		v.t.Fatal(err)
	}
	c := &client{t: v.t, conn: conn.(*net.TCPConn), in: bufio.NewReader(conn)}
	c.extend()
	c.send([]byte(request(pathWebSocket)))
	if head := c.readHead(); !strings.HasPrefix(head, "HTTP/1.1 101 ") {
		v.t.Fatalf("upgrade: %q", head)
	}
	k := &killedClient{client: c}
	k.say(hello)
	if _, ok := k.hearLine(); !ok {
		v.t.Fatal("no answer to connect")
	}
	return k
}

// hearLine returns the next message, false when the node is dead.
func (k *killedClient) hearLine() (r reply, ok bool) {
	for len(k.lines) == 0 {
		text, ok := k.nextText()
		if !ok {
			return r, false
		}
		k.lines = strings.Split(text, "\n")
	}
	err := json.Unmarshal([]byte(k.lines[0]), &r)
	k.lines = k.lines[1:]
	if err != nil || r.Error != nil {
		k.t.Errorf("unexpected message %s: %v", r.Error, err)
	}
	return r, true
}

// ask sends a command and returns its answer.
func (k *killedClient) ask(command string) reply {
	k.t.Helper()
	k.say(command)
	for {
		r, ok := k.hearLine()
		if !ok {
			k.t.Fatalf("no answer to %s", command)
		}
		if r.ID != 0 {
			return r
		}
	}
}

// ledger is what the node has acknowledged, by offset.
type ledger struct {
	mu    sync.Mutex // guards all below
	epoch string
	data  map[uint64]string
}

func (l *ledger) note(t *testing.T, at placed, data string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.epoch == "" {
		l.epoch = at.Epoch
	}
	if before, ok := l.data[at.Offset]; ok || at.Epoch != l.epoch {
		t.Errorf("%q is acknowledged at %d in epoch %s; %q was there, in epoch %s", data, at.Offset, at.Epoch, before, l.epoch)
	}
	l.data[at.Offset] = data
}

func (l *ledger) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.data)
}

// publishUntilDeath publishes one by one, and notes what is acknowledged.
func (k *killedClient) publishUntilDeath(t *testing.T, name string, l *ledger, noted chan<- struct{}) {
	for n := 1; ; n++ {
		data := fmt.Sprintf("%s-%d", name, n)
		k.say(fmt.Sprintf(`{"id":%d,"rpc":{"method":"edge.publish","data":{"channel":"r","data":%q}}}`, n, data))
		r, ok := k.hearLine()
		if !ok {
			return
		}
		l.note(t, r.RPC.Data, data)
		select {
		case noted <- struct{}{}:
		default:
		}
	}
}

// TestNothingAcknowledgedIsLost kills a node again and again while clients publish. What it has acknowledged is there
// when it comes back, at the same offsets in the same epoch, and a subscriber recovers what it has missed.
func TestNothingAcknowledgedIsLost(t *testing.T) {
	for _, sync := range []string{"always", "interval"} {
		t.Run(sync, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "history.db")
			l := &ledger{data: make(map[uint64]string)}
			var seen placed
			for round := range 3 {
				v := startVictim(t, path, sync)
				checkKept(t, v, l)
				seen = publishAndKill(t, v, l, seen, round)
			}
			v := startVictim(t, path, sync)
			checkKept(t, v, l)
			v.kill()
		})
	}
}

// checkKept reads the whole history and compares.
func checkKept(t *testing.T, v *victim, l *ledger) {
	t.Helper()
	k := v.dial()
	defer k.close()
	kept := make(map[uint64]string)
	at := placed{}
	for {
		command := fmt.Sprintf(`{"id":2,"history":{"channel":"r","limit":300,"since":{"offset":%d,"epoch":%q}}}`, at.Offset, l.epoch)
		h := k.ask(command).History
		if l.epoch != "" && h.Epoch != l.epoch {
			t.Fatalf("the epoch is %s after the node has come back; it was %s", h.Epoch, l.epoch)
		}
		for _, p := range h.Publications {
			if p.Offset != at.Offset+1 {
				t.Fatalf("offset %d follows %d", p.Offset, at.Offset)
			}
			at.Offset = p.Offset
			kept[p.Offset] = p.Data
		}
		if at.Offset == h.Offset {
			break
		}
	}
	for offset, data := range l.data {
		if kept[offset] != data {
			t.Errorf("%q, acknowledged at %d, is %q now", data, offset, kept[offset])
		}
	}
	t.Logf("%d acknowledged, %d kept", len(l.data), len(kept))
}

// publishAndKill has clients publish, and a subscriber that goes on where the last one has been cut, until the node
// is killed. It returns how far the subscriber has come.
func publishAndKill(t *testing.T, v *victim, l *ledger, seen placed, round int) placed {
	t.Helper()
	subscriber := v.dial()
	defer subscriber.close()
	s := subscriber.ask(fmt.Sprintf(`{"id":2,"subscribe":{"channel":"r","recover":%v,"offset":%d,"epoch":%q}}`,
		seen.Epoch != "", seen.Offset, seen.Epoch)).Subscribe
	if seen.Epoch != "" && !s.Recovered {
		t.Errorf("round %d: a subscriber at %d, epoch %s, was not recovered; the room is at %d, epoch %s",
			round, seen.Offset, seen.Epoch, s.Offset, s.Epoch)
	}
	seen.Epoch = s.Epoch
	follow := func(p datum) {
		if p.Offset != seen.Offset+1 {
			t.Errorf("round %d: the subscriber has received %d after %d", round, p.Offset, seen.Offset)
		}
		seen.Offset = p.Offset
	}
	for _, p := range s.Publications {
		follow(p)
	}
	noted := make(chan struct{}, 1)
	var publishers sync.WaitGroup
	for i := range 8 {
		k := v.dial()
		publishers.Go(func() {
			defer k.close()
			k.publishUntilDeath(t, fmt.Sprintf("%d-%d", round, i), l, noted)
		})
	}
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		for r, ok := subscriber.hearLine(); ok; r, ok = subscriber.hearLine() {
			follow(*r.Push.Pub)
		}
	}()
	for want := l.size() + 200 + 50*round; l.size() < want; {
		<-noted
	}
	v.kill()
	publishers.Wait()
	<-watching
	return seen
}

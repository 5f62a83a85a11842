package main

import (
	"flag"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/server"
)

func TestMain(m *testing.M) { testutil.Main(m) }

// openServer opens the server as its flags say.
func openServer(t *testing.T, flags ...string) *server.Server {
	return openWith(t, nil, flags...)
}

// openWith is openServer with histories on disk.
func openWith(t *testing.T, store *server.StoreConfig, flags ...string) *server.Server {
	var o options
	f := flag.NewFlagSet("", flag.ContinueOnError)
	o.define(f)
	if err := f.Parse(append([]string{"-address", "127.0.0.1:0"}, flags...)); err != nil {
		t.Fatal(err)
	}
	node, err := o.open(server.Config{Log: slog.New(slog.DiscardHandler), Store: store})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(node.Close)
	return node
}

// peer is a client that speaks WebSocket.
type peer struct {
	t    *testing.T
	conn net.Conn
	in   io.Reader // from conn, with what had come behind the handshake
}

// Read and Write make a peer what package wsutil takes.
func (p *peer) Read(b []byte) (int, error)  { return p.in.Read(b) }
func (p *peer) Write(b []byte) (int, error) { return p.conn.Write(b) }

// dial opens a session of Engine.IO at a path with a query.
func dial(t *testing.T, node *server.Server, path string) *peer {
	conn, early, _, err := ws.Dial(t.Context(), "ws://"+node.Addresses()[0]+path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	p := &peer{t, conn, conn}
	if early != nil {
		p.in = early
	}
	p.expect(`0{"sid":.*}`)
	return p
}

const socketIO = "/socket.io/?EIO=4&transport=websocket"

// enter opens a session in "/".
func enter(t *testing.T, node *server.Server) *peer {
	p := dial(t, node, socketIO)
	p.send("40")
	p.expect(`40{"sid":".{20}"}`)
	p.expect(`42\["auth",{}\]`)
	return p
}

// hangUp closes p's side when the server has closed its own.
func (p *peer) hangUp() {
	for {
		if _, _, err := wsutil.ReadServerData(p); err != nil {
			_ = p.conn.Close()
			return
		}
	}
}

func (p *peer) send(text string, attachments ...string) {
	p.t.Helper()
	err := wsutil.WriteClientText(p, []byte(text))
	for _, a := range attachments {
		if err == nil {
			err = wsutil.WriteClientBinary(p, []byte(a))
		}
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// expect reads a message that matches pattern. Pings it answers.
func (p *peer) expect(pattern string) {
	p.t.Helper()
	for {
		got, _, err := wsutil.ReadServerData(p)
		switch {
		case err != nil:
			p.t.Fatalf("%v before %s", err, pattern)
		case string(got) == "2":
			p.send("3")
		case !regexp.MustCompile("^" + pattern + "$").Match(got):
			p.t.Fatalf("%s came; want %s", got, pattern)
		default:
			return
		}
	}
}

// A row is what a client sends, and what it gets.
type row struct {
	sent        string
	attachments []string
	got         []string // patterns; attachments too
}

func TestEvents(t *testing.T) {
	const (
		date   = `"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"`
		bin    = `{"_placeholder":true,"num":0}`
		getBin = `451-\["takebin",` + bin + `\]`
	)
	p := enter(t, openServer(t))
	for _, r := range []row{
		{`42["message",1,"2",{"3":[true]}]`, nil, []string{`42\["message-back",1,"2",{"3":\[true\]}\]`}},
		{`452-["message",` + bin + `,{"_placeholder":true,"num":1}]`, []string{"a", "b"}, []string{`452-\["message-back",` + bin + `,{"_placeholder":true,"num":1}\]`, "a", "b"}},
		{`42456["message-with-ack",1,"2"]`, nil, []string{`43456\[1,"2"\]`}},
		{`451-7["message-with-ack",` + bin + `]`, []string{"a"}, []string{`461-7\[` + bin + `\]`, "a"}},
		{`42["hi"]`, nil, []string{`42\["hi"\]`}},
		{`421["echo",{"a":null},2]`, nil, []string{`431\[{"a":null}\]`}},
		{`422["getAckDate",{}]`, nil, []string{`432\[` + date + `\]`}},
		{`42["getDate"]`, nil, []string{`42\["takeDate",` + date + `\]`}},
		{`42["getDateObj"]`, nil, []string{`42\["takeDateObj",{"date":` + date + `}\]`}},
		{`42["false"]`, nil, []string{`42\["false",false\]`}},
		{`42["doge"]`, nil, []string{`451-\["doge",` + bin + `\]`, "asdfasdf"}},
		{`42["getbin"]`, nil, []string{getBin, "asdfasdf"}},
		{`451-["getbin",` + bin + `]`, []string{"xyz"}, []string{getBin, "xyz"}},
		{`451-["buffa",` + bin + `]`, []string{"x"}, []string{`42\["buffack"\]`}},
		{`451-["jsonbuff",{"hello":"lol","message":` + bin + `,"goodbye":"gotcha"}]`, []string{"x"}, []string{`42\["jsonbuff-ack"\]`}},
		{`451-["abuff1",` + bin + `]`, []string{"x"}, nil},
		{`451-["abuff2",` + bin + `]`, []string{"x"}, []string{`42\["abuff2-ack"\]`}},
		{`423["getId"]`, nil, []string{`433\[".{20}"\]`}},
		{`424["getHandshake"]`, nil, []string{`434\[{"address":"127.0.0.1","auth":{},.*,"query":{"EIO":"4","transport":"websocket"},"secure":false,"time":".*","url":"/socket.io/\?EIO=4&transport=websocket","xdomain":false}\]`}},
		{`42["ack"]`, nil, []string{`420\["ack"\]`}},
		{`430[5,{"test":true}]`, nil, []string{`42\["got it"\]`}},
		{`42["buffa","no bytes"]`, nil, nil},
		{`42["jsonbuff",{"hello":"lol","message":"text","goodbye":"gotcha"}]`, nil, nil},
		{`42["hi"]`, nil, []string{`42\["hi"\]`}},
	} {
		p.send(r.sent, r.attachments...)
		for _, pattern := range r.got {
			p.expect(pattern)
		}
	}
}

func TestNamespaces(t *testing.T) {
	node := openServer(t, "-handshake-delay", "1ms")
	p := dial(t, node, socketIO+"&fail=true")
	for _, r := range [][]string{
		{`40{"token":"123"}`, `44{"message":"Auth failed \(main namespace\)"}`},
		{`40/custom,{"token":"abc"}`, `40/custom,{"sid":".{20}"}`, `42/custom,\["auth",{"token":"abc"}\]`},
		{`40/random`, `44/random,{"message":"Invalid namespace"}`},
		{`40/no,`, `44/no,{"message":"Auth failed \(custom namespace\)"}`},
		{`40/abc,`, `40/abc,{"sid":".{20}"}`, `42/abc,\["handshake",{.*}\]`},
		{`40/foo,`, `40/foo,{"sid":".{20}"}`},
		{`42/foo,1["getId"]`, `43/foo,1\[".{20}"\]`},
		{`40/valid`, `40/valid,{.*}`},
		{`40/asd`, `40/asd,{.*}`},
		{`40/timeout_socket`, `40/timeout_socket,{.*}`},
	} {
		p.send(r[0])
		for _, pattern := range r[1:] {
			p.expect(pattern)
		}
	}
}

func TestRecovery(t *testing.T) {
	node := openServer(t, "-recovery", "-ping-interval", "300ms", "-ping-timeout", "1m")
	p, welcome := enterRecoverable(t, node)
	if err := p.conn.Close(); err != nil {
		t.Fatal(err)
	}
	expectBack(t, node, welcome)
}

func TestRecoveryOverARestart(t *testing.T) {
	for name, end := range map[string]func(*server.Server){
		"closed": (*server.Server).Close,
		"drained": func(node *server.Server) {
			node.Drain()
			node.HurryDrain()
			_ = node.Run(t.Context())
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := &server.StoreConfig{Path: filepath.Join(t.TempDir(), "rooms.db"), Sync: "always"}
			node := openWith(t, store, "-recovery")
			p, welcome := enterRecoverable(t, node)
			var hearing sync.WaitGroup
			hearing.Go(p.hangUp)
			end(node)
			hearing.Wait()
			expectBack(t, openWith(t, store, "-recovery"), welcome)
		})
	}
}

// The node does not know that the client's connection is dead: nothing has come from it, and nothing was due. The client comes back
// to all its namespaces, one after the other.
func TestTakeOver(t *testing.T) {
	node := openServer(t, "-recovery")
	p, welcome := enterRecoverable(t, node)
	custom := p.enter("/custom,")
	again := expectBack(t, node, welcome)
	again.comeBack("/custom,", custom)
}

// enterRecoverable opens a session in "/" and returns the answer to its CONNECT.
func enterRecoverable(t *testing.T, node *server.Server) (p *peer, welcome string) {
	p = dial(t, node, socketIO)
	return p, p.enter("")
}

var privateID = regexp.MustCompile(`"pid":"(.{20})"`)

// enter enters the namespace with a prefix, and returns the answer.
func (p *peer) enter(prefix string) (welcome string) {
	p.t.Helper()
	p.send("40" + prefix)
	answer, _, err := wsutil.ReadServerData(p)
	if err != nil || !privateID.Match(answer) {
		p.t.Fatalf("%s, %v", answer, err)
	}
	p.expect(`42` + prefix + `\["auth",{},"[0-9a-z]+"\]`)
	return string(answer)
}

// comeBack checks that the client which had the answer welcome gets it again, behind the one event that it does not say it has.
func (p *peer) comeBack(prefix, welcome string) {
	p.t.Helper()
	p.send(`40` + prefix + `{"pid":"` + privateID.FindStringSubmatch(welcome)[1] + `"}`)
	p.expect(`42` + prefix + `\["auth",{},"[0-9a-z]+"\]`)
	p.expect(regexp.QuoteMeta(welcome))
	p.expect(`42` + prefix + `\["auth",{"pid":".{20}"},"[0-9a-z]+"\]`) // that it is there again
}

// expectBack has a new session come back to "/".
func expectBack(t *testing.T, node *server.Server, welcome string) *peer {
	t.Helper()
	p := dial(t, node, socketIO)
	p.comeBack("", welcome)
	return p
}

func TestBareEngine(t *testing.T) {
	p := dial(t, openServer(t), "/engine.io/?EIO=4&transport=websocket")
	p.send("4hello")
	p.expect("4hello")
}

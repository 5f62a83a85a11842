package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/frame"
)

// engine is a Socket.IO server with the events join, publish, presence and echo, over polling and WebSocket, which lets clients recover
// all that they have missed.
type engine struct {
	t    *testing.T
	stop chan struct{}

	mu       sync.Mutex // guards what follows
	sessions map[string]*engineSession
	pasts    map[string]*engineSession // by private id
	log      []enginePublication
	next     int
	token    bool // some client has shown one
}

type enginePublication struct{ room, packet string }

// engineSession is one of its sessions; all of it is guarded by the engine.
type engineSession struct {
	id, pid string
	rooms   []string
	queue   []string      // for polling
	more    chan struct{} // holds one while there is something in queue
	socket  net.Conn      // of a WebSocket
	gets    int
	gone    bool
}

func newEngine(t *testing.T) *engine {
	return &engine{t: t, stop: make(chan struct{}), sessions: make(map[string]*engineSession), pasts: make(map[string]*engineSession)}
}

// startEngine serves one and returns its address.
func startEngine(t *testing.T, e *engine, secure bool) string {
	t.Helper()
	s := httptest.NewUnstartedServer(e)
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(func() {
		close(e.stop)
		s.CloseClientConnections()
		s.Close()
	})
	return s.Listener.Addr().String()
}

func (e *engine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if !strings.HasPrefix(r.URL.Path, "/socket.io/") || q.Get("EIO") != "4" {
		e.t.Errorf("the flooder asks for %s", r.URL)
	}
	e.mu.Lock()
	s := e.sessions[q.Get("sid")]
	e.mu.Unlock()
	switch {
	case q.Get("transport") == "websocket":
		e.serveSocket(w, r)
	case q.Get("sid") == "" && r.Method == http.MethodGet:
		s = e.open(nil)
		e.get(w, r, s)
	case s == nil:
		http.Error(w, `{"code":1,"message":"Session ID unknown"}`, http.StatusBadRequest)
	case r.Method == http.MethodGet:
		e.get(w, r, s)
	default:
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		for packet := range strings.SplitSeq(string(body), "\x1e") {
			e.obey(s, packet)
		}
		fmt.Fprint(w, "ok")
	}
}

// open begins a session.
func (e *engine) open(socket net.Conn) *engineSession {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.next++
	s := &engineSession{id: fmt.Sprintf("session-%06d", e.next), more: make(chan struct{}, 1), socket: socket}
	s.pid = "past of " + s.id
	e.sessions[s.id] = s
	e.send(s, fmt.Sprintf(`0{"sid":"%s","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`, s.id))
	return s
}

// send has a packet go to s.
func (e *engine) send(s *engineSession, packet string) {
	if s.socket != nil {
		_, _ = s.socket.Write(frame.AppendFrame(nil, frame.OpText, []byte(packet), false)) // who is gone needs nothing
		return
	}
	s.queue = append(s.queue, packet)
	select {
	case s.more <- struct{}{}:
	default:
	}
}

// get answers a poll as soon as there is something to say, in chunks every other time.
func (e *engine) get(w http.ResponseWriter, r *http.Request, s *engineSession) {
	select {
	case <-s.more:
	case <-e.stop:
		return
	case <-r.Context().Done():
		e.end(s)
		return
	}
	e.mu.Lock()
	body := strings.Join(s.queue, "\x1e")
	s.queue = nil
	s.gets++
	chunked := s.gets%2 == 0
	e.mu.Unlock()
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	if chunked {
		half := len(body) / 2
		fmt.Fprint(w, body[:half])
		w.(http.Flusher).Flush()
		body = body[half:]
	}
	fmt.Fprint(w, body)
}

func (e *engine) serveSocket(w http.ResponseWriter, r *http.Request) {
	c, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		e.t.Error(err)
		return
	}
	defer c.Close()
	if _, err := c.Write(frame.AppendUpgrade(nil, []byte(r.Header.Get("Sec-WebSocket-Key")), "", frame.DeflateParams{})); err != nil {
		return
	}
	s := e.open(c)
	defer e.end(s)
	var stream frame.Stream
	b := make([]byte, 0, 1<<20)
	for {
		n, err := buffered.Read(b[len(b):cap(b)])
		if err != nil {
			return
		}
		for b = b[:len(b)+n]; len(b) > 0; {
			f, n, _, err := stream.Next(b, &frame.Options{MaxMessage: 1 << 20})
			if n == 0 || err != nil {
				break
			}
			if f.Opcode == frame.OpClose {
				_, _ = c.Write(frame.AppendFrame(nil, frame.OpClose, f.Payload, false))
				return
			}
			e.obey(s, string(f.Payload))
			b = b[n:]
		}
		b = append(make([]byte, 0, 1<<20), b...)
	}
}

func (e *engine) end(s *engineSession) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s.gone = true
	delete(e.sessions, s.id)
}

// obey obeys a packet.
func (e *engine) obey(s *engineSession, packet string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	packet, main := strings.CutPrefix(packet, "4")
	switch {
	case !main && packet == "1":
		s.gone = true
		e.send(s, "6")
	case !main && packet == "3", packet == "1":
	case strings.HasPrefix(packet, "0"):
		e.connect(s, packet[1:])
	case strings.HasPrefix(packet, "2"):
		e.event(s, packet[1:])
	default:
		e.t.Errorf("the flooder says %q", packet)
	}
}

// connect lets s in, and has it recover what it shows.
func (e *engine) connect(s *engineSession, auth string) {
	var shown struct{ Token, PID, Offset string }
	if auth != "" {
		if err := json.Unmarshal([]byte(auth), &shown); err != nil {
			e.t.Errorf("auth %s: %v", auth, err)
		}
	}
	e.token = e.token || shown.Token != ""
	if past := e.pasts[shown.PID]; past != nil && shown.Offset != "" {
		past.gone = true
		s.pid, s.rooms = past.pid, past.rooms
		from, err := strconv.Atoi(shown.Offset)
		if err != nil {
			e.t.Error(err)
		}
		for _, p := range e.log[from:] {
			if slices.Contains(s.rooms, p.room) {
				e.send(s, p.packet)
			}
		}
	}
	e.pasts[s.pid] = s
	e.send(s, fmt.Sprintf(`40{"sid":"socket of %s","pid":"%s"}`, s.id, s.pid))
	e.send(s, "2")
}

func (e *engine) event(s *engineSession, text string) {
	id, _, _ := strings.Cut(text, "[")
	var args []json.RawMessage
	if err := json.Unmarshal([]byte(text[len(id):]), &args); err != nil {
		e.t.Errorf("event %s: %v", text, err)
		return
	}
	var of struct {
		Room string
		Data json.RawMessage
	}
	switch string(args[0]) {
	case `"echo"`:
		e.send(s, "43"+id+"["+string(args[1])+"]")
		return
	case `"typing"`, `"history"`, `"flood"`: // it does not know them
		return
	}
	if err := json.Unmarshal(args[1], &of); err != nil {
		e.t.Errorf("event %s: %v", text, err)
	}
	switch string(args[0]) {
	case `"join"`:
		s.rooms = append(s.rooms, of.Room)
	case `"publish"`:
		e.publish(of.Room, string(of.Data))
	case `"presence"`:
		e.send(s, "43"+id+`[{"error":{"code":103,"message":"permission denied"}}]`)
		return
	default:
		e.t.Errorf("event %s", text)
	}
	e.send(s, "43"+id+`[{"ok":true}]`)
}

func (e *engine) publish(room, data string) {
	packet := fmt.Sprintf(`42["publication",{"room":"%s","data":%s},"%d"]`, room, data, len(e.log)+1)
	e.log = append(e.log, enginePublication{room, packet})
	for _, s := range e.sessions {
		if !s.gone && slices.Contains(s.rooms, room) {
			e.send(s, packet)
		}
	}
}

// busyMix does everything within a second.
func busyMix(t *testing.T) *Mix {
	t.Helper()
	m, err := ParseMix([]byte("rooms: 3\nclasses: [{name: a, share: 1, rooms: {min: 1, max: 2}, session: 400ms, away: 50ms, publish: 3, typing: 1, presence: 2, history: 1, rpc: 1}]"))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// The work of every scenario, in both of Socket.IO's transports, is all done and all accounted for.
func TestSocketIOScenarios(t *testing.T) {
	t.Parallel()
	const some = 300 * time.Millisecond
	for name, row := range map[string]struct {
		o    Options
		well func(r *Report) bool
	}{
		"idle": {Options{Scenario: Idle, PublishOnce: true, Message: 64, Personal: true, TokenSecret: "a secret of more than thirty-two bytes"},
			func(r *Report) bool { return r.Delivery.Received == 40 && r.Ready == 21 }},
		"echo":       {Options{Scenario: Echo, Duration: some, Pipeline: 2}, func(r *Report) bool { return r.Delivery.Received >= 40 }},
		"paced echo": {Options{Scenario: Echo, Duration: some, Rate: 200}, func(r *Report) bool { return r.Delivery.Received > 0 }},
		"fan-out":    {Options{Scenario: Fanout, Duration: some, Rate: 50, Publishers: 2}, func(r *Report) bool { return r.Delivery.Received > 0 }},
		"churn":      {Options{Scenario: Churn, Duration: some}, func(r *Report) bool { return r.Ready >= 20 }},
		"rude storm": {Options{Scenario: Storm, Rate: 50, Hold: some, Return: rude, Storms: 2},
			func(r *Report) bool { return r.Storms[0].Recovered == 20 && r.Storms[1].Recovered == 20 }},
		"polite storm": {Options{Scenario: Storm, Rate: 50, Hold: some, Drop: polite, Return: rude},
			func(r *Report) bool { return r.Storms[0].Recovered == 20 }},
		"slow":    {Options{Scenario: Slow, Rate: 50, Duration: some}, func(r *Report) bool { return r.Slow.Readers > 0 && r.Delivery.Received > 0 }},
		"trickle": {Options{Scenario: Slow, Rate: 50, Duration: some, Mode: trickle}, func(r *Report) bool { return r.Slow.Delivery.Received > 0 }},
		"mix": {Options{Scenario: Mixed, Mix: busyMix(t), Duration: time.Second},
			func(r *Report) bool {
				c := &r.Mix.Classes[0]
				return c.Lives > 20 && c.Left > 0 && c.Published > 0 && c.Deliveries > 0 && c.Refused > 0
			}},
		"soak": {Options{Scenario: Soak, Mix: busyMix(t), Duration: time.Second, Faults: 200 * time.Millisecond, FaultShare: 0.2},
			func(r *Report) bool { return r.Soak.Faults.Cuts > 0 && r.Mix.Classes[0].Deliveries > 0 }},
	} {
		for _, transport := range []Transport{WebSocket, Polling} {
			t.Run(name+" over "+string(transport), func(t *testing.T) {
				t.Parallel()
				e, o := newEngine(t), row.o
				secure := transport == Polling && (name == "idle" || name == "echo")
				o.Protocol, o.Transport, o.Targets = SocketIO, transport, []string{startEngine(t, e, secure)}
				if secure {
					o.Targets[0], o.Insecure = "wss://"+o.Targets[0], true
				}
				o.Connections, o.Loops, o.Drain, o.GiveUp = 20, 2, 2*time.Minute, 2*time.Minute
				if o.Scenario != Echo && o.Scenario != Mixed && o.Scenario != Soak {
					o.Rooms = 2
				}
				if o.Personal {
					o.Rooms = 1
				}
				r, err := Run(t.Context(), o)
				if err != nil {
					t.Fatal(err)
				}
				if r.Err() != nil || !row.well(r) || o.TokenSecret != "" && !e.token {
					t.Errorf("%v: %d ready, failures %v, closes %v, errors %v, delivery %+v", r.Err(), r.Ready, r.Failures, r.Closes, r.Errors, r.Delivery)
				}
			})
		}
	}
}

// A server that ends what it should not is told of.
func TestPollingRefused(t *testing.T) {
	t.Parallel()
	for says, serve := range map[string]http.HandlerFunc{
		`poll: HTTP status 400 "{\"code\":5}"`: func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"code":5}`)
		},
		"packet that is not expected":         func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "4") },
		"open: a session id of 0 bytes":       func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `0{"sid":""}`) },
		"closed by a packet":                  func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "1") },
		"poll: an answer that cannot be read": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusProcessing) },
		"poll: the server closes connections b": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "close")
			fmt.Fprint(w, "6")
		},
	} {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(serve)
			defer s.Close()
			ctx := t.Context()
			r, err := Run(ctx, Options{Scenario: Idle, Protocol: SocketIO, Transport: Polling, Targets: []string{s.Listener.Addr().String()}, Connections: 1, Loops: 1})
			if err != nil {
				t.Fatal(err)
			}
			found := r.Errors
			for label := range r.Failures {
				found[label]++
			}
			for label := range found {
				if strings.HasPrefix(label, says) {
					return
				}
			}
			t.Errorf("the report has %v; want %s", found, says)
		})
	}
}

func TestAppendChunks(t *testing.T) {
	for _, row := range []struct {
		in, want string
		n        int
		bad      bool
	}{
		{in: "3\r\nabc\r\n0\r\n\r\nrest", want: "abc", n: 13},
		{in: "1;x=y\r\na\r\n2\r\nbc\r\n0\r\n\r\n", want: "abc", n: 22},
		{in: "0\r\n\r\n", n: 5},
		{in: "3\r\nab"}, {in: "3\r"}, {in: ""}, {in: "3\r\nabc\r\n"}, {in: "0\r\n\r"},
		{in: "x\r\n", bad: true}, {in: "\r\n", bad: true}, {in: "3\r\nabcd\r\n", bad: true}, {in: "fffffffff\r\n", bad: true}, {in: "0\r\nX: y\r\n\r\n", bad: true},
	} {
		got, n, err := appendChunks(nil, []byte(row.in))
		if n != row.n || (err != nil) != row.bad || n > 0 && string(got) != row.want {
			t.Errorf("appendChunks(%q) = %q, %d, %v; want %q, %d", row.in, got, n, err, row.want, row.n)
		}
	}
}

func TestEnginePath(t *testing.T) {
	for from, want := range map[string]string{
		"":                            "/socket.io/?EIO=4&transport=polling",
		"/chat/":                      "/chat/?EIO=4&transport=polling",
		"/socket.io/?room=1":          "/socket.io/?room=1&EIO=4&transport=polling",
		"/x/?EIO=4&transport=polling": "/x/?EIO=4&transport=polling",
	} {
		if got := enginePath(from, Polling); got != want {
			t.Errorf("enginePath(%q) = %q; want %q", from, got, want)
		}
	}
}

func TestPartsOfPackets(t *testing.T) {
	for in, want := range map[string]string{
		`"f0"},"12-a"]`: "12-a", `"f0","3"]`: "3", `"f0"]`: "", `"f0"}]`: "", `"f0",3]`: "", ``: "", `]`: "", `"]`: "",
	} {
		if got := lastString([]byte(in)); string(got) != want {
			t.Errorf("lastString(%s) = %q; want %q", in, got, want)
		}
	}
	s := string(stamp{1, 2, 3}.appendTo(nil, 50))
	for in, want := range map[string]string{
		s: s, `["publication",{"room":"flood","data":` + s + `}]`: s + `}]`, `["f` + s: s, s[1:]: "", `"f`: "", "": "",
	} {
		if got := stampIn([]byte(in)); string(got) != want {
			t.Errorf("stampIn(%s) = %q; want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{`{"sid":"a","pid":"b"}`: "b", `{"pid":""}`: "", `{}`: "", `{"pid":"b`: ""} {
		if got := jsonField([]byte(in), "pid"); string(got) != want {
			t.Errorf("jsonField(%s) = %q; want %q", in, got, want)
		}
	}
}

// Events of other servers, in a namespace of their own.
func TestDialect(t *testing.T) {
	o := (&Options{Protocol: SocketIO, Namespace: "/chat", JoinEvent: `["subscribe","$room"]`, PublishEvent: `["say",$data,{"to":["$room"]}]`, EchoEvent: "ping"}).withDefaults()
	d, err := newDialect(&o)
	if err != nil {
		t.Fatal(err)
	}
	for want, form := range map[string]eventForm{
		`42/chat,7["subscribe","r"]`:      d.join,
		`42/chat,7["say",1,{"to":["r"]}]`: d.publish,
		`42/chat,7["ping",1]`:             d.echo,
	} {
		if got := d.appendEvent(nil, 7, form, []byte("r"), []byte("1")); string(got) != want {
			t.Errorf("appendEvent = %s; want %s", got, want)
		}
	}
}

// What comes back from a server that only echoes is all that there is in any scenario.
func TestEchoScenarios(t *testing.T) {
	t.Parallel()
	b := buildBaseline(t)
	const some = 200 * time.Millisecond
	for name, row := range map[string]struct {
		o    Options
		well func(r *Report) bool
	}{
		"idle":    {Options{Scenario: Idle, PublishOnce: true, Message: 64}, func(r *Report) bool { return r.Delivery.Received == 40 && r.Ready == 20 }},
		"fan-out": {Options{Scenario: Fanout, Duration: some, Rate: 400}, func(r *Report) bool { return r.Delivery.Received > 0 && r.Ready == 20 }},
		"churn":   {Options{Scenario: Churn, Duration: some}, func(r *Report) bool { return r.Measured.Count > 0 }},
		"storm": {Options{Scenario: Storm, Rate: 400, Hold: some, Return: rude},
			func(r *Report) bool { return r.Storms[0].Without == 20 && r.Delivery.Received >= 20 }},
		"slow": {Options{Scenario: Slow, Rate: 400, Duration: some}, func(r *Report) bool { return r.Slow.Readers > 0 && r.Delivery.Received > 0 }},
		"mix": {Options{Scenario: Mixed, Mix: busyMix(t), Duration: time.Second},
			func(r *Report) bool { return r.Mix.Classes[0].Published > 0 && r.Mix.Classes[0].Left > 0 }},
		"soak": {Options{Scenario: Soak, Mix: busyMix(t), Duration: time.Second, Faults: 200 * time.Millisecond, FaultShare: 0.2},
			func(r *Report) bool { return r.Soak.Faults.Cuts > 0 && r.Mix.Classes[0].Deliveries > 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := row.o
			address, _ := b.start(t, 1)
			o.Protocol, o.Targets, o.Connections, o.Loops, o.Drain, o.GiveUp = EchoProtocol, []string{address}, 20, 2, 2*time.Minute, 2*time.Minute
			r, err := Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if r.Err() != nil || !row.well(r) {
				t.Errorf("%v: %d ready, failures %v, closes %v, errors %v, delivery %+v", r.Err(), r.Ready, r.Failures, r.Closes, r.Errors, r.Delivery)
			}
		})
	}
}

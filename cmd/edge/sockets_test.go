package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/golang-jwt/jwt/v5"
)

// socketClient is a client of Socket.IO's, in one namespace, that speaks by hand.
type socketClient struct {
	t    *testing.T
	conn io.ReadWriter
	past []string // packets that have come and not been looked at
	acks int
}

// socket opens a session by WebSocket, which is in no namespace yet.
func (s *serving) socket(t *testing.T) *socketClient {
	t.Helper()
	conn, early, _, err := ws.Dial(t.Context(), "ws://"+s.Addresses[0]+"/socket.io/?EIO=4&transport=websocket")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	c := &socketClient{t: t, conn: conn}
	if early != nil { // the server speaks first
		c.conn = struct {
			io.Reader
			io.Writer
		}{early, conn}
	}
	c.expect(`^0\{"sid":"`)
	return c
}

// say sends a packet.
func (c *socketClient) say(packet string) {
	c.t.Helper()
	if err := wsutil.WriteClientText(c.conn, []byte(packet)); err != nil {
		c.t.Fatal(err)
	}
}

// read returns the next packet that is no ping; false at the end.
func (c *socketClient) read() (string, bool) {
	for {
		text, err := wsutil.ReadServerText(c.conn)
		if err != nil {
			return err.Error(), false
		}
		if string(text) != "2" {
			return string(text), true
		}
		c.say("3")
	}
}

// expect reads on until a packet matches, and returns it. Packets before it wait for later.
func (c *socketClient) expect(pattern string) string {
	c.t.Helper()
	is := regexp.MustCompile(pattern).MatchString
	if i := slices.IndexFunc(c.past, is); i >= 0 {
		found := c.past[i]
		c.past = slices.Delete(c.past, i, i+1)
		return found
	}
	for {
		packet, ok := c.read()
		if !ok {
			c.t.Fatalf("%s before %s; heard %q", packet, pattern, c.past)
		}
		if is(packet) {
			return packet
		}
		c.past = append(c.past, packet)
	}
}

// ended reads to the end.
func (c *socketClient) ended() {
	c.t.Helper()
	for {
		packet, ok := c.read()
		if !ok {
			if strings.Contains(packet, "timeout") {
				c.t.Fatalf("%s; heard %q; want the end", packet, c.past)
			}
			return
		}
		c.past = append(c.past, packet)
	}
}

// ask emits an event in "/" and returns its acknowledgement, a list.
func (c *socketClient) ask(event string) string {
	c.t.Helper()
	c.acks++
	c.say(fmt.Sprintf("42%d%s", c.acks, event))
	head := fmt.Sprintf("43%d[", c.acks)
	return c.expect("^" + regexp.QuoteMeta(head))[len(head)-1:]
}

// chatOnly is a chat by configuration alone.
const chatOnly = `
socketio: { enabled: true }
client:
  anonymous: { enabled: true }
  expired_close_delay: 0s
  token: { hmac_secret_key: 0123456789abcdef0123456789abcdef }
api: { key: k }
room:
  without_namespace:
    presence: true
    history_size: 10
    history_ttl: 1h
    allow_subscribe_for_client: true
    allow_subscribe_for_anonymous: true
    allow_publish_for_subscriber: true
    allow_publish_for_anonymous: true
    allow_presence_for_subscriber: true
    allow_presence_for_anonymous: true
    allow_history_for_subscriber: true
`

// userToken returns a token of a user's.
func userToken(t *testing.T, claims jwt.MapClaims) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestChatByConfigurationAlone(t *testing.T) {
	s := start(t, "--loops=2", "--config", configFile(t, chatOnly))
	ann := s.socket(t)
	ann.say(`40{"token":"` + userToken(t, jwt.MapClaims{"sub": "ann", "info": map[string]string{"name": "Ann"}}) + `"}`)
	ann.expect(`^40\{"sid":"`)
	joined := ann.ask(`["join",{"room":"lobby"}]`)
	if !strings.HasPrefix(joined, `[{"ok":true,"client":"`) || !strings.HasSuffix(joined, `","user":"ann"}]`) {
		t.Errorf("join is answered %s", joined)
	}

	guest := s.socket(t)
	guest.say(`40`)
	guest.expect(`^40\{"sid":"`)
	for event, want := range map[string]string{
		`["publish",{"room":"lobby","data":1}]`: `[{"error":{"code":103,"message":"permission denied"}}]`, // not in the room
		`["presence","lobby"]`:                  `[{"error":{"code":103,"message":"permission denied"}}]`,
		`["join","news:lobby"]`:                 `[{"error":{"code":102,"message":"unknown channel"}}]`,
		`["join","$lobby"]`:                     `[{"error":{"code":103,"message":"permission denied"}}]`,
		`["typing","lobby"]`:                    `[{"error":{"code":103,"message":"permission denied"}}]`,
		`["join",{}]`:                           `[{"error":{"code":107,"message":"bad request"}}]`,
	} {
		if got := guest.ask(event); got != want {
			t.Errorf("%s is answered %s; want %s", event, got, want)
		}
	}
	guest.ask(`["join","lobby"]`)

	if got := ann.ask(`["publish",{"room":"lobby","data":{"text":"hello"}}]`); !strings.HasPrefix(got, `[{"ok":true,"offset":1,"epoch":"`) {
		t.Errorf("publish is answered %s", got)
	}
	heard := guest.expect(`^42\["publication",\{"text":"hello"\},\{`)
	for _, part := range []string{`"room":"lobby"`, `"offset":1`, `"user":"ann"`, `"info":{"name":"Ann"}`} {
		if !strings.Contains(heard, part) {
			t.Errorf("a publication arrives as %s; want %s in it", heard, part)
		}
	}
	ann.ask(`["publish",{"room":"lobby","data":"hi","event":"greeting"}]`)
	guest.expect(`^42\["greeting","hi"\]$`)
	ann.ask(`["typing","lobby"]`)
	guest.expect(`^42\["typing",\{"typing":true\},\{.*"user":"ann"`)

	if got := guest.ask(`["presence","lobby"]`); strings.Count(got, `"client":"`) != 2 || !strings.Contains(got, `"user":"ann"`) {
		t.Errorf("presence is answered %s", got)
	}
	if got := guest.ask(`["history",{"room":"lobby","limit":-1}]`); got != `[{"error":{"code":103,"message":"permission denied"}}]` {
		t.Errorf("history is answered %s to one without a user", got)
	}
	past := ann.ask(`["history",{"room":"lobby","limit":-1}]`)
	if !strings.Contains(past, `"publications":[{"data":{"text":"hello"},"info":{"user":"ann",`) || !strings.Contains(past, `,"offset":2,"epoch":"`) {
		t.Errorf("history is answered %s", past)
	}
	guest.ask(`["leave","lobby"]`)
	if got := ann.ask(`["presence","lobby"]`); strings.Count(got, `"client":"`) != 1 {
		t.Errorf("presence is answered %s after one has left", got)
	}

	// Clients of the other protocol are in the same room.
	other := s.connect(t)
	other.ask(`{"id":2,"subscribe":{"channel":"lobby"}}`)
	ann.ask(`["publish",{"room":"lobby","data":{"text":"all"}}]`)
	if got, err := wsutil.ReadServerText(other.conn); err != nil || !strings.Contains(string(got), `"pub":{"data":{"text":"all"},"info":{"user":"ann",`) {
		t.Errorf("another client reads %s, %v", got, err)
	}
	s.term(t)
}

func TestTokensOfSockets(t *testing.T) {
	s := start(t, "--loops=2", "--config", configFile(t, chatOnly))
	for auth, want := range map[string]string{
		`{"token":"x"}`: `^44\{"message":"invalid token","data":\{"code":3500,"message":"invalid token"\}\}$`,
		`{"token":"` + userToken(t, jwt.MapClaims{"sub": "ann", "exp": 1}) + `"}`: `^44\{"message":"token expired","data":\{"code":109,"message":"token expired"\}\}$`,
		`{"token":1}`: `^44\{"message":"bad request","data":\{"code":107,"message":"bad request"\}\}$`,
	} {
		c := s.socket(t)
		c.say("40" + auth)
		c.expect(want)
	}

	// The end of a token ends its socket, and so does its revocation.
	short := s.socket(t)
	short.say(`40{"token":"` + userToken(t, jwt.MapClaims{"sub": "ann", "exp": time.Now().Add(3 * time.Second).Unix()}) + `"}`)
	short.expect(`^40\{`)
	revoked := s.socket(t)
	revoked.say(`40{"token":"` + userToken(t, jwt.MapClaims{"sub": "bob", "jti": "t1"}) + `"}`)
	revoked.expect(`^40\{`)
	s.api(t, "revoke", `{"jti":"t1"}`)
	revoked.ended()
	if slices.Contains(revoked.past, "41") {
		t.Errorf("who is to come back with another token read %q; want no DISCONNECT", revoked.past)
	}
	short.ended()

	gone := s.socket(t)
	gone.say(`40{"token":"` + userToken(t, jwt.MapClaims{"sub": "carol"}) + `"}`)
	gone.expect(`^40\{`)
	s.api(t, "disconnect", `{"user":"carol"}`)
	gone.ended()
	if !slices.Contains(gone.past, "41") {
		t.Errorf("who is to stay away read %q; want DISCONNECT", gone.past)
	}
	s.term(t)
}

// api calls a method of the HTTP API.
func (s *serving) api(t *testing.T, method, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.Internal+"/api/"+method, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-API-Key", "k")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK || strings.Contains(string(text), `"error"`) {
		t.Fatalf("%s is answered %d %s, %v", method, answer.StatusCode, text, err)
	}
}

// A backend hears of sockets, and says what is emitted.
func TestBackendsServeSockets(t *testing.T) {
	type news struct {
		Client, User, Namespace, Event, Reason string
		Data, Args                             json.RawMessage
		Ack                                    bool
		Rooms                                  []string
	}
	gone := make(chan news, 8)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var n news
		if err := json.NewDecoder(r.Body).Decode(&n); err != nil {
			t.Error(err)
		}
		switch {
		case r.URL.Path == "/gone":
			gone <- n
		case r.URL.Path == "/who" && strings.Contains(string(n.Data), "wrong"):
			_, _ = io.WriteString(w, `{"error":{"code":401,"message":"who are you"}}`)
		case r.URL.Path == "/who":
			_, _ = io.WriteString(w, `{"result":{"user":"ann","joins":["lobby"],"emits":[{"to":["`+n.Client+`"],"event":"welcome","args":[`+string(n.Data)+`]}]}}`)
		case n.Event == "say":
			_, _ = fmt.Fprintf(w, `{"result":{"ack":["fine",%v],"emits":[{"to":["lobby"],"event":"said","args":[%q,%s]}]}}`, n.Ack, n.User, n.Args)
		case n.Event == "binary":
			_, _ = io.WriteString(w, `{"result":{"ack":[{"_placeholder":true,"num":0}],"attachments":["AP8="]}}`)
		case n.Event == "no":
			_, _ = io.WriteString(w, `{"error":{"code":400,"message":"not so"}}`)
		case n.Event == "broken":
			w.WriteHeader(http.StatusInternalServerError)
		default:
			_, _ = io.WriteString(w, `{"result":{"disconnect":true}}`)
		}
	}))
	defer backend.Close()
	endpoint := func(path string) string { return "{url: '" + backend.URL + path + "', timeout: 1m}" }
	s := start(t, "--loops=2", "--config", configFile(t, "socketio: {enabled: true, rooms_as_channels: []}\nhooks: {socket_connect: "+endpoint("/who")+
		", socket_event: "+endpoint("/do")+", socket_disconnect: "+endpoint("/gone")+"}"))
	if log := s.past.String(); strings.Contains(log, "no client may connect") {
		t.Errorf("with a hook that lets sockets in the log says %s", log)
	}

	stranger := s.socket(t)
	stranger.say(`40{"wrong":1}`)
	stranger.expect(`^44\{"message":"who are you","data":\{"code":401,"message":"who are you"\}\}$`)

	c := s.socket(t)
	c.say(`40{"a":1}`)
	c.expect(`^40\{"sid":"`)
	c.expect(`^42\["welcome",\{"a":1\}\]$`)
	for event, want := range map[string]string{
		`["say","hello",{"x":[1]}]`: `["fine",true]`,
		`["no"]`:                    `[{"error":{"code":400,"message":"not so"}}]`,
		`["broken"]`:                `[{"error":{"code":100,"message":"internal server error"}}]`,
	} {
		if got := c.ask(event); got != want {
			t.Errorf("%s is answered %s; want %s", event, got, want)
		}
	}
	c.expect(`^42\["said","ann",\["hello",\{"x":\[1\]\}\]\]$`)
	c.say(`429["binary"]`)
	c.expect(`^461-9\[\{"_placeholder":true,"num":0\}\]$`)
	if data, err := wsutil.ReadServerBinary(c.conn); err != nil || string(data) != "\x00\xff" {
		t.Errorf("then %q, %v; want its two bytes", data, err)
	}
	c.say(`42["bye"]`)
	c.expect(`^41$`)
	n := <-gone
	if n.User != "ann" || n.Namespace != "/" || n.Reason != "server namespace disconnect" || !slices.Equal(n.Rooms, []string{"lobby"}) {
		t.Errorf("the backend is told %+v", n)
	}
	s.term(t)
}

package server

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/auth"
	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/protocol"
)

// signed puts a token together as nobody who follows the standard would.
func signed(secret, head, claims string) string {
	text := base64.RawURLEncoding.EncodeToString([]byte(head)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = io.WriteString(mac, text) // to memory
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// hostile is a token that lets nobody in.
type hostile struct{ rule, token string }

// answer is what its client is told: of one whose time has not come the same as of one whose time is over, that another
// may do.
func (h *hostile) answer() string {
	if strings.HasPrefix(h.rule, "A10 a time") {
		return `{"id":1,"error":{"code":109,"message":"token expired"}}`
	}
	return "close 3500"
}

// code is the number in its answer.
func (h *hostile) code() string {
	if code, closes := strings.CutPrefix(h.answer(), "close "); closes {
		return code
	}
	return "109"
}

func hostileTokens(t *testing.T) []hostile {
	const ann = `{"sub":"ann"}`
	good := tokenOf(t, auth.ConnectClaims{Identity: user("ann", 0)})
	unsigned := good[:strings.LastIndexByte(good, '.')+1]
	head := func(more string) string { return `{"alg":"HS256","typ":"JWT"` + more + `}` }
	return []hostile{
		{"A05 alg none", signed(signer.Secret, `{"alg":"none"}`, ann)},
		{"A05 alg none without a signature", base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(ann)) + "."},
		{"A05 no alg", signed(signer.Secret, `{"typ":"JWT"}`, ann)},
		{"A05 alg in small letters", signed(signer.Secret, `{"alg":"hs256"}`, ann)},
		{"A05 the signature left out", unsigned},
		{"A06 another algorithm under the secret", signed(signer.Secret, `{"alg":"RS256"}`, ann)},
		{"A07 a key of the token's own", signed("mine", head(`,"jwk":{"kty":"oct","k":"bWluZQ"}`), ann)},
		{"A07 a key behind an address", signed("mine", head(`,"jku":"http://127.0.0.1:1/keys","x5u":"http://127.0.0.1:1/cert"`), ann)},
		{"A07 a key's name that is a path", signed("", head(`,"kid":"../../../../dev/null"`), ann)},
		{"A11 expired and badly signed", signed("mine", head(""), `{"sub":"ann","exp":1}`)},
		{"A12 nothing but dots", strings.Repeat(".", 50_000)},
		{"A12 a long head", signed(signer.Secret, head(`,"x":"`+strings.Repeat("x", 40_000)+`"`), ann)},
		{"A10 a time that is over", signed(signer.Secret, head(""), `{"sub":"ann","exp":1}`)},
		{"A10 a time that has not come", signed(signer.Secret, head(""), `{"sub":"ann","nbf":99999999999}`)},
		{"A10 a claim of the wrong kind", signed(signer.Secret, head(""), `{"sub":7}`)},
	}
}

// One gate for all ways in: whatever a client speaks and however it asks, tokens are held against the same rules.
func TestAttackTokens(t *testing.T) {
	n := openKeyed(t, func(c *Config) { c.SSE, c.HTTPStream = true, true })
	for _, r := range hostileTokens(t) {
		n.attack(r.rule, metrics.RejectToken, 1, func(t *testing.T) {
			c, got := n.enter(r.token)
			defer c.close()
			if want := r.answer(); got != want {
				t.Errorf("%.80s: %s; want %s", r.token, got, want)
			}
		})
	}
	for _, r := range hostileTokens(t) {
		n.attackStreams(r.rule, join(r.token), r.token, r.code(), metrics.RejectToken)
	}
	n.attackStreams("A15 no token", hello, "", "3501", metrics.RejectNoToken)
	for _, way := range []struct {
		rule, target string
		fields       []string
		protobuf     bool
	}{
		{"JSON", pathWebSocket, nil, false},
		{"JSON as subprotocol", pathWebSocket, []string{"Sec-WebSocket-Protocol: centrifuge-json"}, false},
		{"compressed JSON", pathWebSocket, []string{offerDeflate}, false},
		{"pings of WebSocket", pathWebSocket + "?cf_ws_frame_ping_pong=true", nil, false},
		{"protobuf as subprotocol", pathWebSocket, []string{"Sec-WebSocket-Protocol: centrifuge-protobuf"}, true},
		{"protobuf by query", pathWebSocket + "?format=protobuf", nil, true},
		{"protobuf by the other query", pathWebSocket + "?cf_protocol=protobuf", nil, true},
	} {
		for _, token := range []struct {
			what, token string
			want        string
			reject      metrics.Rejection
		}{
			{"no token", "", "close 3501", metrics.RejectNoToken},
			{"a forged token", signed("mine", `{"alg":"HS256"}`, `{"sub":"ann"}`), "close 3500", metrics.RejectToken},
		} {
			n.attack("A15 "+token.what+", "+way.rule, token.reject, 1, func(t *testing.T) {
				c := n.open(way.target, way.fields...)
				defer c.close()
				c.send(connectFrame(way.protobuf, token.token))
				if got := c.next(); got != token.want {
					t.Errorf("%s; want %s", got, token.want)
				}
			})
		}
	}
}

// attackStreams tries a connect command on each stream, and its token on the one of those who know no protocol. All are refused with
// a code, or have a request that is too large.
func (n *node) attackStreams(rule, connect, token, code string, why metrics.Rejection) {
	sends := map[string]string{"events": plain("GET", pathSSE+"?room=a&token="+url.QueryEscape(token))}
	for _, k := range streamKinds {
		sends[k.name] = k.open(nil, connect)
	}
	for name, send := range sends {
		if target, _, _ := strings.Cut(send, "\r\n"); len(target) > headLimits.Target {
			n.attack(rule+", "+name, metrics.RejectTooLarge, 1, func(t *testing.T) {
				c := n.dial()
				defer c.close()
				c.send([]byte(send))
				if got := c.response(); got.StatusCode != http.StatusRequestURITooLong {
					t.Errorf("status %d; want 414", got.StatusCode)
				}
			})
			continue
		}
		n.attack(rule+", "+name, why, 1, func(t *testing.T) {
			s := n.stream(send)
			defer s.close()
			if got := s.message(); !strings.Contains(got, `"code":`+code+`,`) {
				t.Errorf("%s; want %s", got, code)
			}
		})
	}
}

// connectFrame is a frame with a connect command in either encoding.
func connectFrame(inProtobuf bool, token string) []byte {
	if !inProtobuf {
		return masked(0x81, join(token))
	}
	return masked(0x82, string(protocol.Protobuf.AppendConnect(nil, 1, &protocol.ConnectRequest{Token: []byte(token)})))
}

// Who is not let in before the first command is not let in behind it either.
func TestAttackFirstCommands(t *testing.T) {
	n := openNode(t, nil)
	ok := []string{connected}
	n.runTalks("", []talk{
		{"A17 headers within a connect are nobody's headers", []string{`{"id":1,"connect":{"headers":{"X-Forwarded-For":"1.2.3.4","Origin":"https://evil.example","Authorization":"x"}}}`}, ok, nil, "", none},
		{"A18 a second connect", []string{hello, `{"id":2,"connect":{}}`}, ok, nil, bad, metrics.RejectCommand},
		{"A18 a second connect with a token", []string{hello, `{"id":2,"connect":{"token":"x"}}`}, ok, nil, bad, metrics.RejectCommand},
		{"A18 a command before connect", []string{subscribe(1, "a")}, nil, nil, bad, metrics.RejectCommand},
		{"A18 a publication before connect", []string{publish(1, "a", "1") + "\n" + hello}, nil, nil, bad, metrics.RejectCommand},
	})
	n.runTalks(hello, []talk{
		{"P02 a publication without a room", []string{publish(2, "", "1")}, nil, nil, bad, metrics.RejectCommand},
		{"P01 no room has a pattern's members", []string{subscribe(2, "tenant:*"), publish(3, "tenant:a", "1"), publish(4, "tenant:*", "2")},
			[]string{subscribed(2), published(3), published(4)}, []string{pushOf("tenant:*", "2")}, "", none},
	})
}

// openTenants opens a node whose rooms nobody enters without a right.
func openTenants(t *testing.T) *node {
	t.Helper()
	return openKeyed(t, func(c *Config) {
		options := RoomOptions{Presence: true, HistorySize: 5, HistoryTTL: time.Minute, AllowUserLimitedChannels: true}
		c.Rooms.WithoutNamespace = options
		c.Rooms.Namespaces = []Namespace{{"tenant", options}}
	})
}

// Of a room that is not one's own nobody learns anything, not even whether there is one.
func TestAttackForeignRooms(t *testing.T) {
	n := openTenants(t)
	const denied = `{"id":2,"error":{"code":103,"message":"permission denied"}}`
	caps, err := auth.ParseCapabilities(`[{"channels":["tenant:*"],"match":"wildcard","allow":["sub","prs","hst"]}]`)
	if err != nil {
		t.Fatal(err)
	}
	bob, _ := n.enter(tokenOf(t, auth.ConnectClaims{Identity: user("bob", 0), Capabilities: caps, Subs: []auth.Sub{{Channel: "$theirs"}, {Channel: "tenant:b"}}}))
	defer bob.close()
	n.mustPublish("$theirs", `"secret"`, PublishOptions{})
	for _, room := range []string{"$theirs", "$nobodys", "tenant:b", "tenant:nobodys", "to#bob", "to#nobody", "*", "tenant:*", "$*"} {
		for _, r := range []struct{ rule, send string }{
			{"P03 subscribe to ", subscribe(2, room)},
			{"P04 publish to ", publish(2, room, "1")},
			{"P07 presence of ", fmt.Sprintf(`{"id":2,"presence":{"channel":%q}}`, room)},
			{"P07 numbers of ", fmt.Sprintf(`{"id":2,"presence_stats":{"channel":%q}}`, room)},
			{"P07 history of ", fmt.Sprintf(`{"id":2,"history":{"channel":%q,"limit":-1}}`, room)},
		} {
			n.attack(r.rule+room, none, 0, func(t *testing.T) {
				c, _ := n.enter(tokenOf(t, auth.ConnectClaims{Identity: user("ann", 0)}))
				defer c.close()
				c.say(r.send)
				if got, _ := c.nextText(); got != denied {
					t.Errorf("%s; want %s", got, denied)
				}
			})
		}
	}
}

// Presence tells others who is there, and neither how they came in nor from where.
func TestP07PresenceHasNoSecrets(t *testing.T) {
	n := openTenants(t)
	caps, err := auth.ParseCapabilities(`[{"channels":["a"],"allow":["sub","prs"]}]`)
	if err != nil {
		t.Fatal(err)
	}
	token := tokenOf(t, auth.ConnectClaims{Identity: user("ann", time.Hour), Info: []byte(`{"name":"Ann"}`), Capabilities: caps})
	c, _ := n.enter(token)
	defer c.close()
	c.say(subscribe(2, "a") + "\n" + `{"id":3,"presence":{"channel":"a"}}`)
	got := c.hear(2, 0, false).replies
	want := `{"id":3,"presence":{"presence":{"ID":{"user":"ann","client":"ID","conn_info":{"name":"Ann"}}}}}`
	if len(got) != 2 || got[1] != want {
		t.Errorf("presence = %q; want %s", got, want)
	}
}

// A large room's presence is bounded, and its numbers are whole.
func TestP08PresenceOfALargeRoom(t *testing.T) {
	const members = maxPresent + 5
	n := openNode(t, func(c *Config) { c.Rooms.WithoutNamespace = RoomOptions{Presence: true} })
	n.attack("P08 presence of a large room", none, 0, func(t *testing.T) {
		var all []*client
		for range members {
			all = append(all, n.member("room"))
		}
		c := all[0]
		c.say(`{"id":3,"presence":{"channel":"room"}}`)
		f, end := c.frame()
		if got := len(uuid.FindAll(f.Payload, -1)); got != 2*maxPresent {
			t.Errorf("presence of %d names %d clients%s; want %d", members, got/2, end, maxPresent)
		}
		c.say(`{"id":4,"presence_stats":{"channel":"room"}}`)
		if got, _ := c.nextText(); got != fmt.Sprintf(`{"id":4,"presence_stats":{"num_clients":%d,"num_users":1}}`, members) {
			t.Errorf("presence_stats = %s", got)
		}
		for _, c := range all {
			c.close()
		}
	})
}

// A position that a client makes up is none: it is told so, and nobody searches for it.
func TestAttackPositions(t *testing.T) {
	n := openNode(t, func(c *Config) {
		c.Rooms.WithoutNamespace = RoomOptions{HistorySize: 400, HistoryTTL: time.Hour, ForceRecovery: true}
	})
	const publications = 350
	for i := range publications {
		n.mustPublish("past", fmt.Sprint(i), PublishOptions{})
	}
	top := n.mustPublish("past", `"top"`, PublishOptions{})
	recover := func(offset, epoch string) string {
		return fmt.Sprintf(`{"id":2,"subscribe":{"channel":"past","recover":true,"offset":%s,"epoch":%q}}`, offset, epoch)
	}
	for _, r := range []struct {
		rule, send string
		recovered  bool
	}{
		{"P09 the position itself", recover(fmt.Sprint(top.Offset), top.Epoch), true},
		{"P09 an offset beyond the top", recover(fmt.Sprint(top.Offset+1), top.Epoch), false},
		{"P09 the largest offset", recover("18446744073709551615", top.Epoch), false},
		{"P09 the largest signed offset", recover("9223372036854775808", top.Epoch), false},
		{"P09 another epoch", recover(fmt.Sprint(top.Offset), "abcd"), false},
		{"P09 no epoch, which stands for any", recover(fmt.Sprint(top.Offset), ""), true},
		{"P09 no epoch and an offset beyond the top", recover(fmt.Sprint(top.Offset+1), ""), false},
		{"P09 an epoch that is none", recover(fmt.Sprint(top.Offset), strings.Repeat("Z", 200)), false},
		{"P09 more than may be recovered", recover("1", top.Epoch), false},
		{"P09 as much as may be recovered", recover(fmt.Sprint(top.Offset-maxRecovered), top.Epoch), true},
	} {
		n.attack(r.rule, none, 0, func(t *testing.T) {
			c, _ := n.connect(pathWebSocket)
			defer c.close()
			c.say(r.send)
			got, _ := c.nextText()
			if !strings.HasPrefix(got, `{"id":2,"subscribe":{`) || strings.Contains(got, `"recovered":true`) != r.recovered {
				t.Errorf("%s: %.200s; want recovered %t", r.send, got, r.recovered)
			}
		})
	}
}

// What is meant for one conn reaches nobody else: not its room, not its user's other conns.
func TestP10RepliesAreOnesOwn(t *testing.T) {
	n := openNode(t, func(c *Config) {
		c.Loops = 2
		c.Handler.Connect = func(*ConnectRequest) (ConnectReply, error) { return ConnectReply{User: "ann"}, nil }
		c.Handler.RPC = func(Client, *RPCRequest) ([]byte, error) { return []byte(`"for you alone"`), nil }
		c.Handler.Subscribe = func(Client, *SubscribeRequest) (SubscribeReply, error) { return SubscribeReply{}, nil }
		c.Handler.Publish = func(Client, *PublishRequest) (PublishReply, error) { return PublishReply{}, nil }
	})
	others := []*client{n.member("room"), n.member("room"), n.member("room")}
	asker := n.member("room")
	defer asker.close()
	asker.say(rpc(3, "1") + "\n" + `{"id":4,"history":{"channel":"room"}}` + "\n" + subscribe(5, "room") + "\n" + unsubscribe(6, "nowhere") + "\n" + publish(7, "room", `"for all"`))
	asker.hear(5, 1, false)
	for _, c := range others {
		if got, _ := c.nextText(); !strings.HasPrefix(got, `{"push":{"channel":"room","pub":{"data":"for all"`) {
			t.Errorf("another conn got %s", got)
		}
		c.say(unsubscribe(3, "nowhere"))
		if got, _ := c.nextText(); got != unsubscribed(3) {
			t.Errorf("another conn got %s", got)
		}
		c.close()
	}
	n.checkNeighbour()
}

// An application that ends, moves and publishes from within a publication to the very room finds nothing in pieces. The
// publication of one whom it has ended is none.
func TestP11HandlerWithinAPublication(t *testing.T) {
	var node *Server
	n := openNode(t, func(c *Config) {
		c.Handler.Start = func(s *Server) { node = s }
		c.Handler.Publish = func(who Client, r *PublishRequest) (PublishReply, error) {
			if string(r.Data) != `"go"` {
				return PublishReply{}, nil
			}
			ctx := t.Context()
			for _, err := range []error{
				node.Unsubscribe(ctx, Target{Client: who.ID}, r.Room),
				node.Subscribe(ctx, Target{}, Subscription{Room: "another"}),
				publishTo(node, t, "room", `"from within"`),
				publishTo(node, t, "another", `"and elsewhere"`),
				node.Disconnect(ctx, Target{Client: who.ID}, Disconnect{Code: 4001, Reason: "gone"}),
			} {
				if err != nil {
					return PublishReply{}, err
				}
			}
			return PublishReply{}, nil
		}
	})
	n.attack("P11 an end from within", none, 0, func(t *testing.T) {
		publisher, member := n.member("room"), n.member("room")
		defer member.close()
		publisher.say(publish(3, "room", `"go"`))
		if all := publisher.rest(); len(all) == 0 || all[len(all)-1] != "close 4001" {
			t.Errorf("the publisher got %q", all)
		}
		publisher.close()
		heard := member.hear(0, 3, false).pushes
		if len(heard) != 3 {
			t.Fatalf("the member heard %q", heard)
		}
		for i, part := range []string{`"subscribe":`, "from within", "and elsewhere"} {
			if !strings.Contains(heard[i], part) {
				t.Errorf("the member heard %q; want %s", heard, part)
			}
		}
	})
}

func publishTo(s *Server, t *testing.T, room, data string) error {
	_, err := s.Publish(t.Context(), room, []byte(data), PublishOptions{})
	return err
}

// Who has been taken out of a room gets nothing more of it, also if it waits for it already.
func TestP04AfterAKick(t *testing.T) {
	n := openNode(t, nil)
	n.attack("P04 after a kick", none, 0, func(t *testing.T) {
		c := n.member("room")
		defer c.close()
		n.mustPublish("room", "1", PublishOptions{})
		if err := n.Unsubscribe(t.Context(), Target{}, "room"); err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			n.mustPublish("room", fmt.Sprint(i+2), PublishOptions{})
		}
		c.say(unsubscribe(3, "nowhere"))
		h := c.hear(1, 0, false)
		after := ""
		for _, push := range h.pushes {
			if strings.Contains(push, `"unsubscribe"`) {
				after = push
			} else if after != "" {
				t.Errorf("%s came after %s", push, after)
			}
		}
		if after == "" {
			t.Errorf("heard %q; want to hear of the end", h)
		}
	})
}

// What ends while a client is there ends for it: its token's time, and its user's welcome.
func TestA13TokensThatEnd(t *testing.T) {
	t.Parallel() // it waits for times
	n := openKeyed(t, func(c *Config) { c.HTTPStream = true })
	n.attack("A13 a token that expires", metrics.RejectExpired, 1, func(t *testing.T) {
		c, _ := n.enter(tokenOf(t, auth.ConnectClaims{Identity: endsSoon("ann")}))
		defer c.close()
		if got := c.next(); got != "close 3005" {
			t.Errorf("%s; want close 3005", got)
		}
	})
	n.attack("A13 a token that expires, of a stream", metrics.RejectExpired, 1, func(t *testing.T) {
		s := n.stream(httpStream(nil, join(tokenOf(t, auth.ConnectClaims{Identity: endsSoon("eve")})))).begin()
		defer s.close()
		if got := s.message(); !strings.Contains(got, `"code":3005,`) {
			t.Errorf("%s; want 3005", got)
		}
	})
	n.attack("A13 a user who is revoked", metrics.RejectToken, 1, func(t *testing.T) {
		token := tokenOf(t, auth.ConnectClaims{Identity: auth.Identity{User: "bob", Issued: time.Now().Add(-time.Minute)}})
		c, _ := n.enter(token)
		c.close()
		if err := n.revoked.User("bob", time.Now(), time.Now().Add(time.Hour), time.Now()); err != nil {
			t.Fatal(err)
		}
		c, got := n.enter(token)
		defer c.close()
		if got != "close 3500" {
			t.Errorf("%s; want close 3500", got)
		}
	})
}

// A client's id says nothing, is nobody else's, and is worth nothing elsewhere.
func TestA14ForeignIDs(t *testing.T) {
	n, other := openKeyed(t, nil), newClientIDs()
	var space scratch
	seen := map[string]bool{}
	for conn := range uint64(10_000) {
		id := n.ids.append(nil, &space, conn)
		if seen[string(id)] {
			t.Fatalf("two conns have the id %s", id)
		}
		seen[string(id)] = true
		if got, ok := other.parse(&space, id); ok && got < 1<<32 {
			t.Fatalf("the id %s is that of conn %d in another process", id, got)
		}
		id[len(id)-1] ^= 1
		if got, ok := n.ids.parse(&space, id); ok && got < 1<<32 {
			t.Fatalf("the id %s, made up from another, is that of conn %d", id, got)
		}
	}
	n.attack("A14 a subscription token of another client", metrics.RejectToken, 1, func(t *testing.T) {
		ann, reply := n.enter(tokenOf(t, auth.ConnectClaims{Identity: user("ann", 0)}))
		defer ann.close()
		if !strings.HasPrefix(reply, `{"id":1,"connect":`) {
			t.Fatal(reply)
		}
		stolen := subTokenOf(t, auth.SubscribeClaims{Identity: user("ann", 0), Client: string(n.ids.append(nil, &space, 77)), Sub: auth.Sub{Channel: "$a"}})
		ann.say(fmt.Sprintf(`{"id":2,"subscribe":{"channel":"$a","token":%q}}`, stolen))
		if got, _ := ann.nextText(); got != "close 3500" {
			t.Errorf("%s; want close 3500", got)
		}
	})
}

// secrets are what must not be found anywhere.
var secrets = []string{"secretOfQuery", "secretOfHeader", "secretOfCookie", "secretInData", "secretOfRoom"}

// What clients and operators keep secret is in no log and behind no address, whatever goes wrong.
func TestA19NothingTellsSecrets(t *testing.T) {
	var book testutil.Book
	n := openKeyed(t, func(c *Config) {
		c.Log = slog.New(slog.NewTextHandler(&book, &slog.HandlerOptions{Level: slog.LevelDebug}))
		c.API.Key = "secretOfAPI"
		c.SSE, c.HTTPStream = true, true
		c.Handler.RPC = func(Client, *RPCRequest) ([]byte, error) { panic("the application's fault") }
	})
	token := tokenOf(t, auth.ConnectClaims{Identity: user("ann", 0), Subs: []auth.Sub{{Channel: "secretOfRoom"}}})
	c := n.open(pathWebSocket+"?token=secretOfQuery", "Authorization: Bearer secretOfHeader", "Cookie: session=secretOfCookie")
	defer c.close()
	c.say(join(token))
	c.nextText()
	c.say(rpc(2, `"secretInData"`))
	c.nextText()
	n.exchange(masked(0x81, join("secretInData")), nil, pathWebSocket+"?token=secretOfQuery", nil)
	n.exchange(drawn("83 80 00000000"), nil, pathWebSocket+"?token=secretOfQuery", nil)
	n.exchange(drawn("83 80 00000000"), nil, pathEcho+"?token=secretOfQuery", nil)
	stream := n.stream(httpStream([]string{"Cookie: session=secretOfCookie"}, join(token))).begin()
	defer stream.close()
	n.stream(plain("GET", pathSSE+"?room=secretOfRoom&token=secretOfQuery")).close()
	n.stream(sseStream(nil, join("secretInData"))).close()
	other := n.dial()
	defer other.close()
	stream.say(other, `{"id":2,"rpc":{"data":"secretInData"}}`, `{"secretInData`)
	other.send([]byte(posted(pathEmulation, `{"session":"secretInData","node":"secretOfQuery","data":"secretInData"`)))
	other.response()
	testutil.Eventually(t, patience, func() bool { return book.Count("the application") > 0 }, "the fault is logged")

	all := append([]string{signer.Secret, "secretOfAPI", token, stream.session}, secrets...)
	for _, path := range []string{"/metrics", "/health", "/health/ready", "/health/live", "/debug/slow", "/debug/pprof/", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=2", "/"} {
		_, body := n.get(path)
		for _, secret := range all {
			if strings.Contains(body, secret) {
				t.Errorf("%s tells %s", path, secret)
			}
		}
	}
	for _, secret := range all {
		if book.Count(secret) > 0 {
			t.Errorf("the log tells %s", secret)
		}
	}
	n.checkNeighbour()
}

// No answer lets a page of another site read it, or send cookies along.
func TestA04NoForeignPages(t *testing.T) {
	n := openSocketNode(t, newSocketApp(), func(c *Config) { c.Development = true })
	ask := "Access-Control-Request-Method: POST"
	type foreign struct {
		rule, send string
		status     int
		reject     metrics.Rejection
	}
	for _, evil := range []string{"https://evil.example", "http://localhost.evil.example", "null"} {
		from := "Origin: " + evil
		rows := []foreign{
			{"A04 an upgrade", changed(from), 403, metrics.RejectOrigin},
			{"A04 an upgrade to Engine.IO", changedAt("GET /socket.io/"+webSocketQuery+" HTTP/1.1", from), 403, metrics.RejectOrigin},
			{"A04 a question before a request", changedAt("OPTIONS "+pathWebSocket+" HTTP/1.1", from, ask), 405, metrics.RejectMethod},
			{"A04 a request", plain("GET", pathWebSocket, from, "Cookie: a=b"), 426, metrics.RejectVersion},
			{"A04 events", plain("GET", pathSSE+"?room=a", from, "Cookie: a=b"), 403, metrics.RejectOrigin},
			{"A04 a handshake of polling", plain("GET", "/socket.io/"+pollingQuery, from, "Cookie: a=b"), 403, metrics.RejectOrigin},
			{"A04 a question before a request of polling", plain("OPTIONS", "/socket.io/"+pollingQuery, from, ask), 400, metrics.RejectBadRequest},
			{"A04 a message", posted(pathEmulation, "{}", from), 403, metrics.RejectOrigin},
		}
		for _, k := range streamKinds {
			rows = append(rows, foreign{"A04 " + k.name, k.open([]string{from, "Cookie: a=b"}, hello), 403, metrics.RejectOrigin})
		}
		for _, path := range []string{pathSSE, pathHTTPStream, pathEmulation} {
			rows = append(rows, foreign{"A04 a question before a request of " + path, plain("OPTIONS", path, from, ask), 403, metrics.RejectOrigin})
		}
		for _, r := range rows {
			n.attack(r.rule+", from "+evil, r.reject, 1, func(t *testing.T) {
				c := n.dial()
				defer c.close()
				c.send([]byte(r.send))
				got := c.response()
				if got.StatusCode != r.status || strings.Contains(fmt.Sprint(got.Header), "Access-Control-") {
					t.Errorf("%d with %v; want %d, and nothing that lets a page read it", got.StatusCode, got.Header, r.status)
				}
			})
		}
	}
	const evil = "https://evil.example"
	for _, path := range []string{"/metrics", "/health", "/debug/slow", "/api/info", "/"} {
		q, err := http.NewRequest(http.MethodGet, "http://"+n.InternalAddress()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		q.Close = true
		q.Header.Set("Origin", evil)
		response, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		for name := range response.Header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s answers a page of another site with %s", path, name)
			}
		}
	}
}

// A client cannot make metrics grow: whatever it names, the names of the figures stay the same.
func TestM03LabelsAreFixed(t *testing.T) {
	n := openNode(t, nil)
	figures := func() (names string) {
		for line := range strings.SplitSeq(n.scrape(), "\n") {
			name, _, _ := strings.Cut(line, " ")
			if strings.HasPrefix(name, "edge_") && !strings.HasPrefix(name, "edge_disconnects_total") {
				names += name + "\n"
			}
		}
		return names
	}
	before := figures()
	n.attack("M03 names of a client's choice", metrics.RejectCommand, 1, func(t *testing.T) {
		c := n.open(pathWebSocket + "?name=x")
		defer c.close()
		c.say(`{"id":1,"connect":{"name":"evil\n# TYPE edge_rooms gauge","version":"\u0007"}}`)
		c.nextText()
		c.say(subscribe(2, "evil{label}") + "\n" + publish(3, "evil", "1") + "\n" + `{"id":4,"evil":{}}`)
		c.rest()
	})
	if after := figures(); after != before {
		t.Errorf("the figures were\n%s\nand are\n%s", before, after)
	}
	for _, change := range []func(c *Config){
		func(c *Config) { c.MessageLimit = -1 },
		func(c *Config) { c.FragmentLimit = -1 },
		func(c *Config) { c.QueueLimit = -1 },
		func(c *Config) { c.Loops = -1 },
		func(c *Config) { c.Loops = MaxLoops + 1 },
		func(c *Config) { c.PingInterval = time.Millisecond },
		func(c *Config) { c.PrivateTables = "maybe" },
		func(c *Config) { c.InternalAddress = "nowhere" },
		func(c *Config) { c.Addresses = []string{"127.0.0.1:70000"} },
	} {
		config := Config{Addresses: []string{"127.0.0.1:0"}, InternalAddress: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler)}
		change(&config)
		if s, err := Open(config); err == nil {
			s.Close()
			t.Errorf("M03: a node opens with %+v", config)
		}
	}
}

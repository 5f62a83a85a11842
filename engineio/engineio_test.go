package engineio

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseText(t *testing.T) {
	for _, row := range []struct {
		in   string
		want string // type, binary, data; empty for none
	}{
		{"0", `0 false ""`},
		{"1", `1 false ""`},
		{"2probe", `2 false "probe"`},
		{"3", `3 false ""`},
		{"4hello", `4 false "hello"`},
		{"4€", `4 false "€"`},
		{"5", `5 false ""`},
		{"6", `6 false ""`},
		{"bAQIDBA==", `4 true "\x01\x02\x03\x04"`},
		{"bAQIDBA", `4 true "\x01\x02\x03\x04"`},
		{"bAQID", `4 true "\x01\x02\x03"`},
		{"bAQI=", `4 true "\x01\x02"`},
		{"b", `4 true ""`},
		{"", ""},
		{"7", ""},
		{"abc", ""},
		{"/", ""},
		{"b====", ""},
		{"bA", ""},
		{"b_-8=", ""},
		{"b€", ""},
	} {
		got := ""
		if p, ok := ParseText([]byte(row.in)); ok {
			got = fmt.Sprintf("%c %v %q", p.Type, p.Binary, p.Data)
		}
		if got != row.want {
			t.Errorf("ParseText(%q) = %s; want %s", row.in, got, row.want)
		}
	}
	if p, _ := ParseText([]byte("2probe")); !p.Probes() {
		t.Error("2probe does not probe")
	}
	if p, _ := ParseText([]byte("2")); p.Probes() {
		t.Error("a ping probes")
	}
}

func TestPackets(t *testing.T) {
	for _, row := range []struct{ in, want string }{
		{"4hello", "4hello"},
		{"4hello\x1ebAQIDBA==", "4hello|bAQIDBA=="},
		{"4a\x1e4b\x1e4c", "4a|4b|4c"},
		{"4a\x1e", "4a|"},
		{"", ""},
	} {
		var got []string
		for p := range Packets([]byte(row.in)) {
			got = append(got, string(p))
		}
		if strings.Join(got, "|") != row.want {
			t.Errorf("Packets(%q) = %q; want %s", row.in, got, row.want)
		}
	}
}

func TestHandshake(t *testing.T) {
	h := Handshake{SID: []byte("lv_VI97HAXpY6yYWAAAB"), PingInterval: 25 * time.Second, PingTimeout: 20 * time.Second, MaxPayload: 1e6}
	want := `0{"sid":"lv_VI97HAXpY6yYWAAAB","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`
	if got := h.Append(nil); string(got) != want {
		t.Errorf("handshake = %s; want %s", got, want)
	}
	h.Upgrade = true
	if got := h.Append(nil); !bytes.Contains(got, []byte(`"upgrades":["websocket"]`)) || !json.Valid(got[1:]) {
		t.Errorf("handshake = %s; want JSON with the upgrade", got)
	}
}

func TestParseQuery(t *testing.T) {
	for _, row := range []struct{ in, want string }{
		{"EIO=4&transport=polling", `polling v4 begins`},
		{"transport=websocket&EIO=4&sid=abc&t=x", `websocket v4 "abc"`},
		{"EIO=4&transport=polling&sid=", `polling v4 begins`},
		{"EIO=4&transport=polling&sid=a&sid=b", `polling v4 unclear`},
		{"EIO=4&EIO=4&transport=polling", `polling begins`},
		{"EIO=3&transport=polling", `polling begins`},
		{"EIO=&transport=polling", `polling begins`},
		{"EIO=4&transport=polling&transport=polling", `unknown v4 begins`},
		{"EIO=4&transport=webtransport", `unknown v4 begins`},
		{"EIO=4&transport=polling&b64=1&j=0", `polling v4 begins b64 j`},
		{"&&=&=4&EIO", `unknown begins`},
		{"", `unknown begins`},
	} {
		q := ParseQuery([]byte(row.in))
		got := []string{q.Transport.String()}
		if q.Version {
			got = append(got, "v4")
		}
		switch sid, ok := q.Session(); {
		case q.Begins():
			got = append(got, "begins")
		case ok:
			got = append(got, fmt.Sprintf("%q", sid))
		default:
			got = append(got, "unclear")
		}
		if q.Base64 {
			got = append(got, "b64")
		}
		if q.JSONP {
			got = append(got, "j")
		}
		if strings.Join(got, " ") != row.want {
			t.Errorf("ParseQuery(%q) = %s; want %s", row.in, got, row.want)
		}
	}
}

func TestErrors(t *testing.T) {
	for e, want := range map[*Error]string{
		ErrTransport:   `400 {"code":0,"message":"Transport unknown"}`,
		ErrSession:     `400 {"code":1,"message":"Session ID unknown"}`,
		ErrMethod:      `400 {"code":2,"message":"Bad handshake method"}`,
		ErrMismatch:    `400 {"code":3,"message":"Bad request"}`,
		ErrNoUpgrade:   `400 {"code":3,"message":"Bad request"}`,
		ErrJSONP:       `400 {"code":3,"message":"Bad request"}`,
		ErrBusy:        `400 {"code":3,"message":"Bad request"}`,
		ErrContentType: `400 {"code":3,"message":"Bad request"}`,
		ErrPayload:     `400 {"code":3,"message":"Bad request"}`,
		ErrForbidden:   `403 {"code":4,"message":"Forbidden"}`,
		ErrVersion:     `400 {"code":5,"message":"Unsupported protocol version"}`,
	} {
		if got := fmt.Sprintf("%d %s", e.Status, e.AppendJSON(nil)); got != want {
			t.Errorf("%v = %s; want %s", e, got, want)
		}
	}
	want := "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-type: text/html\r\nContent-Length: 17\r\nVary: Origin\r\n\r\nTransport unknown"
	if got := ErrTransport.AppendUpgradeError(nil, []byte("Vary: Origin\r\n")); string(got) != want {
		t.Errorf("answer = %q; want %q", got, want)
	}
	if ErrForbidden.Status != http.StatusForbidden || !strings.Contains(ErrForbidden.Error(), "not let in") {
		t.Errorf("Forbidden = %v", ErrForbidden)
	}
}

// What a payload is taken apart into is put together to the same payload again; what a query says, it says to net/url too.
func FuzzPayload(f *testing.F) {
	for _, seed := range []string{"4hello\x1ebAQIDBA==\x1e2", "", "\x1e", "b", "bAA", "b=", "4\x1e4", "7", "b\n\nAQID", "bAQI=\x1e1", "EIO=4&transport=polling&sid=a&b64=1", "sid=&&sid=b&transport=websocket&j=0&EIO=3"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		var joined []byte
		for i, raw := range collect(payload) {
			if i > 0 {
				joined = append(joined, Separator)
			}
			joined = append(joined, raw...)
			p, ok := ParseText(bytes.Clone(raw))
			if !ok {
				continue
			}
			again := AppendText(nil, p.Type, p.Data)
			if p.Binary {
				again = AppendBase64(nil, p.Data)
			}
			q, ok := ParseText(bytes.Clone(again))
			if !ok || q.Type != p.Type || q.Binary != p.Binary || !bytes.Equal(q.Data, p.Data) {
				t.Errorf("ParseText(%q) = %+v, %v; want %+v of %q", again, q, ok, p, raw)
			}
			if !p.Binary && !bytes.Equal(again, raw) {
				t.Errorf("packet %q is written as %q", raw, again)
			}
		}
		if !bytes.Equal(joined, payload) {
			t.Errorf("packets of %q joined = %q", payload, joined)
		}
		checkQuery(t, payload)
	})
}

// checkQuery compares what ParseQuery makes of raw with what net/url finds, if there is nothing escaped in it.
func checkQuery(t *testing.T, raw []byte) {
	t.Helper()
	values, err := url.ParseQuery(string(raw))
	if err != nil || bytes.ContainsAny(raw, "%+") {
		return
	}
	transport := Unknown
	if named := values["transport"]; len(named) == 1 {
		transport = map[string]Transport{"polling": Polling, "websocket": WebSocket}[named[0]]
	}
	sids := slices.DeleteFunc(values["sid"], func(sid string) bool { return sid == "" })
	q := ParseQuery(raw)
	sid, one := q.Session()
	if q.Transport != transport || q.Version != slices.Equal(values["EIO"], []string{"4"}) || q.JSONP != values.Has("j") {
		t.Errorf("ParseQuery(%q) = %+v; net/url: %v", raw, q, values)
	}
	if q.Begins() != (len(sids) == 0) || one != (len(sids) == 1) || one && string(sid) != sids[0] {
		t.Errorf("ParseQuery(%q): session %q; net/url: %q", raw, sid, sids)
	}
}

func collect(payload []byte) [][]byte { return slices.Collect(Packets(payload)) }

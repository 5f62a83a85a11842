package hook

import (
	"context"
	"encoding/json"
	"net/netip"
	"reflect"
	"testing"

	"github.com/seed4ac54ce5/edge/socketio"
)

func TestSocketRequestBodies(t *testing.T) {
	const head = `{"client":"s1","transport":"socketio","protocol":"json","encoding":"json","user":"ann"`
	from := originOfSocket("s1", "ann")
	for name, row := range map[string]struct {
		ask  func(*Hooks) error
		want string
	}{
		"connect": {func(h *Hooks) error {
			_, err := h.SocketConnect(&SocketRequest{
				Origin: from, Namespace: "/chat", Auth: []byte(`{"token":"t","x":1}`), Address: netip.MustParseAddrPort("192.0.2.1:5"),
			})
			return err
		}, head + `,"data":{"token":"t","x":1},"address":"192.0.2.1:5","namespace":"/chat"}`},
		"event": {func(h *Hooks) error {
			_, err := h.SocketEvent(&SocketRequest{
				Origin: from, Namespace: "/", Event: "say", Args: []json.RawMessage{[]byte(`1`), []byte(`{"_placeholder":true,"num":0}`)},
				Attachments: [][]byte{{0, 255}}, Ack: true,
			})
			return err
		}, head + `,"namespace":"/","event":"say","args":[1,{"_placeholder":true,"num":0}],"attachments":["AP8="],"ack":true}`},
		"event without arguments": {func(h *Hooks) error {
			_, err := h.SocketEvent(&SocketRequest{Origin: from, Namespace: "/", Event: "say"})
			return err
		}, head + `,"namespace":"/","event":"say"}`},
		"disconnect": {func(h *Hooks) error {
			h.SocketDisconnect(&SocketRequest{Origin: from, Namespace: "/", Reason: "transport close", Rooms: []string{"a", "b"}})
			return h.Close(context.Background())
		}, head + `,"reason":"transport close","namespace":"/","rooms":["a","b"]}`},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBackend(t, says(`{"result":{}}`))
			if err := row.ask(newTestHooks(t, everywhere(Endpoint{URL: b.URL, IncludeAddress: true}), nil)); err != nil {
				t.Fatal(err)
			}
			if got := b.requests(); len(got) != 1 || got[0].body != row.want {
				t.Errorf("the backend got %+v; want one body %s", got, row.want)
			}
		})
	}
}

func TestSocketResults(t *testing.T) {
	args := func(values ...string) socketio.Args {
		var all []json.RawMessage
		for _, v := range values {
			all = append(all, json.RawMessage(v))
		}
		return socketio.NewArgs(all, [][]byte{{0, 255}})
	}
	got, err := decode(SocketEvent, []byte(`{"result":{"user":"ann","info":{"a": 1},"ack":["ok",2],
		"emits":[{"to":["a"],"except":["b"],"event":"said","args":[{"_placeholder":true,"num":0}]},{"event":"bare"}],
		"joins":["a"],"leaves":["b"],"disconnect":true,"attachments":["AP8="]}}`), (*wireSocket).result)
	want := &SocketResult{
		User: "ann", Info: []byte(`{"a":1}`), Ack: args(`"ok"`, `2`),
		Emits: []Emit{
			{To: []string{"a"}, Except: []string{"b"}, Event: "said", Args: args(`{"_placeholder":true,"num":0}`)},
			{Event: "bare", Args: args()},
		},
		Joins: []string{"a"}, Leaves: []string{"b"}, Disconnect: true,
	}
	if err == nil && len(got.Emits) == 2 {
		got.Emits[1].Args, want.Emits[1].Args = nil, nil // none, in whichever form
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	for body, want := range map[string]string{
		`{"result":{"emits":[{"to":["a"]}]}}`:   "hook: socket_event: malformed: " + errEmit.Error(),
		`{"result":{"attachments":["***"]}}`:    "hook: socket_event: malformed: " + errBase64.Error(),
		`{"result":{"b64info":"AP8="}}`:         "hook: socket_event: malformed: " + errInfo.Error(),
		`{"result":{"ack":"secret"}}`:           `hook: socket_event: malformed: field "result.ack" has a value of the wrong type`,
		`{"result":{"emits":{"event":"said"}}}`: `hook: socket_event: malformed: field "result.emits" has a value of the wrong type`,
	} {
		if _, err := decode(SocketEvent, []byte(body), (*wireSocket).result); err == nil || err.Error() != want {
			t.Errorf("decode(%s): %v; want %s", body, err, want)
		}
	}
}

// An event may have had its effect though the answer was lost; asking who may enter has none.
func TestSocketEventsAreNotRepeated(t *testing.T) {
	for event, want := range map[Event]bool{SocketConnect: true, SocketEvent: false, SocketDisconnect: true} {
		if got := event.repeats(); got != want {
			t.Errorf("%v is asked again: %v; want %v", event, got, want)
		}
	}
}

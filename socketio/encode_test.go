package socketio

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/seed4ac54ce5/edge/server"
	"github.com/seed4ac54ce5/edge/socketio/packet"
)

type inner struct {
	Data []byte `json:"data"`
}

type outer struct {
	inner
	Name    string    `json:"name,omitempty"`
	When    time.Time `json:"when,omitzero"`
	Count   int       `json:"count,string"`
	Next    *outer    `json:"next,omitempty"`
	Hidden  []byte    `json:"-"`
	private []byte
}

// upper writes itself.
type upper string

func (u upper) MarshalText() ([]byte, error) { return []byte(strings.ToUpper(string(u))), nil }

// loud has a method of its pointer.
type loud struct{ Bytes []byte }

func (*loud) MarshalJSON() ([]byte, error) { return []byte(`"loud"`), nil }

// E08: an object that a client has sent as text must not become, beside binary values, what makes its receivers give up.
func TestE08EncodeRefusesPlaceholders(t *testing.T) {
	for _, text := range []string{
		`{"_placeholder":true,"num":1}`, `{"_placeholder":true,"num":0.0}`, `{"_pl\u0061ceholder":true,"num":0}`, `[{"a":{"num":-1,"_placeholder":true}}]`,
	} {
		arg := Arg{json: []byte(text)}
		if _, err := encodeEvent("e", []any{arg, []byte("x")}, 10); !errors.Is(err, ErrPlaceholder) {
			t.Errorf("encodeEvent(%s, binary) = %v; want ErrPlaceholder", text, err)
		}
		if p, err := encodeEvent("e", []any{arg, "x"}, 10); err != nil || string(p.Data) != `["e",`+text+`,"x"]` {
			t.Errorf("encodeEvent(%s, text) = %s, %v", text, p.Data, err)
		}
	}
}

func TestEncode(t *testing.T) {
	when := time.Date(2026, 2, 3, 4, 5, 6, 7_800_000, time.FixedZone("", 3600))
	ring := &outer{}
	for _, row := range []struct {
		args        []any
		want        string
		attachments string
	}{
		{nil, `["e"]`, ""},
		{[]any{nil, true, 1, -2.5, "a<b>\"\n"}, `["e",null,true,1,-2.5,"a<b>\"\n"]`, ""},
		{[]any{[]byte("x")}, `["e",{"_placeholder":true,"num":0}]`, "x"},
		{[]any{[]byte(nil)}, `["e",null]`, ""},
		{[]any{[]byte{}}, `["e",{"_placeholder":true,"num":0}]`, "-"},
		{[]any{json.RawMessage(`{"a":[1]}`)}, `["e",{"a":[1]}]`, ""},
		{[]any{when}, `["e","2026-02-03T03:05:06.007Z"]`, ""},
		{[]any{&when, map[string]any{"date": when}}, `["e","2026-02-03T03:05:06.007Z",{"date":"2026-02-03T03:05:06.007Z"}]`, ""},
		{[]any{map[string]any{"b": []any{[]byte("y"), 1}, "a": []byte("x")}}, `["e",{"a":{"_placeholder":true,"num":0},"b":[{"_placeholder":true,"num":1},1]}]`, "x,y"},
		{[]any{map[int][]byte{2: []byte("x")}}, `["e",{"2":{"_placeholder":true,"num":0}}]`, "x"},
		{[]any{map[upper]any{"k": 1}}, `["e",{"k":1}]`, ""},
		{[]any{[2][]byte{[]byte("x"), nil}}, `["e",[{"_placeholder":true,"num":0},null]]`, "x"},
		{[]any{[3]byte{1, 2, 3}}, `["e",[1,2,3]]`, ""},
		{[]any{outer{inner: inner{[]byte("x")}, Hidden: []byte("h"), private: []byte("p")}}, `["e",{"data":{"_placeholder":true,"num":0},"count":"0"}]`, "x"},
		{[]any{&outer{Name: "n", When: when, Next: &outer{Count: 7}}}, `["e",{"data":null,"name":"n","when":"2026-02-03T03:05:06.007Z","count":"0","next":{"data":null,"count":"7"}}]`, ""},
		{[]any{upper("a"), []upper{"b"}}, `["e","A",["B"]]`, ""},
		{[]any{&loud{}, []*loud{{}}}, `["e","loud",["loud"]]`, ""},
		{[]any{struct{ Error error }{}}, `["e",{"Error":null}]`, ""},
		{[]any{(*outer)(nil), map[string]any(nil), []any(nil)}, `["e",null,null,null]`, ""},
		{[]any{Arg{}, Arg{json: []byte(` 1`)}}, `["e",null, 1]`, ""},
		{[]any{[]byte("x"), Arg{[]byte(`[{"num":1,"_placeholder":true},"{"]`), [][]byte{nil, []byte("y")}}}, `["e",{"_placeholder":true,"num":0},[{"_placeholder":true,"num":1},"{"]]`, "x,y"},
	} {
		p, err := encodeEvent("e", row.args, 10)
		if err != nil {
			t.Errorf("encodeEvent(%v): %v", row.args, err)
			continue
		}
		var attachments []string
		for _, a := range p.Attachments {
			if len(a) == 0 {
				a = []byte("-")
			}
			attachments = append(attachments, string(a))
		}
		if got := strings.Join(attachments, ","); string(p.Data) != row.want || got != row.attachments {
			t.Errorf("encodeEvent(%v) = %s with %q; want %s with %q", row.args, p.Data, got, row.want, row.attachments)
		}
	}

	ring.Next = ring
	for _, row := range []struct {
		event string
		arg   any
		want  error
	}{
		{"disconnect", nil, ErrReserved},
		{"e", make([][]byte, 3), nil},
		{"e", [][]byte{{1}, {2}, {3}}, ErrAttachments},
		{"e", ring, errDeep},
		{"e", map[bool]any{}, nil},
	} {
		_, err := encodeEvent(row.event, []any{row.arg}, 2)
		if !errors.Is(err, row.want) {
			t.Errorf("encodeEvent(%q, %T): %v; want %v", row.event, row.arg, err, row.want)
		}
	}
	for _, arg := range []any{make(chan int), []any{make(chan int)}, json.RawMessage("{"), map[struct{}]any{{}: 1}} {
		if p, err := encodeArgs([]any{arg}, 10); err == nil {
			t.Errorf("encodeArgs(%T) = %s; want an error", arg, p.Data)
		}
	}
}

// Structs are written as encoding/json does, which is asked where there is nothing special in them.
func TestFieldsAreThoseOfEncodingJSON(t *testing.T) {
	type A struct{ X, Y, Z int }
	type B struct {
		X int
		Y int `json:"y"`
		W any `json:"w"`
	}
	type C struct {
		A
		*B
		Any   any
		Own   A `json:"own"`
		Z     string
		Inner inner `json:",omitempty"`
	}
	type D struct {
		A `json:"a"`
		B `json:"-"`
		V any `json:",omitempty"`
	}
	type E struct {
		N int     `json:"n,string"`
		S string  `json:"s,string"`
		P *int    `json:"p,omitempty,string"`
		F float64 `json:"f,omitzero"`
		V any
	}
	type F struct {
		*inner
		V any
	}
	for _, v := range []any{C{}, C{B: &B{X: 1, Y: 2, W: "w"}, Any: []int{1}}, D{V: 1}, D{}, E{S: "x", V: 1}, F{}, F{inner: &inner{}}, []any{&C{}}, struct{ error }{}} {
		want, err := json.Marshal([]any{v})
		if err != nil {
			t.Fatal(err)
		}
		p, err := encodeArgs([]any{v}, 10)
		if err != nil || string(p.Data) != string(want) {
			t.Errorf("encodeArgs(%+v) = %s, %v; want %s", v, p.Data, err, want)
		}
	}
}

// What a client sends is sent on as what it means: nothing is an attachment to one of us and none to another.
func TestForwardedPlaceholders(t *testing.T) {
	const one = `{"_placeholder":true,"num":1}`
	for data, want := range map[string]string{ // "" for what no node takes
		`[` + one + `]`: `[{"_placeholder":true,"num":0}]`,
		`[{ "num" : 1 , "_placeholder" : true },"x"]`:         `[{"_placeholder":true,"num":0},"x"]`,
		`[{"_placeholder":false,"num":1}]`:                    `[{"_placeholder":false,"num":1}]`,
		`[` + one + `,{"_placeholder":true,"num":1e0}]`:       "",
		`[` + one + `,{"_placeholder":true,"num":1.0}]`:       "",
		`[` + one + `,{"\u005fplaceholder":true,"num":1}]`:    "",
		`[` + one + `,{"_placeholder":true,"n\u0075m":1}]`:    "",
		`[` + one + `,{"_placeholder":true,"num":1,"x":"y"}]`: "",
	} {
		if err := parseAck([]byte(data), 2); (err == nil) != (want != "") {
			t.Errorf("a node says of %s: %v; want %q", data, err, want)
		} else if err == nil {
			args := argsOf(packetOf(data, "x", "yz"), false)
			p, err := encodeArgs(args.Any(), 2)
			if err != nil || string(p.Data) != want {
				t.Errorf("%s is sent on as %s, %v; want %s", data, p.Data, err, want)
			}
			checkForwarded(t, args, p)
		}
	}
}

// Arguments are those that encoding/json finds, and what a client may send can be sent on: a packet that names no attachments
// but its own, and means the same.
func FuzzArgs(f *testing.F) {
	for _, seed := range []string{
		`[]`, `["a",1]`, `[1,{"_placeholder":true,"num":0},[{"num":0,"_placeholder":true}]]`, ` [ "\"]" , {"a" : [ ] } ,null] `,
		`[{"num":0,"_placeholder":true,"x":{}}]`, `[{"_placeholder":true,"num":1},{"a":{ "num" : 1 , "_placeholder" : true }}]`,
		`[{"_placeholder":true,"num":1},{"_placeholder":true,"num":1e0}]`, `[{"_placeholder":true,"num":1},{"\u005fplaceholder":true,"num":1}]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		args := argsOf(packetOf(string(data), "x", "yz"), false) // of anything
		var want []json.RawMessage
		if json.Unmarshal(data, &want) != nil {
			return
		}
		if len(args) != len(want) {
			t.Fatalf("argsOf(%q) has %d arguments; want %d", data, len(args), len(want))
		}
		for i := range want {
			if string(args[i].json) != string(want[i]) {
				t.Fatalf("argsOf(%q) has %q; want %q", data, args[i].json, want[i])
			}
			if text, err := args[i].inlined(); err == nil && !json.Valid(text) {
				t.Fatalf("inlined(%q) = %q", args[i].json, text)
			}
		}
		p, err := encodeArgs(args.Any(), 1<<30)
		if errors.Is(err, ErrPlaceholder) && parseAck(data, 2) != nil {
			return // nobody may send it, nor do we
		}
		if err != nil || !json.Valid(p.Data) {
			t.Fatalf("encodeArgs(%q) = %q, %v", data, p.Data, err)
		}
		if utf8.Valid(data) && parseAck(data, 2) == nil {
			checkForwarded(t, args, p)
		}
	})
}

// parseAck returns what a node says of an acknowledgement with so many attachments.
func parseAck(data []byte, attachments int) error {
	p := packet.Packet{Type: packet.BinaryAck, Attachments: attachments, Data: data}
	if attachments == 0 {
		p.Type = packet.Ack
	}
	return packet.Parse(packet.Append(nil, &p), &packet.Limits{Attachments: attachments, Depth: 64}, &p)
}

// checkForwarded fails the test unless p, made of args, is a packet with the same values.
func checkForwarded(t *testing.T, args Args, p server.SocketPacket) {
	t.Helper()
	if err := parseAck(p.Data, len(p.Attachments)); err != nil {
		t.Fatalf("%q with %d attachments: %v", p.Data, len(p.Attachments), err)
	}
	for i, arg := range argsOf(p, false) {
		var got, want any
		gotErr, wantErr := arg.Bind(&got), args[i].Bind(&want) // of a number that no float64 is
		if (gotErr == nil) != (wantErr == nil) || gotErr == nil && !reflect.DeepEqual(got, want) {
			t.Fatalf("%q was forwarded as %q: %v, %v; want %v, %v", args[i].json, arg.json, got, gotErr, want, wantErr)
		}
	}
}

func ExampleArgs_Bind() {
	args := argsOf(packetOf(`["ann",{"file":{"_placeholder":true,"num":0}}]`, "bytes"), false)
	var name string
	var upload struct{ File []byte }
	err := args.Bind(&name, &upload)
	fmt.Println(name, string(upload.File), err)
	// Output: ann bytes <nil>
}

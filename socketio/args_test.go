package socketio

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/seed4ac54ce5/edge/server"
)

// packetOf returns a packet as the node hands it over.
func packetOf(data string, attachments ...string) server.SocketPacket {
	p := server.SocketPacket{Data: []byte(data)}
	for _, a := range attachments {
		p.Attachments = append(p.Attachments, []byte(a))
	}
	return p
}

func TestBind(t *testing.T) {
	type file struct {
		Name string
		Data []byte
	}
	const bin = `{"_placeholder":true,"num":0}`
	for _, row := range []struct {
		json string
		dst  any // a pointer
		want any // what it points to then
	}{
		{`"a\u0062"`, new(string), "ab"},
		{`null`, new("as it was"), "as it was"},
		{`7`, new(int), 7},
		{`9007199254740993`, new(int64), int64(9007199254740993)},
		{bin, new([]byte), []byte("x")},
		{`null`, new([]byte), []byte(nil)},
		{`{"num":0,"_placeholder":true}`, new([]byte), []byte("x")},
		{`{"name":"n","data":` + bin + `}`, new(file), file{"n", []byte("x")}},
		{`[{"data":` + bin + `},{"name":"{"}]`, new([]file), []file{{"", []byte("x")}, {"{", nil}}},
		{`[1,{"a":` + bin + `}]`, new(any), []any{1.0, map[string]any{"a": []byte("x")}}},
		{bin, new(any), []byte("x")},
		{`{"_placeholder":true,"num":1}`, new(any), map[string]any{"_placeholder": true, "num": 1.0}},
		{bin, new(json.RawMessage), json.RawMessage(bin)},
		{`{"data":` + bin + `}`, new(json.RawMessage), json.RawMessage(`{"data":` + bin + `}`)},
	} {
		args := argsOf(packetOf("["+row.json+"]", "x"), false)
		err := args.Bind(row.dst)
		if got := reflect.ValueOf(row.dst).Elem().Interface(); err != nil || !reflect.DeepEqual(got, row.want) {
			t.Errorf("Bind(%s) to %T = %#v, %v; want %#v", row.json, row.dst, got, err, row.want)
		}
	}
	for _, row := range []struct {
		json string
		dst  any
	}{
		{`"text"`, new([]byte)},
		{`[1]`, new([]byte)},
		{`{"_placeholder":true,"num":1}`, new([]byte)},
		{`1`, new(string)},
		{bin, new(int)},
	} {
		if err := argsOf(packetOf("["+row.json+"]", "x"), false).Bind(row.dst); err == nil {
			t.Errorf("Bind(%s) to %T = %v; want an error", row.json, row.dst, reflect.ValueOf(row.dst).Elem())
		}
	}
}

func TestArguments(t *testing.T) {
	args := argsOf(packetOf(`["name",1,"two"]`), true)
	a, b, c := 0, "", "as it was"
	if err := args.Bind(&a, &b, &c); err != nil || a != 1 || b != "two" || c != "as it was" {
		t.Errorf("Bind = %v, %q, %q, %v; want 1, two, as it was", a, b, c, err)
	}
	if err := args.Bind(&a); err != nil {
		t.Errorf("Bind of the first of two: %v", err)
	}
	if got := fmt.Sprintf("%s %s %s", args.At(1).JSON(), args.At(2).JSON(), args.At(-1).JSON()); got != `"two" null null` {
		t.Errorf("At(1), At(2), At(-1) = %s", got)
	}
	if len(argsOf(packetOf(`["name"]`), true)) != 0 {
		t.Error("an event without arguments has some")
	}
}

func TestEventNames(t *testing.T) {
	for data, want := range map[string]string{
		`["a"]`:          "a",
		`[ "\"\u0061" ]`: `"a`,
		`[7,"x"]`:        "7",
		`[-1.5]`:         "-1.5",
		`[""]`:           "",
	} {
		e := newEvent(nil, server.Socket{}, &server.SocketEvent{SocketPacket: packetOf(data)})
		if e == nil || e.Name != want {
			t.Errorf("name of %s = %+v; want %q", data, e, want)
		}
	}
	if e := newEvent(nil, server.Socket{}, &server.SocketEvent{}); e != nil {
		t.Errorf("an event without payload = %+v; want none", e)
	}
	e := newEvent(nil, server.Socket{}, &server.SocketEvent{SocketPacket: packetOf(`["a",1,2]`)})
	for i, want := range map[int]string{-1: "null", 0: "1", 1: "2", 2: "null"} {
		if got := e.Arg(i).JSON(); string(got) != want {
			t.Errorf("Arg(%d) = %s; want %s", i, got, want)
		}
	}
}

// A packet of 60 kB would become 2 GB.
func TestBinaryIsInlinedOnce(t *testing.T) {
	const place = `{"_placeholder":true,"num":0}`
	args := argsOf(packetOf("[["+strings.Repeat(place+",", 1999)+place+"]]", strings.Repeat("x", 1<<20)), false)
	var some [][]byte
	if err := args.Bind(&some); !errors.Is(err, errRepeated) {
		t.Errorf("Bind = %d values, %v; want %v", len(some), err, errRepeated)
	}
	var all any
	if err := args.Bind(&all); err != nil || len(all.([]any)) != 2000 { // these share their memory
		t.Errorf("Bind to any: %v", err)
	}
	far := NewArgs([]json.RawMessage{[]byte(`{"_placeholder":true,"num":1e300}`)}, [][]byte{nil})
	if err := far.Bind(&all); err != nil {
		t.Errorf("Bind of attachment 1e300: %v", err)
	}
}

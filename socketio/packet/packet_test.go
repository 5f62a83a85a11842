package packet

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

var usual = Limits{Attachments: 10, Depth: 64}

func TestParse(t *testing.T) {
	for _, row := range []struct {
		text string
		want Packet
	}{
		{`0`, Packet{Type: Connect}},
		{`0{"token":"x"}`, Packet{Type: Connect, Data: []byte(`{"token":"x"}`)}},
		{`0/admin`, Packet{Type: Connect, Namespace: []byte("/admin")}},
		{`0/admin,{"a":1}`, Packet{Type: Connect, Namespace: []byte("/admin"), Data: []byte(`{"a":1}`)}},
		{`0/a?token=1,`, Packet{Type: Connect, Namespace: []byte("/a?token=1")}},
		{`07{}`, Packet{Type: Connect, ID: 7, HasID: true, Data: []byte(`{}`)}},
		{`1`, Packet{Type: Disconnect}},
		{`1/a,`, Packet{Type: Disconnect, Namespace: []byte("/a")}},
		{`2["a"]`, Packet{Type: Event, Data: []byte(`["a"]`)}},
		{`2`, Packet{Type: Event}},
		{`2[5,null]`, Packet{Type: Event, Data: []byte(`[5,null]`)}},
		{`2["error"]`, Packet{Type: Event, Data: []byte(`["error"]`)}},
		{`2/a,12["x",{}]`, Packet{Type: Event, Namespace: []byte("/a"), ID: 12, HasID: true, Data: []byte(`["x",{}]`)}},
		{`20["x"]`, Packet{Type: Event, HasID: true, Data: []byte(`["x"]`)}},
		{`218446744073709551615["x"]`, Packet{Type: Event, ID: 1<<64 - 1, HasID: true, Data: []byte(`["x"]`)}},
		{`2["a",{"_placeholder":true,"num":3}]`, Packet{Type: Event, Data: []byte(`["a",{"_placeholder":true,"num":3}]`)}},
		{`37[]`, Packet{Type: Ack, ID: 7, HasID: true, Data: []byte(`[]`)}},
		{`3[]`, Packet{Type: Ack, Data: []byte(`[]`)}},
		{`4{"message":"no"}`, Packet{Type: ConnectError, Data: []byte(`{"message":"no"}`)}},
		{`4"no"`, Packet{Type: ConnectError, Data: []byte(`"no"`)}},
		{`51-["a",{"_placeholder":true,"num":0}]`, Packet{Type: BinaryEvent, Attachments: 1, Data: []byte(`["a",{"_placeholder":true,"num":0}]`)}},
		{`52-/a,3["a"]`, Packet{Type: BinaryEvent, Attachments: 2, Namespace: []byte("/a"), ID: 3, HasID: true, Data: []byte(`["a"]`)}},
		{`61-3[{"num":0,"_placeholder":true}]`, Packet{Type: BinaryAck, Attachments: 1, ID: 3, HasID: true, Data: []byte(`[{"num":0,"_placeholder":true}]`)}},
		{`51-["a",{ "num" : 0 , "_placeholder" : true }]`, Packet{Type: BinaryEvent, Attachments: 1, Data: []byte(`["a",{ "num" : 0 , "_placeholder" : true }]`)}},
		{`51-["a",{"_placeholder":false,"num":9}]`, Packet{Type: BinaryEvent, Attachments: 1, Data: []byte(`["a",{"_placeholder":false,"num":9}]`)}},
	} {
		if row.want.Namespace == nil {
			row.want.Namespace = []byte("/")
		}
		var got Packet
		if err := Parse([]byte(row.text), &usual, &got); err != nil {
			t.Errorf("Parse(%s) = %v", row.text, err)
		} else if !same(&got, &row.want) {
			t.Errorf("Parse(%s) = %+v; want %+v", row.text, got, row.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	deep := `2["a",` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `]`
	for _, row := range []struct {
		text string
		err  error
	}{
		{``, ErrType}, {`7`, ErrType}, {`x`, ErrType}, {`9["a"]`, ErrType}, {`-1`, ErrType},
		{`0[]`, ErrPayload}, {`0"x"`, ErrPayload}, {`0null`, ErrPayload}, {`0{`, ErrPayload}, {`0{}x`, ErrPayload},
		{`1{}`, ErrPayload}, {`1[]`, ErrPayload}, {`1x`, ErrPayload},
		{`2{}`, ErrPayload}, {`2[]`, ErrPayload}, {`2null`, ErrPayload}, {`2"a"`, ErrPayload}, {`2[null]`, ErrPayload},
		{`2[{}]`, ErrPayload}, {`2[["a"]]`, ErrPayload}, {`2["a"`, ErrPayload}, {`2["a"]]`, ErrPayload}, {`2["a",]`, ErrPayload},
		{`2[true]`, ErrPayload}, {`2["a" "b"]`, ErrPayload}, {`2[01]`, ErrPayload}, {`2["` + "\n" + `"]`, ErrPayload},
		{`2["connect"]`, ErrPayload}, {`2["connect_error"]`, ErrPayload}, {`2["disconnect"]`, ErrPayload},
		{`2["disconnecting"]`, ErrPayload}, {`2["newListener"]`, ErrPayload}, {`2["removeListener"]`, ErrPayload},
		{`2["\u0063onnect"]`, ErrPayload}, {`2 [ "connect"]`, ErrPayload},
		{deep, ErrPayload},
		{`3{}`, ErrPayload}, {`3"x"`, ErrPayload}, {`31null`, ErrPayload},
		{`4[]`, ErrPayload}, {`41`, nil},
		{`5["a"]`, ErrAttachments}, {`5-["a"]`, ErrAttachments}, {`50-["a"]`, ErrAttachments}, {`511-["a"]`, ErrAttachments},
		{`51["a"]`, ErrAttachments}, {`51`, ErrAttachments}, {`5-1-["a"]`, ErrAttachments}, {`51.5-["a"]`, ErrAttachments},
		{`51e0-["a"]`, ErrAttachments}, {`599999999999999999999-["a"]`, ErrAttachments}, {`6["a"]`, ErrAttachments},
		{`51-["a",{"_placeholder":true,"num":1}]`, ErrPlaceholder},
		{`51-["a",{"_placeholder":true,"num":-1}]`, ErrPlaceholder},
		{`51-["a",{"_placeholder":true,"num":0.5}]`, ErrPlaceholder},
		{`51-["a",{"_placeholder":true,"num":1e300}]`, ErrPlaceholder},
		{`51-["a",{"_placeholder":true,"num":"0"}]`, ErrPlaceholder},
		{`51-["a",{"_placeholder":true}]`, ErrPlaceholder},
		{`51-["a",{"_placeholder":true,"num":0.0}]`, ErrPlaceholder}, // from here on for JavaScript each is that of attachment 0
		{`51-["a",{"_placeholder":true,"num":0e1}]`, ErrPlaceholder},
		{`51-["a",{"_placeholder":true,"num":-0}]`, ErrPlaceholder},
		{`51-["a",{"_pl\u0061ceholder":true,"num":0}]`, ErrPlaceholder},
		{`51-["a",{"_placeholder":true,"n\u0075m":0}]`, ErrPlaceholder},
		{`51-["a",{"_placeholder":true,"num":"0","num":0}]`, ErrPlaceholder},
		{`51-["a",{"_placeholder":true,"num":0,"more":1}]`, ErrPlaceholder},
		{`51-["a",{"more":{"_placeholder":true,"num":0},"_placeholder":true,"num":0}]`, ErrPlaceholder},
		{`51-["a",{"\u005fplaceholder":true,"num":5}]`, ErrPlaceholder},
		{`51-["a",{"_placeh\u006Flder":true,"n\u0075m":1}]`, ErrPlaceholder},
		{`51-["a",{"\u005fplaceholder":true,"num":0}]`, ErrPlaceholder},
		{`51-["a",{"_placeholder":true,"n\u0075m":0}]`, ErrPlaceholder},
		{`51-["a",{"_placeholder":true,"num":0.0}]`, ErrPlaceholder},
		{`52-["a",{"_placeholder":true,"num":1e0}]`, ErrPlaceholder},
		{`51-["a",{"_placeholder":true,"num":-0}]`, ErrPlaceholder},
		{`51-["a",{"_placeholder":true,"num":0,"x":1}]`, ErrPlaceholder},
		{`51-["a",{"_placeholder":true,"num":1,"num":0}]`, ErrPlaceholder},
		{`51-["a",{"_placeholder":true,"num":0,"_placeholder":false}]`, ErrPlaceholder},
		{`51-["a",{"_placeholder":true,"num":99999999999999999999}]`, ErrPlaceholder},
		{`51-["a",{"deep":[{"_placeholder":true,"num":7}]}]`, ErrPlaceholder},
		{`51-[{"_placeholder":true,"num":0}]`, ErrPayload},
		{`2` + strings.Repeat("9", 1<<20) + `["a"]`, ErrID},
		{`218446744073709551616["a"]`, ErrID},
	} {
		var p Packet
		if err := Parse([]byte(row.text), &usual, &p); !errors.Is(err, row.err) {
			t.Errorf("Parse(%.60s) = %v; want %v", row.text, err, row.err)
		}
	}
}

// The limits are those that are given.
func TestParseHoldsToLimits(t *testing.T) {
	var p Packet
	for n, want := range map[int]error{1: ErrAttachments, 2: nil} {
		if err := Parse([]byte(`52-["a"]`), &Limits{Attachments: n, Depth: 1}, &p); !errors.Is(err, want) {
			t.Errorf("%d attachments: %v; want %v", n, err, want)
		}
	}
	for depth, want := range map[int]error{1: ErrPayload, 2: nil} {
		if err := Parse([]byte(`2["a",{}]`), &Limits{Depth: depth}, &p); !errors.Is(err, want) {
			t.Errorf("depth %d: %v; want %v", depth, err, want)
		}
	}
}

func TestParseDoesNotAllocate(t *testing.T) {
	text := []byte(`2/chat,17["message",{"text":"hello","n":[1,2.5e3,true,null]}]`)
	binary := []byte(`51-["a",{"_placeholder":true,"num":0}]`)
	escaped := []byte(`51-["a",{"\u005fplaceholder":false,"n\u0075m":0,"\u0061":1}]`)
	out := make([]byte, 0, 200)
	var p Packet
	if n := testing.AllocsPerRun(100, func() {
		if Parse(binary, &usual, &p) != nil || Parse(escaped, &usual, &p) != nil || Parse(text, &usual, &p) != nil {
			t.Fatal("refused")
		}
		out = Append(out[:0], &p)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func same(a, b *Packet) bool {
	return a.Type == b.Type && bytes.Equal(a.Namespace, b.Namespace) && a.ID == b.ID && a.HasID == b.HasID &&
		bytes.Equal(a.Data, b.Data) && (a.Data == nil) == (b.Data == nil) && a.Attachments == b.Attachments
}

// What is taken is what encoding/json takes for such a payload, is written as it was, and is the same behind MessagePack.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`0`, `0/admin,{"token":"x"}`, `2/a,12["x",{"b":[1,-2.5e-3,-2.5e3,1e400,"\u00e9",null,true]}]`, `37[]`,
		`51-["a",{"_placeholder":true,"num":0}]`, `62-/a,1[{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]`, `4{"message":"no"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var p, again Packet
		if !utf8.Valid(text) {
			return
		}
		err := Parse(text, &usual, &p)
		if p.Data != nil && (err == nil && !fits(&p) || err == ErrPayload && fits(&p)) {
			t.Fatalf("Parse(%q) = %v", text, err)
		}
		if err != nil {
			return
		}
		if err := Parse(Append(nil, &p), &usual, &again); err != nil || !same(&p, &again) {
			t.Fatalf("%+v came back as %+v, %v", p, again, err)
		}
		throughPack(t, &p)
	})
}

// meaning is what encoding/json makes of a value.
func meaning(t *testing.T, text []byte) (v any) {
	t.Helper()
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// fits reports whether p's payload is JSON, not too deep and what its type asks for, by the word of encoding/json.
func fits(p *Packet) bool {
	if !json.Valid(p.Data) {
		return false
	}
	var tokens []json.Token
	depth := 0
	d := json.NewDecoder(bytes.NewReader(p.Data))
	d.UseNumber()
	for {
		token, err := d.Token()
		if err != nil || depth > usual.Depth {
			break
		}
		switch token {
		case json.Delim('['), json.Delim('{'):
			depth++
		case json.Delim(']'), json.Delim('}'):
			depth--
		}
		tokens = append(tokens, token)
	}
	object, list := tokens[0] == json.Delim('{'), tokens[0] == json.Delim('[')
	switch p.Type.Plain() {
	case Connect:
		return object && depth == 0
	case ConnectError:
		_, text := tokens[0].(string)
		return text || object && depth == 0
	case Event:
		if !list || depth > 0 {
			return false
		}
		name, text := tokens[1].(string)
		_, number := tokens[1].(json.Number)
		return number || text && !slices.Contains(reserved[:], name)
	case Ack:
		return list && depth == 0
	}
	return false
}

// throughPack writes p as MessagePack and reads it again.
func throughPack(t *testing.T, p *Packet) {
	parts := make([][]byte, p.Attachments)
	for i := range parts {
		parts[i] = []byte{byte(i), 0xff}
	}
	packed, err := AppendPack(nil, p, parts)
	if err != nil {
		t.Fatalf("AppendPack(%+v) = %v", p, err)
	}
	// JSON has no word for what is infinite: it is null when it comes back, which cannot name an event.
	infinite := bytes.Contains(packed, []byte{packFloat8, 0x7f, 0xf0}) || bytes.Contains(packed, []byte{packFloat8, 0xff, 0xf0})
	var got Packet
	limits := Limits{Attachments: 1 << 20, Depth: 64} // a placeholder may stand twice
	out, attachments, err := ParsePack(packed, &limits, nil, nil, &got)
	switch {
	case err != nil && (infinite || p.Attachments > 0 || p.ID > 1<<63-1):
		return // or what looks like a placeholder and is none, or an id beyond what we read
	case p.Data == nil && p.Type != Connect && p.Type != Disconnect:
		if !errors.Is(err, ErrPayload) {
			t.Fatalf("packet without data: %v", err)
		}
		return
	case err != nil:
		t.Fatalf("ParsePack(%x) of %s = %v", packed, p.Data, err)
	case got.Type != p.Type.Plain() || !bytes.Equal(got.Namespace, p.Namespace) || got.ID != p.ID || got.HasID != p.HasID:
		t.Fatalf("%+v came back as %+v", p, got)
	}
	if p.Data != nil && (!json.Valid(out) || !bytes.Equal(got.Data, out)) {
		t.Fatalf("%s came back as %s", p.Data, out)
	}
	if p.Data != nil && p.Attachments == 0 && !infinite && !reflect.DeepEqual(meaning(t, out), meaning(t, p.Data)) {
		t.Fatalf("%s came back as %s, which is not the same", p.Data, out)
	}
	repacked, err := AppendPack(nil, &got, attachments)
	if err != nil || !infinite && !bytes.Equal(repacked, packed) {
		t.Fatalf("%x packed again is %x, %v", packed, repacked, err)
	}
}

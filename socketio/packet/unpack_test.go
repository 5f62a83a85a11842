package packet

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// The packets are as notepack.io 2.2.0 writes them, which socket.io-msgpack-parser uses.
func TestParsePack(t *testing.T) {
	for _, row := range []struct {
		packed string
		want   Packet
		parts  string
	}{
		{"82a47479706500a36e7370a12f", Packet{Type: Connect}, ""},
		{"83a47479706500a36e7370a12fa46461746181a161" + "01", Packet{Type: Connect, Data: []byte(`{"a":1}`)}, ""},
		{"83a47479706500a46461746" + "1d40000a36e7370a12f", Packet{Type: Connect}, ""}, // data: undefined
		{"83a47479706502a36e7370a32f6161a46461746192a16192ffcb3ff8000000000000",
			Packet{Type: Event, Namespace: []byte("/aa"), Data: []byte(`["a",[-1,1.5]]`)}, ""},
		{"84a47479706502a269640ca36e7370a12fa46461746192a161c4020102",
			Packet{Type: Event, ID: 12, HasID: true, Attachments: 1, Data: []byte(`["a",{"_placeholder":true,"num":0}]`)}, "0102"},
		{"84a47479706503a26964cd0100a36e7370a12fa46461746191c7020003" + "04",
			Packet{Type: Ack, ID: 256, HasID: true, Attachments: 1, Data: []byte(`[{"_placeholder":true,"num":0}]`)}, "0304"},
		{"83a47479706502a36e7370a12fa46461746192a161d7000000018bcfe56800", // a date
			Packet{Type: Event, Data: []byte(`["a","2023-11-14T22:13:20.000Z"]`)}, ""},
		{"84a47479706502a36e7370a12fa46461746193a161d40000c0a76f7074696f6e7381a8636f6d7072657373c3",
			Packet{Type: Event, Data: []byte(`["a",null,null]`)}, ""},
		{"83a47479706502a36e7370a12fa46461746192a161a3220aff", Packet{Type: Event, Data: []byte("[\"a\",\"\\\"\\u000a\ufffd\"]")}, ""},
		{"83a47479706502a36e7370a12fa46461746192a161cb7ff0000000000000", Packet{Type: Event, Data: []byte(`["a",null]`)}, ""},
	} {
		if row.want.Namespace == nil {
			row.want.Namespace = []byte("/")
		}
		b, err := hex.DecodeString(row.packed)
		if err != nil {
			t.Fatal(err)
		}
		var got Packet
		_, parts, err := ParsePack(b, &usual, nil, nil, &got)
		if err != nil {
			t.Errorf("ParsePack(%x) = %v", b, err)
		} else if !same(&got, &row.want) || hex.EncodeToString(bytes.Join(parts, nil)) != row.parts {
			t.Errorf("ParsePack(%x) = %+v, %x; want %+v, %s", b, got, parts, row.want, row.parts)
		}
	}
}

func TestParsePackRefuses(t *testing.T) {
	event := func(data string) string { return "83a47479706502a36e7370a12fa464617461" + data }
	for _, row := range []struct {
		packed string
		err    error
	}{
		{"", ErrFormat}, {"90", ErrFormat}, {"01", ErrFormat}, {"c1", ErrFormat},
		{"80", ErrType}, {"82a47479706505a36e7370a12f", ErrType}, {"82a474797065ffa36e7370a12f", ErrType},
		{"82a474797065a130a36e7370a12f", ErrType},
		{"81a47479706500", ErrNamespace}, {"82a47479706500a36e737001", ErrNamespace}, {"82a47479706500a36e7370a161", ErrNamespace},
		{"82a47479706500a36e7370a32f2c61", ErrNamespace}, {"82a47479706500a36e7370a0", ErrNamespace},
		{"82a47479706500a36e7370a12f00", ErrFormat}, // more behind it
		{"82a47479706502a36e7370a12f", ErrPayload},
		{"83a47479706501a36e7370a12fa46461746180", ErrPayload},
		{"83a47479706500a36e7370a12fa46461746190", ErrPayload},
		{"83a47479706502a36e7370a12fa2696401", ErrPayload},
		{"84a47479706502a36e7370a12fa26964a131a46461746191a161", ErrID},
		{event("90"), ErrPayload}, {event("80"), ErrPayload}, {event("91c0"), ErrPayload},
		{event("91a7636f6e6e656374"), ErrPayload}, // connect
		{event("ddffffffff"), ErrFormat}, {event("92a161dfffffffff"), ErrFormat}, {event("92a161dbffffffff"), ErrFormat},
		{event("92a161c6ffffffff"), ErrFormat}, {event("92a161c1"), ErrFormat}, {event("92a161d501" + "0000"), ErrFormat},
		{event("92a161" + strings.Repeat("91", 10_000) + "00"), ErrFormat},
		{event("9ca161" + strings.Repeat("c400", 11)), ErrAttachments},
		{event("93a161c40082ac5f706c616365686f6c646572c3a36e756d00"), ErrPlaceholder},
	} {
		b, err := hex.DecodeString(row.packed)
		if err != nil {
			t.Fatal(err)
		}
		var p Packet
		if _, _, err := ParsePack(b, &usual, nil, nil, &p); !errors.Is(err, row.err) {
			t.Errorf("ParsePack(%.60s) = %v; want %v", row.packed, err, row.err)
		}
	}
}

// What is taken is JSON of the shape that a packet has, not many times as long, and writes as a packet that means the same.
func FuzzParsePack(f *testing.F) {
	for _, seed := range []string{
		"82a47479706500a36e7370a12f", "84a47479706502a269640ca36e7370a12fa46461746192a161c4020102",
		"83a47479706502a36e7370a12fa46461746192a161d7000000018bcfe56800", "83a47479706502a36e7370a32f6161a46461746192a16192ffcb3ff8000000000000",
	} {
		b, _ := hex.DecodeString(seed)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, packed []byte) {
		var p, again Packet
		out, parts, err := ParsePack(packed, &usual, nil, nil, &p)
		if err != nil {
			return
		}
		if p.Data != nil && !json.Valid(p.Data) || len(out) > 30*len(packed) {
			t.Fatalf("%x became %q", packed, out)
		}
		repacked, err := AppendPack(nil, &p, parts)
		if err != nil {
			t.Fatal(err)
		}
		_, partsAgain, err := ParsePack(repacked, &usual, nil, nil, &again)
		if err != nil || again.Type != p.Type || again.ID != p.ID || again.HasID != p.HasID || !bytes.Equal(again.Namespace, p.Namespace) {
			t.Fatalf("%x: %+v, packed again: %+v, %v", packed, p, again, err)
		}
		if (again.Data == nil) != (p.Data == nil) || p.Data != nil && !reflect.DeepEqual(meaning(t, again.Data), meaning(t, p.Data)) {
			t.Fatalf("%x: %s, packed again: %s", packed, p.Data, again.Data)
		}
		if again.Attachments != p.Attachments || !slices.EqualFunc(partsAgain, parts, bytes.Equal) {
			t.Fatalf("%x: attachments %x, packed again: %x", packed, parts, partsAgain)
		}
	})
}

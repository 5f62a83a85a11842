package packet

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestAppendPackRefusesWhatIsNotJSON(t *testing.T) {
	for _, data := range []string{`["a"`, `["a"]x`, `{"a"}`, `[x]`, `{1:2}`, `["a",]`} {
		got, err := AppendPack([]byte("before"), &Packet{Type: Event, Namespace: main, Data: []byte(data)}, nil)
		if !errors.Is(err, ErrPayload) {
			t.Errorf("AppendPack(%s) = %x, %v", data, got, err)
		}
	}
}

// Large values take the longer forms.
func TestAppendPackSizes(t *testing.T) {
	var elements []string
	for range 70_000 {
		elements = append(elements, "1")
	}
	for _, n := range []int{0, 15, 16, 65_535, 65_536, 70_000} {
		data := "[" + strings.Join(elements[:n], ",") + "]"
		p := Packet{Type: Ack, Namespace: main, Data: []byte(data)}
		packed, err := AppendPack(nil, &p, nil)
		if err != nil {
			t.Fatal(err)
		}
		var got Packet
		if _, _, err := ParsePack(packed, &usual, nil, nil, &got); err != nil || string(got.Data) != data {
			t.Errorf("%d elements came back as %.40s, %v", n, got.Data, err)
		}
	}
	for _, n := range []int{31, 32, 255, 256, 65_535, 65_536} {
		part := bytes.Repeat([]byte{7}, n)
		text, _ := json.Marshal(strings.Repeat("x", n))
		p := Packet{Type: Ack, Namespace: main, Data: append(append(append([]byte("["), text...), ','), `{"_placeholder":true,"num":0}]`...)}
		packed, err := AppendPack(nil, &p, [][]byte{part})
		if err != nil {
			t.Fatal(err)
		}
		var got Packet
		_, parts, err := ParsePack(packed, &usual, nil, nil, &got)
		if err != nil || !bytes.Equal(got.Data, p.Data) || len(parts) != 1 || !bytes.Equal(parts[0], part) {
			t.Errorf("%d bytes: %.40s, %v", n, got.Data, err)
		}
	}
}

// Numbers are packed by their value, not by how they are written.
func TestAppendPackNumbers(t *testing.T) {
	for _, row := range []struct{ number, packed string }{
		{"1e1", "0a"}, {"2.5e3", "cd09c4"}, {"-2.5e3", "d1f63c"}, {"-0.0", "00"}, {"1.28e2", "cc80"}, {"-33.0", "d0df"},
		{"9007199254740992.0", "cf0020000000000000"}, {"-9007199254740992.0", "d3ffe0000000000000"},
		{"9007199254740993", "cf0020000000000001"}, {"18446744073709551615", "cfffffffffffffffff"},
		{"18446744073709551616", "cb43f0000000000000"}, {"1e16", "cb4341c37937e08000"}, {"0.5", "cb3fe0000000000000"},
		{"1e400", "cb7ff0000000000000"}, {"-1e400", "cbfff0000000000000"}, {"1e-400", "00"},
	} {
		p := Packet{Type: Ack, Namespace: main, Data: []byte("[" + row.number + "]")}
		packed, err := AppendPack(nil, &p, nil)
		if want := "91" + row.packed; err != nil || !strings.HasSuffix(hex.EncodeToString(packed), want) {
			t.Errorf("%s is %x, %v; want %s at the end", row.number, packed, err, want)
		}
	}
}

package protocol

import (
	"slices"
	"strings"
	"testing"
)

func TestMessages(t *testing.T) {
	long := strings.Repeat("x", 300)
	tests := []struct {
		encoding Encoding
		payload  string
		want     []string
		fault    error // after those
	}{
		{JSON, "{}", []string{"{}"}, nil},
		{JSON, "{}\n", []string{"{}"}, nil},
		{JSON, "{}\n{}", []string{"{}", "{}"}, nil},
		{JSON, "{}\r\n {}\n", []string{"{}\r", " {}"}, nil},
		{JSON, "\n", []string{""}, nil},
		{JSON, " ", []string{" "}, nil},
		{JSON, "{}\n\n", []string{"{}", ""}, nil},
		{JSON, "{}\n\n{}", []string{"{}", "", "{}"}, nil},
		{JSON, "\n{}", []string{"", "{}"}, nil},
		{JSON, "{\"id\":\n1}", []string{`{"id":`, "1}"}, nil},
		{JSON, "", nil, FaultSyntax},

		{Protobuf, "\x00", []string{""}, nil},
		{Protobuf, "\x00\x00", []string{"", ""}, nil},
		{Protobuf, "\x02\x08\x01\x00", []string{"\x08\x01", ""}, nil},
		{Protobuf, "\xac\x02" + long, []string{long}, nil},
		{Protobuf, "\x80\x00\x00", []string{"", ""}, nil}, // a size may be longer than it needs to be
		{Protobuf, "", nil, FaultSyntax},
		{Protobuf, "\x01", nil, FaultSyntax},
		{Protobuf, "\x00\x80", []string{""}, FaultSyntax},
		{Protobuf, "\x02\x08", nil, FaultSyntax},
		{Protobuf, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", nil, FaultSyntax},
		{Protobuf, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", nil, FaultSyntax}, // 65 bits
		{Protobuf, "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", nil, FaultSyntax},
	}
	for _, test := range tests {
		var got []string
		var fault error
		for msg, err := range test.encoding.Messages([]byte(test.payload)) {
			if fault = err; err == nil {
				got = append(got, string(msg))
			}
		}
		if !slices.Equal(got, test.want) || fault != test.fault {
			t.Errorf("%v.Messages(%q) = %q, %v; want %q, %v", test.encoding, test.payload, got, fault, test.want, test.fault)
		}
	}
}

func TestMessagesStops(t *testing.T) {
	n := 0
	for _, err := range JSON.Messages([]byte("{}\n{}\n{}")) {
		if n++; n == 2 || err != nil {
			break
		}
	}
	if n != 2 {
		t.Errorf("messages seen = %d; want 2", n)
	}
}

// What is joined into one payload is cut into the same messages again.
func TestJoin(t *testing.T) {
	for encoding, want := range map[Encoding]string{JSON: "{}\n{\"id\":7,\"publish\":{}}\n{}", Protobuf: "\x00\x04\x08\x07\x42\x00\x00"} {
		payload := encoding.AppendPing(encoding.Join(nil))
		payload = encoding.AppendPublishReply(encoding.Join(payload), 7)
		payload = encoding.AppendPing(encoding.Join(payload))
		if string(payload) != want {
			t.Errorf("payload in %v = %q; want %q", encoding, payload, want)
		}
		var d Decoder
		var r Reply
		var kinds []ReplyKind
		for msg, err := range encoding.Messages(payload) {
			if err == nil {
				err = encoding.DecodeReply(&d, msg, &r)
			}
			if err != nil {
				t.Fatalf("message %q of %v = %v", msg, encoding, err)
			}
			kinds = append(kinds, r.Kind)
		}
		if !slices.Equal(kinds, []ReplyKind{ReplyPing, ReplyResult, ReplyPing}) {
			t.Errorf("replies in %v = %v; want ping, result, ping", encoding, kinds)
		}
	}
}

// A blank line, or two objects on one, is no message.
func TestLinesAreObjects(t *testing.T) {
	for _, line := range []string{"", " ", "\r", `{"id":`, "{}{}"} {
		if _, err := decodeCommand(line); err != FaultSyntax {
			t.Errorf("DecodeCommand(%q) = %v; want %v", line, err, FaultSyntax)
		}
	}
}

func TestEncodingString(t *testing.T) {
	if got := JSON.String() + " " + Protobuf.String(); got != "json protobuf" {
		t.Errorf("encodings are called %s; want json protobuf", got)
	}
}

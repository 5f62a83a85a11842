package protocol

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"
)

var fuzzSeeds = []string{
	`{}`,
	`{"id":1,"connect":{"token":"t","data":{"a":[1]},"subs":{"x":{"recover":true,"offset":1,"epoch":"e"},"y":null},"name":"js","version":"5","flag":1}}`,
	`{"id":2,"subscribe":{"channel":"c","token":"t","recover":true,"epoch":"e","offset":18446744073709551615,"data":null,"tf":{"op":""},"type":-1}}`,
	`{"id":4,"publish":{"channel":"\u00e9\ud83d\ude00\ud800","data":{"text":"éè\n","n":-1.5e+3}},"presence":{"channel":"x"}}`,
	` { "id" : 7 , "history" : {"channel":"c","limit":-1,"since":{"offset":5,"epoch":"e"},"reverse":false} } `,
	`{"id":4294967296,"rpc":{"method":"m","data":[[],{},"",0,true,null]}}`,
	`{"send":{"data":"x"},"ping":{},"id":1,"id":2,"refresh":{"token":1}}`,
	`{"id":1,"connect":{"headers":{"a":"b"},"subs":{}},"sub_refresh":{"channel":"c","token":"\\\/\"","type":1},"unknown":[[[[]]]]}`,
}

func FuzzCommand(f *testing.F) {
	for _, seed := range fuzzSeeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(checkCommand)
}

// Each seed, cut at each byte, and with each token there, before the byte or in its place.
func TestCommandMutations(t *testing.T) {
	tokens := []string{"", "{", "}", "]", ",", `"`, `\`, "0", "-", "null", " ", "\n", "\xff"}
	for _, seed := range fuzzSeeds {
		for i := range len(seed) {
			checkCommand(t, []byte(seed[:i]))
			for _, token := range tokens {
				checkCommand(t, []byte(seed[:i]+token+seed[i:]))
				checkCommand(t, []byte(seed[:i]+token+seed[i+1:]))
			}
		}
	}
}

// wireReply is a Reply for encoding/json.
type wireReply struct {
	ID    uint32
	Error struct {
		Code    uint32
		Message string
	}
	Push struct {
		Channel string
		Pub     struct {
			Data   json.RawMessage
			Offset uint64
			Tags   map[string]string
			Info   struct{ User, Client string }
		}
	}
	Subscribe struct {
		Epoch        string
		Offset       uint64
		Publications []struct{ Offset uint64 }
	}
}

func FuzzReply(f *testing.F) {
	f.Add(uint32(1), "chat:a", []byte(`{"a":[1,2]}`), uint64(7), "user")
	f.Add(uint32(0), "\xff\u2028", []byte("[\n1\n]"), uint64(0), "\x00\"\\")
	f.Fuzz(func(t *testing.T, id uint32, channel string, data []byte, offset uint64, user string) {
		if !json.Valid(data) || !utf8.Valid(data) {
			data = []byte("null")
		}
		checkPush(t, channel, data, offset, user)
		checkReply(t, id, offset, user)
	})
}

func checkPush(t *testing.T, channel string, data []byte, offset uint64, user string) {
	info := ClientInfo{User: []byte(user), Client: []byte(channel)}
	line := JSON.AppendPublicationPush(nil, []byte(channel), &Publication{Data: data, Offset: offset, Info: &info, Tags: []Tag{{info.User, info.Client}}})
	push := readBack(t, line).Push
	if push.Channel != clean(channel) || push.Pub.Offset != offset || push.Pub.Info.User != clean(user) || push.Pub.Tags[clean(user)] != clean(channel) {
		t.Fatalf("encoding/json reads %+v from %q", push, line)
	}
	if want := bytes.TrimSpace(bytes.ReplaceAll(data, []byte("\n"), nil)); !bytes.Equal(push.Pub.Data, want) {
		t.Fatalf("encoding/json reads data %q from %q; want %q", push.Pub.Data, line, want)
	}
	var d Decoder
	var r Reply
	if err := d.decodeJSONReply(line, &r); err != nil || r.Kind != ReplyPublication || string(r.Channel) != push.Channel || !bytes.Equal(r.Data, push.Pub.Data) || r.Offset != offset {
		t.Fatalf("DecodeReply(%q) = %+v, %v; want %+v", line, r, err, push)
	}
}

func checkReply(t *testing.T, id uint32, offset uint64, message string) {
	var d Decoder
	var r Reply
	line := JSON.AppendError(nil, id, &Error{Code: id, Message: message, Temporary: id%2 == 0})
	reply := readBack(t, line)
	if err := d.decodeJSONReply(line, &r); err != nil || r.Kind != ReplyError || r.ID != id || reply.ID != id || r.Code != id || reply.Error.Code != id ||
		string(r.Message) != clean(message) || reply.Error.Message != clean(message) {
		t.Fatalf("DecodeReply(%q) = %+v, %v; encoding/json reads %+v", line, r, err, reply)
	}
	line = JSON.AppendSubscribeReply(nil, id, &SubscribeResult{Epoch: []byte(message), Offset: offset, Publications: []Publication{{Offset: offset}, {}}})
	reply = readBack(t, line)
	if err := d.decodeJSONReply(line, &r); err != nil || r.Offset != offset || reply.Subscribe.Offset != offset || len(reply.Subscribe.Publications) != 2 ||
		reply.Subscribe.Publications[0].Offset != offset || string(r.Epoch) != reply.Subscribe.Epoch {
		t.Fatalf("DecodeReply(%q) = %+v, %v; encoding/json reads %+v", line, r, err, reply)
	}
}

// readBack decodes line, which must be a line, by encoding/json.
func readBack(t *testing.T, line []byte) (r wireReply) {
	t.Helper()
	if bytes.IndexByte(line, '\n') >= 0 {
		t.Fatalf("newline in %q", line)
	}
	if err := json.Unmarshal(line, &r); err != nil {
		t.Fatalf("encoding/json: %v in %q", err, line)
	}
	return r
}

// clean returns s with each byte that is not UTF-8 replaced by U+FFFD.
func clean(s string) string { return string([]rune(s)) }

package protocol

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// fill sets about half of what v holds to random values, and all of it in the elements of lists. Its slices of bytes are JSON,
// so that they may be raw values as well as texts.
func fill(r *rand.Rand, v reflect.Value) {
	if r.IntN(2) == 0 && v.Kind() != reflect.Struct {
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(r, v.Field(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(r, v.Elem())
	case reflect.Slice:
		fillSlice(r, v)
	case reflect.String:
		v.SetString([]string{"text", "é\u2028\"\\", "12"}[r.IntN(3)])
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int64:
		v.SetInt([]int64{1, -1, math.MaxInt64, math.MinInt64}[r.IntN(4)])
	default:
		v.SetUint(r.Uint64() >> r.IntN(64) & (1<<v.Type().Bits() - 1))
	}
}

func fillSlice(r *rand.Rand, v reflect.Value) {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		v.SetBytes([]byte([]string{"1", `{"a":"é"}`, `"` + strings.Repeat("x", r.IntN(300)) + `"`}[r.IntN(3)]))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), r.IntN(4), 4))
	for i := range v.Len() {
		fill(r, v.Index(i))
		v.Index(i).Field(0).SetBytes([]byte{byte('0' + i)}) // keys of a map differ; this is JSON too
	}
}

// random returns a T with random content.
func random[T any](r *rand.Rand) *T {
	v := new(T)
	fill(r, reflect.ValueOf(v).Elem())
	return v
}

// present returns some clients, each with an id of its own.
func present(r *rand.Rand) []ClientInfo {
	clients := make([]ClientInfo, r.IntN(3))
	for i := range clients {
		clients[i] = *random[ClientInfo](r)
		clients[i].Client = []byte{'c', byte('0' + i)}
	}
	return clients
}

// replies returns functions that append each message of the server, with random content.
func replies(r *rand.Rand) map[string]func(e Encoding) []byte {
	id, channel := max(r.Uint32()>>r.IntN(32), 1), []byte(strings.Repeat("c", 1+r.IntN(200)))
	data := random[Publication](r).Data
	err, unsubscribed, disconnect := random[Error](r), random[Unsubscribed](r), random[Disconnect](r)
	connect, subscribe, stats, history := random[ConnectResult](r), random[SubscribeResult](r), random[PresenceStatsResult](r), random[HistoryResult](r)
	refresh, subRefresh, pub, info, clients := random[RefreshResult](r), random[SubRefreshResult](r), random[Publication](r), random[ClientInfo](r), present(r)
	return map[string]func(e Encoding) []byte{
		"error":            func(e Encoding) []byte { return e.AppendError(nil, id, err) },
		"connect":          func(e Encoding) []byte { return e.AppendConnectReply(nil, id, connect) },
		"subscribe":        func(e Encoding) []byte { return e.AppendSubscribeReply(nil, id, subscribe) },
		"unsubscribe":      func(e Encoding) []byte { return e.AppendUnsubscribeReply(nil, id) },
		"publish":          func(e Encoding) []byte { return e.AppendPublishReply(nil, id) },
		"presence":         func(e Encoding) []byte { return e.AppendPresenceReply(nil, id, clients) },
		"presence_stats":   func(e Encoding) []byte { return e.AppendPresenceStatsReply(nil, id, *stats) },
		"history":          func(e Encoding) []byte { return e.AppendHistoryReply(nil, id, history) },
		"rpc":              func(e Encoding) []byte { return e.AppendRPCReply(nil, id, data) },
		"refresh":          func(e Encoding) []byte { return e.AppendRefreshReply(nil, id, refresh) },
		"sub_refresh":      func(e Encoding) []byte { return e.AppendSubRefreshReply(nil, id, *subRefresh) },
		"ping":             func(e Encoding) []byte { return e.AppendPing(nil) },
		"push pub":         func(e Encoding) []byte { return e.AppendPublicationPush(nil, channel, pub) },
		"push join":        func(e Encoding) []byte { return e.AppendJoinPush(nil, channel, info) },
		"push leave":       func(e Encoding) []byte { return e.AppendLeavePush(nil, channel, info) },
		"push unsubscribe": func(e Encoding) []byte { return e.AppendUnsubscribePush(nil, channel, *unsubscribed) },
		"push subscribe":   func(e Encoding) []byte { return e.AppendSubscribePush(nil, channel, subscribe) },
		"push message":     func(e Encoding) []byte { return e.AppendMessagePush(nil, data) },
		"push connect":     func(e Encoding) []byte { return e.AppendConnectPush(nil, connect) },
		"push disconnect":  func(e Encoding) []byte { return e.AppendDisconnectPush(nil, *disconnect) },
		"push refresh":     func(e Encoding) []byte { return e.AppendRefreshPush(nil, subRefresh.Expires, subRefresh.TTL) },
	}
}

// What the oracle reads from the one encoding says the same as the other, and is the same Reply to a client.
func TestReplyIsTheSameInBothEncodings(t *testing.T) {
	r := randomness(t)
	for range 200 {
		for name, encode := range replies(r) {
			line, framed := encode(JSON), encode(Protobuf)
			wire := unframed(t, framed)
			m, err := unmarshal("Reply", wire)
			if err != nil {
				t.Fatalf("%s: oracle on %x: %v", name, wire, err)
			}
			if got, want := parsed(t, asJSON(m)), parsed(t, string(line)); !reflect.DeepEqual(got, want) {
				t.Fatalf("%s: oracle reads %v from %x; want %v", name, got, wire, want)
			}
			checkReplies(t, name, line, wire)
		}
	}
}

// checkReplies fails unless a client reads the same from both.
func checkReplies(t *testing.T, name string, line, wire []byte) {
	t.Helper()
	var d Decoder
	var fromJSON, got Reply
	if err := JSON.DecodeReply(&d, line, &fromJSON); err != nil {
		t.Fatalf("%s: DecodeReply(%s) = %v", name, line, err)
	}
	if err := Protobuf.DecodeReply(&d, wire, &got); err != nil || !reflect.DeepEqual(got, fromJSON) {
		t.Fatalf("%s: DecodeReply(%x) = %+v, %v; want as of %s: %+v", name, wire, got, err, line, fromJSON)
	}
}

// parsed returns what JSON says, whatever its order and spelling.
func parsed(t *testing.T, text string) (v any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("encoding/json: %v in %s", err, text)
	}
	return v
}

// A message grows at its front when its size needs more bytes: at each boundary the payload stays whole.
func TestProtobufSizes(t *testing.T) {
	for _, size := range []int{0, 1, 100, 120, 125, 126, 127, 128, 16000, 16380, 16383, 16384, 1 << 21} {
		p := Publication{Data: []byte(strings.Repeat("x", size))}
		payload := Protobuf.AppendPublicationPush([]byte("\x00"), []byte("c"), &p)
		ping, rest, err := Protobuf.Next(payload)
		if err != nil || len(ping) > 0 {
			t.Fatalf("message before the push = %x, %v; want it unharmed", ping, err)
		}
		wire := unframed(t, rest)
		var d Decoder
		var r Reply
		if err := Protobuf.DecodeReply(&d, wire, &r); err != nil || len(r.Data) != size || string(r.Channel) != "c" {
			t.Errorf("push of %d bytes has %d to %q, %v", size, len(r.Data), r.Channel, err)
		}
	}
}

// Text that is not UTF-8 becomes what it becomes in JSON; other decoders refuse the whole message otherwise.
func TestProtobufTextIsUTF8(t *testing.T) {
	for text, want := range map[string]string{"é": "é", "\xff": "\uFFFD", "a\xc3": "a\uFFFD", strings.Repeat("\xff", 50): strings.Repeat("\uFFFD", 50)} {
		for _, line := range [][]byte{Protobuf.AppendError(nil, 1, &Error{Message: text}), Protobuf.AppendSubscribeReply(nil, 1, &SubscribeResult{Epoch: []byte(text)})} {
			msg := unframed(t, line)
			var d Decoder
			var r Reply
			if err := Protobuf.DecodeReply(&d, msg, &r); err != nil || string(r.Message)+string(r.Epoch) != want {
				t.Errorf("%q is read back as %q and %q, %v; want %q", text, r.Message, r.Epoch, err, want)
			}
		}
	}
}

func TestDecodeProtobufReplyFaults(t *testing.T) {
	for msg, want := range map[string]Fault{"\x0a\x00": FaultType, "\x20\x01": FaultType, "\x22\x05\x22\x03\x20\x01\x08": FaultType,
		"\x12\x03\x12\x01\xff": FaultSyntax, "\x2a\x01": FaultSyntax, "\x0b": FaultSyntax} {
		var d Decoder
		var r Reply
		if err := Protobuf.DecodeReply(&d, []byte(msg), &r); err != want {
			t.Errorf("DecodeReply(%x) = %v; want %v", msg, err, want)
		}
	}
}

package protocol

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// The oracle is encoding/json, which fills these structs as a Decoder should fill a Command. What it does otherwise is put
// right by types of its own: of equal keys with objects the last one counts whole, and keys are compared to the letter.

type oracleCommand struct {
	ID            uint32                            `json:"id"`
	Connect       *last[oracleConnect]              `json:"connect"`
	Subscribe     *last[oracleSubscribe]            `json:"subscribe"`
	Unsubscribe   *last[struct{ Channel string }]   `json:"unsubscribe"`
	Publish       *last[oraclePublish]              `json:"publish"`
	Presence      *last[struct{ Channel string }]   `json:"presence"`
	PresenceStats *last[struct{ Channel string }]   `json:"presence_stats"`
	History       *last[oracleHistory]              `json:"history"`
	RPC           *last[oracleRPC]                  `json:"rpc"`
	Send          *last[struct{ Data rawValue }]    `json:"send"`
	Refresh       *last[struct{ Token string }]     `json:"refresh"`
	SubRefresh    *last[oracleSubRefresh]           `json:"sub_refresh"`
	Ping          *last[map[string]json.RawMessage] `json:"ping"`
}

type oracleConnect struct {
	Token   string
	Data    rawValue
	Subs    rawSubs
	Name    string
	Version string
	Headers map[string]string
	Flag    int64
}

type oracleSubscribe struct {
	Channel, Token, Epoch string
	Offset                uint64
	Data                  rawValue
	Delta                 string
	TF                    rawObject
	Flag                  int64
	Type                  int32
	Recover               bool
	Positioned            bool
	Recoverable           bool
	JoinLeave             bool `json:"join_leave"`
}

type oraclePublish struct {
	Channel string
	Data    rawValue
	Key     string
	Type    int32
	Removed bool
}

type oracleHistory struct {
	Channel string
	Since   *last[struct {
		Offset uint64
		Epoch  string
	}]
	Limit   int32
	Reverse bool
}

type oracleRPC struct {
	Method string
	Data   rawValue
}

type oracleSubRefresh struct {
	Channel, Token string
	Type           int32
}

type (
	rawValue  = json.RawMessage
	rawSubs   struct{ raw []byte }
	rawObject struct{ raw []byte }
)

// last decodes afresh each time its key comes.
type last[T any] struct{ v T }

func (l *last[T]) UnmarshalJSON(b []byte) error {
	l.v = *new(T)
	return json.Unmarshal(b, &l.v)
}

func (r *rawSubs) UnmarshalJSON(b []byte) error {
	var subs map[string]*oracleSubscribe
	return keepRaw(b, &subs, &r.raw)
}

func (r *rawObject) UnmarshalJSON(b []byte) error {
	var object map[string]json.RawMessage
	return keepRaw(b, &object, &r.raw)
}

// keepRaw makes *raw what b holds if it decodes into v, and nil if that is null.
func keepRaw(b []byte, v any, raw *[]byte) error {
	*raw = nil
	if string(b) != "null" {
		*raw = slices.Clone(b)
	}
	return json.Unmarshal(b, v)
}

// get returns what l holds, and true if it is there.
func get[T any](l *last[T]) (v T, ok bool) {
	if l == nil {
		return v, false
	}
	return l.v, true
}

// oracle returns what DecodeCommand should make of line.
func oracle(line []byte) (Command, error) {
	if !utf8.Valid(line) || !bytes.HasPrefix(bytes.TrimLeft(line, " \t\r\n"), []byte("{")) {
		return Command{}, fmt.Errorf("not one object")
	}
	var o oracleCommand
	if err := json.Unmarshal(line, &o); err != nil {
		return Command{}, err
	}
	return o.command(), nil
}

func (o *oracleCommand) command() Command {
	c := Command{ID: o.ID}
	see := func(m Method, ok bool) {
		if ok {
			c.seen |= 1 << m
		}
	}
	connect, ok := get(o.Connect)
	c.Connect = ConnectRequest{octets(connect.Token), connect.Data, connect.Subs.raw, octets(connect.Name), octets(connect.Version), connect.Flag}
	see(MethodConnect, ok)
	s, ok := get(o.Subscribe)
	c.Subscribe = SubscribeRequest{octets(s.Channel), octets(s.Token), octets(s.Epoch), s.Offset, s.Data, octets(s.Delta), s.TF.raw, s.Flag, s.Type,
		s.Recover, s.Positioned, s.Recoverable, s.JoinLeave}
	see(MethodSubscribe, ok)
	unsubscribe, ok := get(o.Unsubscribe)
	c.Unsubscribe.Channel = octets(unsubscribe.Channel)
	see(MethodUnsubscribe, ok)
	publish, ok := get(o.Publish)
	c.Publish = PublishRequest{octets(publish.Channel), publish.Data, octets(publish.Key), publish.Type, publish.Removed}
	see(MethodPublish, ok)
	presence, ok := get(o.Presence)
	c.Presence.Channel = octets(presence.Channel)
	see(MethodPresence, ok)
	stats, ok := get(o.PresenceStats)
	c.PresenceStats.Channel = octets(stats.Channel)
	see(MethodPresenceStats, ok)
	history, ok := get(o.History)
	since, hasSince := get(history.Since)
	c.History = HistoryRequest{octets(history.Channel), Position{since.Offset, octets(since.Epoch)}, hasSince, history.Limit, history.Reverse}
	see(MethodHistory, ok)
	rpc, ok := get(o.RPC)
	c.RPC = RPCRequest{octets(rpc.Method), rpc.Data}
	see(MethodRPC, ok)
	send, ok := get(o.Send)
	c.Send.Data = send.Data
	see(MethodSend, ok)
	refresh, ok := get(o.Refresh)
	c.Refresh.Token = octets(refresh.Token)
	see(MethodRefresh, ok)
	subRefresh, ok := get(o.SubRefresh)
	c.SubRefresh = SubRefreshRequest{octets(subRefresh.Channel), octets(subRefresh.Token), subRefresh.Type}
	see(MethodSubRefresh, ok)
	_, ok = get(o.Ping)
	see(MethodPing, ok)
	c.settle()
	return c
}

// octets returns s as bytes, nil if it is empty.
func octets(s string) []byte {
	if s == "" {
		return nil
	}
	return []byte(s)
}

// judgeable reports whether the oracle can judge line: its nesting is far from the limit, and no key of it would be one of
// ours for encoding/json alone, which passes over the case of letters.
func judgeable(line []byte) bool {
	if bytes.Count(line, []byte("{"))+bytes.Count(line, []byte("[")) > MaxDepth {
		return false
	}
	tokens := json.NewDecoder(bytes.NewReader(line))
	for {
		token, err := tokens.Token()
		if err != nil {
			return true
		}
		if s, ok := token.(string); ok && slices.ContainsFunc(knownKeys, func(key string) bool { return s != key && strings.EqualFold(s, key) }) {
			return false
		}
	}
}

var knownKeys = []string{"id", "connect", "subscribe", "unsubscribe", "publish", "presence", "presence_stats", "history", "rpc", "send", "refresh",
	"sub_refresh", "ping", "token", "data", "subs", "name", "version", "headers", "flag", "channel", "epoch", "offset", "delta", "tf", "type",
	"recover", "positioned", "recoverable", "join_leave", "key", "removed", "since", "limit", "reverse", "method"}

// empty makes the empty slices in v, a struct, nil: here they mean the same.
func empty(v reflect.Value) {
	for i := range v.NumField() {
		switch field := v.Field(i); field.Kind() {
		case reflect.Struct:
			empty(field)
		case reflect.Slice:
			if field.Len() == 0 {
				field.SetZero()
			}
		}
	}
}

// checkCommand fails unless a Decoder makes of line what the oracle makes of it.
func checkCommand(t *testing.T, line []byte) {
	t.Helper()
	var d Decoder
	var got Command
	before := slices.Clone(line)
	err := d.decodeJSONCommand(line, &got)
	if !bytes.Equal(line, before) {
		t.Fatalf("DecodeCommand(%q) has changed the line to %q", before, line)
	}
	if !judgeable(line) {
		return
	}
	want, wantErr := oracle(line)
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("DecodeCommand(%q) = %v; encoding/json says %v", line, err, wantErr)
	}
	if err != nil {
		return
	}
	empty(reflect.ValueOf(&got).Elem())
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("DecodeCommand(%q) = %+v; want %+v", line, got, want)
	}
	checkSubs(t, &d, &got.Connect)
	checkAppended(t, &got)
}

// checkSubs fails unless the entries of r.Subs are those that encoding/json finds.
func checkSubs(t *testing.T, d *Decoder, r *ConnectRequest) {
	t.Helper()
	want := map[string]*last[oracleSubscribe]{}
	if r.Subs != nil {
		if err := json.Unmarshal(r.Subs, &want); err != nil {
			t.Fatalf("subs %q = %v; want entries", r.Subs, err)
		}
	}
	got := map[string]SubscribeRequest{}
	for channel, request := range JSON.Subs(d, r) {
		got[string(channel)] = *request
	}
	if len(got) != len(want) {
		t.Fatalf("Subs(%q) has %d channels; want %d", r.Subs, len(got), len(want))
	}
	for channel, entry := range want {
		request, _ := get(entry)
		if string(got[channel].Token) != request.Token || got[channel].Offset != request.Offset || got[channel].Recover != request.Recover {
			t.Fatalf("Subs(%q) has %+v for %q; want %+v", r.Subs, got[channel], channel, request)
		}
	}
}

// checkAppended fails unless the commands that clients append decode to what they were made of.
func checkAppended(t *testing.T, c *Command) {
	t.Helper()
	var d Decoder
	var got Command
	line := JSON.AppendPublish(nil, c.ID, &PublishRequest{Channel: c.Publish.Channel, Data: c.Publish.Data})
	if err := d.decodeJSONCommand(line, &got); err != nil || got.ID != c.ID || !bytes.Equal(got.Publish.Channel, c.Publish.Channel) ||
		!bytes.Equal(got.Publish.Data, bytes.ReplaceAll(c.Publish.Data, newline, nil)) {
		t.Fatalf("DecodeCommand(%q) = %+v, %v; want %+v", line, got.Publish, err, c.Publish)
	}
	line = JSON.AppendConnect(nil, c.ID, &ConnectRequest{Token: c.Connect.Token, Name: c.Connect.Name})
	if err := d.decodeJSONCommand(line, &got); err != nil || !bytes.Equal(got.Connect.Token, c.Connect.Token) || !bytes.Equal(got.Connect.Name, c.Connect.Name) {
		t.Fatalf("DecodeCommand(%q) = %+v, %v; want %+v", line, got.Connect, err, c.Connect)
	}
}

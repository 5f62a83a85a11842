package protocol

import (
	"bytes"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// randomMessage fills about half the fields of m.
func randomMessage(r *rand.Rand, m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if r.IntN(2) == 0 || f.Kind() == protoreflect.MessageKind && depth == 0 {
			continue
		}
		switch {
		case f.IsMap():
			for range 1 + r.IntN(2) {
				v := m.NewField(f).Map().NewValue()
				m.Mutable(f).Map().Set(protoreflect.ValueOfString(randomText(r)).MapKey(), randomValue(r, f.MapValue(), v, depth))
			}
		case f.IsList():
			for range 1 + r.IntN(3) {
				m.Mutable(f).List().Append(randomValue(r, f, m.NewField(f).List().NewElement(), depth))
			}
		default:
			m.Set(f, randomValue(r, f, m.NewField(f), depth))
		}
	}
}

// randomValue returns a value for f; v is an empty one.
func randomValue(r *rand.Rand, f protoreflect.FieldDescriptor, v protoreflect.Value, depth int) protoreflect.Value {
	number := []uint64{0, 1, 127, 128, math.MaxInt32, math.MaxUint32, math.MaxInt64, math.MaxUint64, r.Uint64()}[r.IntN(9)]
	switch f.Kind() {
	case protoreflect.MessageKind:
		randomMessage(r, v.Message(), depth-1)
		return v
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(randomText(r))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte([]string{"null", `{"a":[1]}`, `"é"`, string(bytes.Repeat([]byte("7"), 200))}[r.IntN(4)]))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(r.IntN(2) == 0)
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(uint32(number))
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(number)
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(int32(number))
	}
	return protoreflect.ValueOfInt64(int64(number))
}

func randomText(r *rand.Rand) string {
	return []string{"", "c", "chat:index", "é世\u2028\"\\\n", string(bytes.Repeat([]byte("x"), 1+r.IntN(300)))}[r.IntN(5)]
}

// randomness returns a source whose seed a failing test prints.
func randomness(t *testing.T) *rand.Rand {
	seed := rand.Uint64()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}

// unframed returns the one message of payload, without its size.
func unframed(t testing.TB, payload []byte) []byte {
	t.Helper()
	msg, rest, err := Protobuf.Next(payload)
	if err != nil || len(rest) > 0 {
		t.Fatalf("Next(%x) leaves %x, %v; want one message", payload, rest, err)
	}
	return msg
}

// A command that the oracle writes in both encodings is one value to us.
func TestCommandIsTheSameInBothEncodings(t *testing.T) {
	r := randomness(t)
	for range 1000 {
		m := newMessage("Command")
		randomMessage(r, m, 4)
		wire, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		fromJSON, subs := decodeWith(t, JSON, []byte(asJSON(m)))
		got, gotSubs := decodeWith(t, Protobuf, wire)
		if !reflect.DeepEqual(got, fromJSON) || !reflect.DeepEqual(gotSubs, subs) {
			t.Fatalf("DecodeCommand(%x) = %+v with subs %+v; want as of %s: %+v with subs %+v", wire, got, gotSubs, asJSON(m), fromJSON, subs)
		}
	}
}

// decodeWith decodes msg, and takes what each encoding has a form of its own for out of the command: the entries of subs, which
// it returns, and filters, of which it leaves only the fact.
func decodeWith(t *testing.T, e Encoding, msg []byte) (c Command, subs map[string]SubscribeRequest) {
	t.Helper()
	var d Decoder
	if err := e.DecodeCommand(&d, msg, &c); err != nil {
		t.Fatalf("%v.DecodeCommand(%q) = %v", e, msg, err)
	}
	subs = map[string]SubscribeRequest{}
	for channel, request := range e.Subs(&d, &c.Connect) {
		request.TagsFilter = mention(request.TagsFilter)
		subs[string(channel)] = copied(*request)
	}
	c.Connect.Subs, c.Subscribe.TagsFilter = nil, mention(c.Subscribe.TagsFilter)
	return c, subs
}

// copied returns r without a share in the Decoder's space.
func copied(r SubscribeRequest) SubscribeRequest {
	for _, text := range []*[]byte{&r.Channel, &r.Token, &r.Epoch, &r.Data, &r.Delta} {
		*text = slices.Clone(*text)
	}
	return r
}

func mention(b []byte) []byte {
	if b == nil {
		return nil
	}
	return []byte("here")
}

func TestDecodeProtobufCommand(t *testing.T) {
	tests := []struct {
		what string
		msg  string
		want Command
	}{
		{"pong", "", Command{Method: MethodPong}},
		{"explicit id 0", "\x08\x00", Command{Method: MethodPong}},
		{"id only", "\x08\x05", Command{ID: 5}},
		{"the last id", "\x08\x05\x08\x06\x62\x00", Command{ID: 6, Method: MethodSend}},
		{"a varint longer than it needs to be", "\x08\x85\x80\x00\x62\x00", Command{ID: 5, Method: MethodSend}},
		{"id of 33 bits, cut to 32", "\x08\x85\x80\x80\x80\x10\x62\x00", Command{ID: 5, Method: MethodSend}},
		{"precedence", "\x08\x01\x62\x00\x32\x03\x0a\x01c", Command{ID: 1, Method: MethodUnsubscribe, Unsubscribe: UnsubscribeRequest{Channel: []byte("c")}}},
		{"ping", "\x08\x01\x5a\x02\x08\x01", Command{ID: 1, Method: MethodPing}},
		{"unknown fields of each type", "\x08\x01\xf8\x01\x05\xf9\x01eightbyt\xfa\x01\x01x\xfd\x01four\x62\x00", Command{ID: 1, Method: MethodSend}},
		{"data of any bytes", "\x08\x01\x3a\x07\x0a\x01c\x12\x02\xff\n",
			Command{ID: 1, Method: MethodPublish, Publish: PublishRequest{Channel: []byte("c"), Data: []byte("\xff\n")}}},
		{"no data", "\x08\x01\x3a\x03\x0a\x01c", Command{ID: 1, Method: MethodPublish, Publish: PublishRequest{Channel: []byte("c")}}},
		{"empty data is none", "\x08\x01\x3a\x05\x0a\x01c\x12\x00", Command{ID: 1, Method: MethodPublish, Publish: PublishRequest{Channel: []byte("c")}}},
		{"requests merge", "\x08\x01\x3a\x03\x0a\x01c\x3a\x06\x12\x01d\x0a\x01e",
			Command{ID: 1, Method: MethodPublish, Publish: PublishRequest{Channel: []byte("e"), Data: []byte("d")}}},
		{"positions merge", "\x08\x01\x52\x09\x42\x02\x08\x05\x42\x03\x12\x01e",
			Command{ID: 1, Method: MethodHistory, History: HistoryRequest{HasSince: true, Since: Position{Offset: 5, Epoch: []byte("e")}}}},
		{"negative limit", "\x08\x01\x52\x0b\x38\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", Command{ID: 1, Method: MethodHistory, History: HistoryRequest{Limit: -1}}},
		{"any bool but 0 is true", "\x08\x01\x52\x02\x48\x02", Command{ID: 1, Method: MethodHistory, History: HistoryRequest{Reverse: true}}},
	}
	for _, test := range tests {
		var d Decoder
		var got Command
		err := Protobuf.DecodeCommand(&d, []byte(test.msg), &got)
		got.seen = 0
		if err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: DecodeCommand(%x) = %+v, %v; want %+v", test.what, test.msg, got, err, test.want)
		}
	}
}

func TestDecodeProtobufFaults(t *testing.T) {
	nested := func(n int) []byte {
		var node []byte
		for range n - 1 {
			node = append(appendVarint([]byte{6<<3 | wireBytes}, uint64(len(node))), node...)
		}
		return node
	}
	deep := func(n int) string {
		return string(unframed(t, Protobuf.AppendSubscribe(nil, 1, &SubscribeRequest{TagsFilter: nested(n)})))
	}
	tests := []struct {
		what string
		msg  string
		want error
	}{
		{"tag alone", "\x08", FaultSyntax},
		{"tag cut", "\x88", FaultSyntax},
		{"varint cut", "\x08\x80", FaultSyntax},
		{"varint of 65 bits", "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", FaultSyntax},
		{"varint of eleven bytes", "\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", FaultSyntax},
		{"field 0", "\x00\x00", FaultSyntax},
		{"field past the largest number", "\x80\x80\x80\x80\x10\x00", FaultSyntax},
		{"size alone", "\x3a\x02", FaultSyntax},
		{"size past the end", "\x3a\x02\x0a", FaultSyntax},
		{"size past the request, not the command", "\x3a\x03\x0a\x05c\x08\x01\x08\x01\x08\x01", FaultSyntax},
		{"huge size", "\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", FaultSyntax},
		{"64 bits cut", "\xf9\x01sevenby", FaultSyntax},
		{"32 bits cut", "\xfd\x01thr", FaultSyntax},
		{"group", "\xfb\x01\xfc\x01", FaultSyntax},
		{"end of a group", "\xfc\x01", FaultSyntax},
		{"wire type 6", "\x0e", FaultSyntax},
		{"wire type 7", "\x0f", FaultSyntax},
		{"id that is bytes", "\x0a\x01x", FaultType},
		{"id that is 32 bits", "\x0d\x01\x00\x00\x00", FaultType},
		{"publish that is a number", "\x38\x01", FaultType},
		{"channel that is a number", "\x3a\x02\x08\x01", FaultType},
		{"data that is a number", "\x3a\x02\x10\x01", FaultType},
		{"bool that is bytes", "\x3a\x02\x2a\x00", FaultType},
		{"subs that is a number", "\x22\x02\x18\x01", FaultType},
		{"entry of subs that is a number", "\x22\x04\x1a\x02\x10\x01", FaultType},
		{"filter that is a number", "\x2a\x02\x68\x01", FaultType},
		{"node of a filter that is a number", "\x2a\x04\x6a\x02\x30\x01", FaultType},
		{"two filters", "\x2a\x04\x6a\x00\x6a\x00", FaultType},
		{"header that is a number", "\x22\x04\x32\x02\x10\x01", FaultType},
		{"channel that is not UTF-8", "\x3a\x03\x0a\x01\xff", FaultSyntax},
		{"channel of subs that is not UTF-8", "\x22\x05\x1a\x03\x0a\x01\xff", FaultSyntax},
		{"header that is not UTF-8", "\x22\x05\x32\x03\x12\x01\xff", FaultSyntax},
		{"filter that is not UTF-8", "\x2a\x05\x6a\x03\x2a\x01\xff", FaultSyntax},
		{"filter that goes too deep", deep(MaxDepth + 1), FaultDepth},
		{"filter that goes as deep as may be", deep(MaxDepth), nil},
	}
	for _, test := range tests {
		var d Decoder
		var c Command
		if err := Protobuf.DecodeCommand(&d, []byte(test.msg), &c); err != test.want {
			t.Errorf("%s: DecodeCommand(%x) = %v; want %v", test.what, test.msg, err, test.want)
		}
	}
}

// The entries of subs need not stand side by side, nor in one request.
func TestProtobufSubsMerge(t *testing.T) {
	var d Decoder
	var c Command
	msg := []byte("\x22\x0a\x1a\x03\x0a\x01a\x0a\x03tok" + "\x08\x01" + "\x22\x09\x1a\x07\x0a\x01b\x12\x02\x38\x05")
	if err := Protobuf.DecodeCommand(&d, msg, &c); err != nil || string(c.Connect.Token) != "tok" {
		t.Fatalf("DecodeCommand(%x) = %+v, %v; want the token", msg, c.Connect, err)
	}
	got := map[string]uint64{}
	for channel, request := range Protobuf.Subs(&d, &c.Connect) {
		got[string(channel)] = request.Offset
	}
	if want := map[string]uint64{"a": 0, "b": 5}; !reflect.DeepEqual(got, want) {
		t.Errorf("offsets in subs = %v; want %v", got, want)
	}
	for range Protobuf.Subs(&d, &c.Connect) {
		break // an iteration may stop
	}
}

// Each command that we append is to the oracle what it is to us.
func TestProtobufCommands(t *testing.T) {
	r := randomness(t)
	for range 1000 {
		m := newMessage("Command")
		randomMessage(r, m, 4)
		wire, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		checkReencoded(t, wire, m)
	}
}

// checkReencoded fails unless each request of msg, which the oracle reads as m, is the same to the oracle once we have decoded
// it and appended it again.
func checkReencoded(t *testing.T, msg []byte, m *dynamicpb.Message) {
	t.Helper()
	var d Decoder
	var c Command
	if err := Protobuf.DecodeCommand(&d, msg, &c); err != nil {
		t.Fatalf("DecodeCommand(%x) = %v; the oracle reads %v", msg, err, m)
	}
	checkAliases(t, msg, reflect.ValueOf(c))
	var all []byte
	for method := MethodConnect; method < MethodPing; method++ {
		if c.seen&(1<<method) != 0 {
			all = append(all, unframed(t, appendCommand(nil, method, &c))...) // messages that stand one after the other merge
		}
	}
	got, err := unmarshal("Command", all)
	if err != nil {
		t.Fatalf("oracle on %x, made of %x: %v", all, msg, err)
	}
	dropEmptyFilter(got) // ours has kept the fields that are unknown to the oracle
	if want := readable(m, c.seen); !proto.Equal(got, want) {
		t.Fatalf("appended again, command %x is %v to the oracle; want %v", msg, got, want)
	}
	checkSubsEqual(t, &d, &c, m)
}

// readable returns m without what the commands of a client leave out.
func readable(m *dynamicpb.Message, seen uint16) *dynamicpb.Message {
	m = proto.Clone(m).(*dynamicpb.Message)
	m.Clear(field(m, "ping"))
	if seen&^(1<<MethodPing) == 0 {
		m.Clear(field(m, "id"))
	}
	if connect := field(m, "connect"); m.Has(connect) {
		request := m.Mutable(connect).Message()
		request.Clear(field(request, "subs"))
		request.Clear(field(request, "headers"))
	}
	dropEmptyFilter(m)
	return m
}

// dropEmptyFilter takes a filter that says nothing out of a command to subscribe: it is the same as none.
func dropEmptyFilter(m *dynamicpb.Message) {
	subscribe := field(m, "subscribe")
	if !m.Has(subscribe) {
		return
	}
	request := m.Mutable(subscribe).Message()
	if tf := field(request, "tf"); proto.Size(request.Get(tf).Message().Interface()) == 0 {
		request.Clear(tf)
	}
}

func field(of protoreflect.Message, name protoreflect.Name) protoreflect.FieldDescriptor {
	return of.Descriptor().Fields().ByName(name)
}

func appendCommand(dst []byte, m Method, c *Command) []byte {
	e := Protobuf
	switch m {
	case MethodConnect:
		return e.AppendConnect(dst, c.ID, &c.Connect)
	case MethodSubscribe:
		return e.AppendSubscribe(dst, c.ID, &c.Subscribe)
	case MethodUnsubscribe:
		return e.AppendUnsubscribe(dst, c.ID, c.Unsubscribe.Channel)
	case MethodPublish:
		return e.AppendPublish(dst, c.ID, &c.Publish)
	case MethodPresence:
		return e.AppendPresence(dst, c.ID, c.Presence.Channel)
	case MethodPresenceStats:
		return e.AppendPresenceStats(dst, c.ID, c.PresenceStats.Channel)
	case MethodHistory:
		return e.AppendHistory(dst, c.ID, &c.History)
	case MethodRPC:
		return e.AppendRPC(dst, c.ID, &c.RPC)
	case MethodSend:
		return e.AppendSend(dst, c.ID, c.Send.Data)
	case MethodRefresh:
		return e.AppendRefresh(dst, c.ID, c.Refresh.Token)
	}
	return e.AppendSubRefresh(dst, c.ID, &c.SubRefresh)
}

// checkSubsEqual fails unless c has the entries of subs that the oracle has in m.
func checkSubsEqual(t *testing.T, d *Decoder, c *Command, m *dynamicpb.Message) {
	t.Helper()
	connect := m.Get(m.Descriptor().Fields().ByName("connect")).Message()
	want := connect.Get(connect.Descriptor().Fields().ByName("subs")).Map()
	got := map[string]proto.Message{}
	for channel, request := range Protobuf.Subs(d, &c.Connect) {
		one := unframed(t, Protobuf.AppendSubscribe(nil, 0, request))
		command, err := unmarshal("Command", one)
		if err != nil {
			t.Fatalf("oracle on %x: %v", one, err)
		}
		got[string(channel)] = readable(command, 0)
	}
	if c.seen&(1<<MethodConnect) == 0 {
		return
	}
	if len(got) != want.Len() {
		t.Fatalf("subs has %d channels; want %d: %v", len(got), want.Len(), want)
	}
	want.Range(func(channel protoreflect.MapKey, v protoreflect.Value) bool {
		command := newMessage("Command")
		command.Set(command.Descriptor().Fields().ByName("subscribe"), v)
		if wanted := readable(command, 0); !proto.Equal(got[channel.String()], wanted) {
			t.Fatalf("subs has %v for %q; want %v", got[channel.String()], channel, wanted)
		}
		return true
	})
}

// checkAliases fails unless every slice in v points into msg.
func checkAliases(t *testing.T, msg []byte, v reflect.Value) {
	t.Helper()
	for i := range v.NumField() {
		switch field := v.Field(i); {
		case field.Kind() == reflect.Struct:
			checkAliases(t, msg, field)
		case field.Kind() == reflect.Slice && field.Len() > 0:
			first := field.Index(0).Addr().Interface().(*byte)
			if !slices.ContainsFunc(places(msg), func(place *byte) bool { return place == first }) {
				t.Fatalf("%s of %x does not point into it", v.Type().Field(i).Name, msg)
			}
		}
	}
}

func places(b []byte) []*byte {
	all := make([]*byte, len(b))
	for i := range b {
		all[i] = &b[i]
	}
	return all
}

// We take what the oracle takes, save groups, fields of other types and filters that would have to be merged.
func FuzzProtobufCommand(f *testing.F) {
	for _, seed := range fuzzSeeds {
		var d Decoder
		var c Command
		if err := JSON.DecodeCommand(&d, []byte(seed), &c); err == nil {
			for method := MethodConnect; method < MethodPing; method++ {
				f.Add(appendCommand(nil, method, &c)[1:])
			}
		}
	}
	f.Add([]byte("\x08\x01\x22\x13\x1a\x07\x0a\x01a\x12\x02\x38\x05\x1a\x08\x0a\x01b\x12\x03\x32\x01e\x5a\x00"))
	f.Add([]byte("\x2a\x0b\x6a\x09\x0a\x02or\x32\x03\x12\x01k"))
	f.Add([]byte("\x2a\x0b\x6a\x09\x3900000000")) // a filter with nothing but an unknown field
	f.Fuzz(checkProtobufCommand)
}

func checkProtobufCommand(t *testing.T, msg []byte) {
	t.Helper()
	var d Decoder
	var c Command
	before := slices.Clone(msg)
	err := Protobuf.DecodeCommand(&d, msg, &c)
	if !bytes.Equal(msg, before) {
		t.Fatalf("DecodeCommand(%x) has changed it to %x", before, msg)
	}
	want, oracleErr := unmarshal("Command", msg)
	foul, filters := refused(want.Descriptor(), msg)
	switch {
	case err == nil && (foul || oracleErr != nil):
		t.Fatalf("DecodeCommand(%x) = nil; the oracle says %v, foul %v", msg, oracleErr, foul)
	case err == nil:
		checkReencoded(t, msg, want)
	case oracleErr == nil && !foul && filters < 2 && err != FaultDepth:
		t.Fatalf("DecodeCommand(%x) = %v; the oracle reads %v", msg, err, want)
	}
}

// Random commands with a byte or two that are not theirs.
func TestProtobufCommandMutations(t *testing.T) {
	r := randomness(t)
	for range 3000 {
		m := newMessage("Command")
		randomMessage(r, m, 3)
		msg, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if len(msg) > 300 || len(msg) == 0 {
			continue
		}
		for range r.IntN(3) {
			msg[r.IntN(len(msg))] = byte(r.Uint32())
		}
		checkProtobufCommand(t, msg[:r.IntN(len(msg)+1)])
	}
}

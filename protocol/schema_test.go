package protocol

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// schema is the protocol's messages as its description has them: of each field the name, which is the key in JSON as well, the
// number, and the type, [T] for a list and <T> for a map from strings. What neither side of ours knows is left out.
const schema = `
Command: id#1 u32, connect#4 ConnectRequest, subscribe#5 SubscribeRequest, unsubscribe#6 ChannelRequest, publish#7 PublishRequest,
	presence#8 ChannelRequest, presence_stats#9 ChannelRequest, history#10 HistoryRequest, ping#11 Empty, send#12 Data, rpc#13 RPCRequest,
	refresh#14 RefreshRequest, sub_refresh#15 SubRefreshRequest
ConnectRequest: token#1 str, data#2 raw, subs#3 <SubscribeRequest>, name#4 str, version#5 str, headers#6 <str>, flag#7 i64
SubscribeRequest: channel#1 str, token#2 str, recover#3 bool, epoch#6 str, offset#7 u64, data#8 raw, positioned#9 bool, recoverable#10 bool,
	join_leave#11 bool, delta#12 str, tf#13 FilterNode, flag#14 i64, type#15 i32
FilterNode: op#1 str, key#2 str, cmp#3 str, val#4 str, vals#5 [str], nodes#6 [FilterNode]
ChannelRequest: channel#1 str
PublishRequest: channel#1 str, data#2 raw, type#3 i32, key#4 str, removed#5 bool
HistoryRequest: channel#1 str, limit#7 i32, since#8 StreamPosition, reverse#9 bool
StreamPosition: offset#1 u64, epoch#2 str
RPCRequest: data#1 raw, method#2 str
RefreshRequest: token#1 str
SubRefreshRequest: channel#1 str, token#2 str, type#3 i32
Empty:
Data: data#1 raw

Reply: id#1 u32, error#2 Error, push#4 Push, connect#5 ConnectResult, subscribe#6 SubscribeResult, unsubscribe#7 Empty, publish#8 Empty,
	presence#9 PresenceResult, presence_stats#10 PresenceStatsResult, history#11 HistoryResult, ping#12 Empty, rpc#13 Data, refresh#14 RefreshResult,
	sub_refresh#15 Expiry
Error: code#1 u32, message#2 str, temporary#3 bool
ConnectResult: client#1 str, version#2 str, expires#3 bool, ttl#4 u32, data#5 raw, subs#6 <SubscribeResult>, ping#7 u32, pong#8 bool,
	session#9 str, node#10 str, time#11 i64
SubscribeResult: expires#1 bool, ttl#2 u32, recoverable#3 bool, epoch#6 str, publications#7 [Publication], recovered#8 bool, offset#9 u64,
	positioned#10 bool, data#11 raw, was_recovering#12 bool, delta#13 bool
PresenceResult: presence#1 <ClientInfo>
PresenceStatsResult: num_clients#1 u32, num_users#2 u32
HistoryResult: publications#1 [Publication], epoch#2 str, offset#3 u64
RefreshResult: client#1 str, version#2 str, expires#3 bool, ttl#4 u32
Expiry: expires#1 bool, ttl#2 u32
ClientInfo: user#1 str, client#2 str, conn_info#3 raw, chan_info#4 raw
Publication: data#4 raw, info#5 ClientInfo, offset#6 u64, tags#7 <str>, delta#8 bool, epoch#14 str
Push: id#1 i64, channel#2 str, pub#4 Publication, join#5 Presence, leave#6 Presence, unsubscribe#7 Unsubscribe, message#8 Data, subscribe#9 Subscribe,
	connect#10 Connect, disconnect#11 Disconnect, refresh#12 Expiry
Presence: info#1 ClientInfo
Unsubscribe: code#2 u32, reason#3 str
Subscribe: recoverable#1 bool, epoch#4 str, offset#5 u64, positioned#6 bool, data#7 raw
Connect: client#1 str, version#2 str, data#3 raw, subs#4 <SubscribeResult>, expires#5 bool, ttl#6 u32, ping#7 u32, pong#8 bool, session#9 str,
	node#10 str, time#11 i64
Disconnect: code#1 u32, reason#2 str, reconnect#3 bool
`

// always are the fields that JSON has even if they are empty.
var always = map[protoreflect.FullName]bool{"ClientInfo.user": true, "ClientInfo.client": true, "PresenceResult.presence": true,
	"PresenceStatsResult.num_clients": true, "PresenceStatsResult.num_users": true, "HistoryResult.publications": true,
	"HistoryResult.epoch": true, "HistoryResult.offset": true}

var scalars = map[string]descriptorpb.FieldDescriptorProto_Type{
	"str": descriptorpb.FieldDescriptorProto_TYPE_STRING, "raw": descriptorpb.FieldDescriptorProto_TYPE_BYTES,
	"bool": descriptorpb.FieldDescriptorProto_TYPE_BOOL, "u32": descriptorpb.FieldDescriptorProto_TYPE_UINT32,
	"u64": descriptorpb.FieldDescriptorProto_TYPE_UINT64, "i32": descriptorpb.FieldDescriptorProto_TYPE_INT32,
	"i64": descriptorpb.FieldDescriptorProto_TYPE_INT64,
}

// descriptors are the messages of the schema as an independent implementation of protobuf has them.
var descriptors = sync.OnceValue(func() protoreflect.MessageDescriptors {
	file := &descriptorpb.FileDescriptorProto{Name: proto.String("schema.proto"), Syntax: proto.String("proto3")}
	for line := range strings.SplitSeq(strings.TrimSpace(strings.ReplaceAll(schema, "\n\t", " ")), "\n") {
		if name, fields, ok := strings.Cut(line, ":"); ok {
			file.MessageType = append(file.MessageType, describe(name, fields))
		}
	}
	built, err := protodesc.NewFile(file, nil)
	if err != nil {
		panic(err)
	}
	return built.Messages()
})

func describe(name, fields string) *descriptorpb.DescriptorProto {
	m := &descriptorpb.DescriptorProto{Name: &name}
	for _, field := range strings.FieldsFunc(fields, func(r rune) bool { return r == ',' }) {
		words := strings.Fields(field)
		if len(words) < 2 {
			continue
		}
		key, number, _ := strings.Cut(words[0], "#")
		n, err := strconv.Atoi(number)
		if err != nil {
			panic(err)
		}
		m.Field = append(m.Field, describeField(m, key, int32(n), words[1]))
	}
	return m
}

func describeField(m *descriptorpb.DescriptorProto, key string, number int32, kind string) *descriptorpb.FieldDescriptorProto {
	f := &descriptorpb.FieldDescriptorProto{Name: &key, Number: &number, Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()}
	if kind[0] != '[' && kind[0] != '<' {
		return setType(f, kind)
	}
	f.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
	if kind[0] == '[' {
		return setType(f, kind[1:len(kind)-1])
	}
	entry := strings.ToUpper(key[:1]) + key[1:] + "Entry"
	m.NestedType = append(m.NestedType, &descriptorpb.DescriptorProto{Name: &entry, Options: &descriptorpb.MessageOptions{MapEntry: proto.Bool(true)},
		Field: []*descriptorpb.FieldDescriptorProto{describeField(nil, "key", 1, "str"), describeField(nil, "value", 2, kind[1:len(kind)-1])}})
	return setType(f, m.GetName()+"."+entry)
}

func setType(f *descriptorpb.FieldDescriptorProto, kind string) *descriptorpb.FieldDescriptorProto {
	if scalar, ok := scalars[kind]; ok {
		f.Type = scalar.Enum()
		return f
	}
	f.Type, f.TypeName = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), proto.String("."+kind)
	return f
}

// newMessage returns an empty message of the schema.
func newMessage(name string) *dynamicpb.Message {
	return dynamicpb.NewMessage(descriptors().ByName(protoreflect.Name(name)))
}

// unmarshal reads one message of the schema from b, without the fields that the schema has not.
func unmarshal(name string, b []byte) (*dynamicpb.Message, error) {
	m := newMessage(name)
	return m, proto.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(b, m)
}

// refused reports whether somewhere in b, as a message of type d, there is a group, or a field of ours of another type: the oracle
// passes over them as unknown fields. The second result is how many filters there are.
func refused(d protoreflect.MessageDescriptor, b []byte) (foul bool, filters int) {
	for len(b) > 0 {
		number, wire, n := protowire.ConsumeTag(b)
		size := -1
		if n > 0 {
			size = protowire.ConsumeFieldValue(number, wire, b[n:])
		}
		if size < 0 {
			return foul, filters
		}
		field := d.Fields().ByNumber(number)
		foul = foul || wire == protowire.StartGroupType || field != nil && wire != wireOf(field)
		if field != nil && field.Message() != nil && wire == protowire.BytesType {
			if field.Name() == "tf" {
				filters++
			}
			content, _ := protowire.ConsumeBytes(b[n:])
			inner, more := refused(field.Message(), content)
			foul, filters = foul || inner, filters+more
		}
		b = b[n+size:]
	}
	return foul, filters
}

func wireOf(field protoreflect.FieldDescriptor) protowire.Type {
	switch field.Kind() {
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind:
		return protowire.BytesType
	}
	return protowire.VarintType
}

// asJSON returns m as the protocol's JSON; its bytes are JSON already.
func asJSON(m protoreflect.Message) string {
	var parts []string
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		if f := fields.Get(i); m.Has(f) || always[f.FullName()] {
			parts = append(parts, fmt.Sprintf("%q:%s", f.Name(), fieldJSON(f, m.Get(f))))
		}
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func fieldJSON(f protoreflect.FieldDescriptor, v protoreflect.Value) string {
	var parts []string
	switch {
	case f.IsMap():
		v.Map().Range(func(key protoreflect.MapKey, v protoreflect.Value) bool {
			parts = append(parts, quote(key.String())+":"+valueJSON(v))
			return true
		})
		return "{" + strings.Join(parts, ",") + "}"
	case f.IsList():
		for i := range v.List().Len() {
			parts = append(parts, valueJSON(v.List().Get(i)))
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	return valueJSON(v)
}

func valueJSON(v protoreflect.Value) string {
	switch v := v.Interface().(type) {
	case protoreflect.Message:
		return asJSON(v)
	case []byte:
		return string(v)
	case string:
		return quote(v)
	default:
		return fmt.Sprint(v)
	}
}

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// The oracle agrees with itself: a message as it is on the wire, written out by hand.
func TestSchema(t *testing.T) {
	m, err := unmarshal("Command", []byte("\x08\x07\x22\x10\x0a\x01t\x1a\x0b\x0a\x01c\x12\x06\x38\x05\x42\x02[]"))
	if want := `{"id":7,"connect":{"token":"t","subs":{"c":{"offset":5,"data":[]}}}}`; err != nil || asJSON(m) != want {
		t.Errorf("oracle reads %s, %v; want %s", asJSON(m), err, want)
	}
}

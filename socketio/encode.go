package socketio

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/seed4ac54ce5/edge/server"
	"github.com/seed4ac54ce5/edge/socketio/packet"
)

// An encoder makes one packet. What encoding/json can write alone it does; an encoder goes itself through values that may
// hold binary, which becomes attachments, and times, which become what JavaScript makes of a date.
type encoder struct {
	out         bytes.Buffer
	json        *json.Encoder // to out
	attachments [][]byte
}

// maxDepth is how deep values may be inside of each other; deeper ones are taken for circles.
const maxDepth = 1000

// jsDate is the form that JavaScript's Date.toJSON has, always in UTC.
const jsDate = "2006-01-02T15:04:05.000Z"

var errDeep = errors.New("socketio: value is too deep, or holds itself")

var encoders = sync.Pool{New: func() any {
	e := new(encoder)
	e.json = json.NewEncoder(&e.out)
	e.json.SetEscapeHTML(false)
	return e
}}

// encodeEvent makes the packet of an event with at most limit binary values.
func encodeEvent(event string, args []any, limit int) (server.SocketPacket, error) {
	if err := checkName(event); err != nil {
		return server.SocketPacket{}, err
	}
	return encode(event, true, args, limit)
}

// encodeArgs makes the packet of an acknowledgement.
func encodeArgs(args []any, limit int) (server.SocketPacket, error) {
	return encode("", false, args, limit)
}

func encode(event string, named bool, args []any, limit int) (p server.SocketPacket, err error) {
	e := encoders.Get().(*encoder)
	defer e.release()
	e.out.WriteByte('[')
	if named {
		err = e.plain(event)
	}
	for i, arg := range args {
		if i > 0 || named {
			e.out.WriteByte(',')
		}
		if err == nil {
			err = e.any(arg)
		}
	}
	e.out.WriteByte(']')
	if err == nil && len(e.attachments) > limit {
		err = ErrAttachments
	}
	if err == nil && len(e.attachments) > 0 && packet.CheckPlaceholders(e.out.Bytes(), len(e.attachments)) != nil {
		err = ErrPlaceholder
	}
	if err != nil {
		return p, err
	}
	return server.SocketPacket{Data: bytes.Clone(e.out.Bytes()), Attachments: e.attachments}, nil
}

// release gives e back. A buffer that has become large is left to the collector.
func (e *encoder) release() {
	e.attachments = nil
	if e.out.Cap() > 64<<10 {
		return
	}
	e.out.Reset()
	encoders.Put(e)
}

// any writes v, whatever it is.
func (e *encoder) any(v any) error {
	switch v := v.(type) {
	case nil:
		e.out.WriteString("null")
		return nil
	case Arg:
		e.arg(v)
		return nil
	}
	return e.value(reflect.ValueOf(v), 0)
}

// plain writes v by encoding/json alone.
func (e *encoder) plain(v any) error {
	if err := e.json.Encode(v); err != nil {
		return err
	}
	e.out.Truncate(e.out.Len() - 1) // the line's end
	return nil
}

// arg writes what a client has sent, with its attachments.
func (e *encoder) arg(a Arg) {
	if len(a.attachments) == 0 {
		e.out.Write(a.JSON())
		return
	}
	e.out.Write(replacePlaceholders(nil, a.JSON(), func(dst []byte, num int) []byte {
		if num >= len(a.attachments) {
			return append(dst, "null"...)
		}
		return e.attach(dst, a.attachments[num])
	}))
}

// attach makes data an attachment and appends its placeholder to dst.
func (e *encoder) attach(dst, data []byte) []byte {
	dst = append(dst, `{"_placeholder":true,"num":`...)
	dst = strconv.AppendInt(dst, int64(len(e.attachments)), 10)
	e.attachments = append(e.attachments, data)
	return append(dst, '}')
}

// value writes v, which lies so deep in what is being sent.
func (e *encoder) value(v reflect.Value, depth int) error {
	if depth > maxDepth {
		return errDeep
	}
	t := v.Type()
	if !special(t) {
		if v.CanAddr() {
			return e.plain(v.Addr().Interface()) // so that methods of the pointer are found
		}
		return e.plain(v.Interface())
	}
	switch t {
	case timeType:
		_, err := fmt.Fprintf(&e.out, "%q", v.Interface().(time.Time).UTC().Format(jsDate))
		return err
	case argType:
		e.arg(v.Interface().(Arg))
		return nil
	}
	switch t.Kind() {
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() {
			e.out.WriteString("null")
			return nil
		}
		return e.value(v.Elem(), depth+1)
	case reflect.Map:
		return e.object(v, depth)
	case reflect.Struct:
		return e.fields(v, depth)
	case reflect.Slice:
		if v.IsNil() {
			e.out.WriteString("null")
			return nil
		}
		if isBinary(t) {
			e.out.Write(e.attach(nil, v.Bytes()))
			return nil
		}
	}
	return e.list(v, depth)
}

// list writes a slice or an array.
func (e *encoder) list(v reflect.Value, depth int) error {
	e.out.WriteByte('[')
	for i := range v.Len() {
		if i > 0 {
			e.out.WriteByte(',')
		}
		if err := e.value(v.Index(i), depth+1); err != nil {
			return err
		}
	}
	e.out.WriteByte(']')
	return nil
}

// object writes a map, its keys in order.
func (e *encoder) object(v reflect.Value, depth int) error {
	if v.IsNil() {
		e.out.WriteString("null")
		return nil
	}
	type member struct {
		key   string
		value reflect.Value
	}
	var members []member
	for it := v.MapRange(); it.Next(); {
		key, err := keyText(it.Key())
		if err != nil {
			return err
		}
		members = append(members, member{key, it.Value()})
	}
	slices.SortFunc(members, func(a, b member) int { return strings.Compare(a.key, b.key) })
	e.out.WriteByte('{')
	for i, m := range members {
		if err := e.member(i == 0, m.key, m.value, depth); err != nil {
			return err
		}
	}
	e.out.WriteByte('}')
	return nil
}

func (e *encoder) member(first bool, key string, v reflect.Value, depth int) error {
	if !first {
		e.out.WriteByte(',')
	}
	if err := e.plain(key); err != nil {
		return err
	}
	e.out.WriteByte(':')
	return e.value(v, depth+1)
}

// keyText returns the key of a map as encoding/json writes it.
func keyText(k reflect.Value) (string, error) {
	if k.Kind() == reflect.String {
		return k.String(), nil
	}
	if m, ok := k.Interface().(encoding.TextMarshaler); ok {
		text, err := m.MarshalText()
		return string(text), err
	}
	switch {
	case k.CanInt():
		return strconv.FormatInt(k.Int(), 10), nil
	case k.CanUint():
		return strconv.FormatUint(k.Uint(), 10), nil
	}
	return "", &json.UnsupportedTypeError{Type: k.Type()}
}

// fields writes a struct as encoding/json does.
func (e *encoder) fields(v reflect.Value, depth int) error {
	e.out.WriteByte('{')
	first := true
	for _, f := range fieldsOf(v.Type()) {
		member, err := v.FieldByIndexErr(f.index)
		if err != nil || f.omitEmpty && isEmpty(member) || f.omitZero && member.IsZero() {
			continue // err: in an embedded pointer that is nil
		}
		if f.quoted {
			text, err := json.Marshal(member.Interface())
			if err != nil {
				return err
			}
			member = reflect.ValueOf(string(text))
		}
		if err := e.member(first, f.name, member, depth); err != nil {
			return err
		}
		first = false
	}
	e.out.WriteByte('}')
	return nil
}

// isEmpty reports what the tag's omitempty asks.
func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Array, reflect.Map, reflect.Slice, reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

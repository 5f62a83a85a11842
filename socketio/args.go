package socketio

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/seed4ac54ce5/edge/server"
)

// Args is what an event or an acknowledgement carries. It is only read.
type Args []Arg

// Arg is one argument. Its zero value is JavaScript's undefined, which is null in JSON.
type Arg struct {
	json        []byte
	attachments [][]byte // of the whole packet
}

// argsOf returns the elements of p, or those after the name of the event.
func argsOf(p server.SocketPacket, named bool) Args {
	var args Args
	for element := range elements(p.Data) {
		if named {
			named = false
			continue
		}
		args = append(args, Arg{element, p.Attachments})
	}
	return args
}

// Bind decodes the arguments into the variables that dst points to, as [Arg.Bind] does each. Variables for which there
// is no argument stay as they are, and so do those of which the argument is null; further arguments are left alone.
func (a Args) Bind(dst ...any) error {
	for i := range min(len(a), len(dst)) {
		if err := a[i].Bind(dst[i]); err != nil {
			return fmt.Errorf("argument %d: %w", i, err)
		}
	}
	return nil
}

// Any returns the arguments for a function that sends them on:
//
//	s.Emit("answer", e.Args().Any()...)
func (a Args) Any() []any {
	all := make([]any, len(a))
	for i := range a {
		all[i] = a[i]
	}
	return all
}

// At returns argument i, or the zero Arg if there are fewer.
func (a Args) At(i int) Arg {
	if i < 0 || i >= len(a) {
		return Arg{}
	}
	return a[i]
}

// JSON returns the argument as the client has written it, with a placeholder for each binary value in it.
func (a Arg) JSON() json.RawMessage {
	if a.json == nil {
		return json.RawMessage("null")
	}
	return a.json
}

// Bytes returns an argument that is binary as a whole. It is the packet's own, and not to be changed.
func (a Arg) Bytes() (data []byte, ok bool) {
	if num, ok := isPlaceholder(a.json); ok && num < len(a.attachments) {
		return a.attachments[num], true
	}
	return nil, false
}

// Bind decodes the argument into the variable that dst points to:
//
//	*[]byte            takes binary alone, and shares its memory
//	*any               gets what encoding/json makes of it, with a []byte for each binary value
//	*Arg               gets the argument itself
//	*json.RawMessage   gets its JSON, with placeholders
//	anything else      is decoded by encoding/json, to which each binary value is what a []byte takes; none may stand in
//	                   several places
func (a Arg) Bind(dst any) error {
	if a.json == nil || string(a.json) == "null" {
		return nil
	}
	switch dst := dst.(type) {
	case *[]byte:
		data, ok := a.Bytes()
		if !ok {
			return fmt.Errorf("socketio: %.20s is not binary", a.json)
		}
		*dst = data
		return nil
	case *Arg:
		*dst = a
		return nil
	case *json.RawMessage:
		*dst = a.json
		return nil
	case *any:
		if err := json.Unmarshal(a.json, dst); err != nil {
			return err
		}
		if len(a.attachments) > 0 {
			*dst = a.fill(*dst)
		}
		return nil
	}
	text, err := a.inlined()
	if err != nil {
		return err
	}
	return json.Unmarshal(text, dst)
}

var errRepeated = errors.New("socketio: a binary value stands in several places")

// inlined returns the argument's JSON with base64 in the place of binary values: no more of that than there are bytes of them,
// as a small packet could name a large value a thousand times.
func (a Arg) inlined() (text []byte, err error) {
	if len(a.attachments) == 0 {
		return a.json, nil
	}
	left := 0
	for _, data := range a.attachments {
		left += len(data)
	}
	text = replacePlaceholders(nil, a.json, func(dst []byte, num int) []byte {
		if num >= len(a.attachments) {
			return append(dst, "null"...)
		}
		if left -= len(a.attachments[num]); left < 0 {
			err = errRepeated
			return dst
		}
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, a.attachments[num])
		return append(dst, '"')
	})
	return text, err
}

// fill returns v with attachments in the place of placeholders.
func (a Arg) fill(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = a.fill(v[i])
		}
	case map[string]any:
		num, ok := v["num"].(float64)
		if v["_placeholder"] == true && ok && num >= 0 && num < float64(len(a.attachments)) {
			return a.attachments[int(num)]
		}
		for key := range v {
			v[key] = a.fill(v[key])
		}
	}
	return v
}

package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// dialect is what events are called at a Socket.IO server, and where.
type dialect struct {
	namespace     []byte // with a comma behind it; empty for the main one
	publication   []byte // how the event begins that brings one
	join          eventForm
	publish, echo eventForm
}

// The events that an edge without an application knows, save echo: that is one of examples/socketio-conformance.
const (
	joinForm    = `["join",{"room":"$room"}]`
	publishForm = `["publish",{"room":"$room","data":$data}]`
	echoForm    = `["echo",$data]`
)

// dialectDefaults fills in the names of events.
func (o *Options) dialectDefaults() {
	orElse(&o.Namespace, "/")
	orElse(&o.JoinEvent, "join")
	orElse(&o.PublishEvent, "publish")
	orElse(&o.EchoEvent, "echo")
	orElse(&o.PublicationEvent, "publication")
}

// checkDialect returns what is wrong with how o has connections speak Socket.IO.
func (o *Options) checkDialect() error {
	if o.Transport != WebSocket && o.Transport != Polling {
		return fmt.Errorf("%w: --transport %q: want websocket or polling", ErrUsage, o.Transport)
	}
	_, err := newDialect(o)
	return err
}

// newDialect reads the names of events.
func newDialect(o *Options) (d dialect, err error) {
	if !strings.HasPrefix(o.Namespace, "/") || strings.Contains(o.Namespace, ",") {
		return d, fmt.Errorf("%w: --namespace %q: want a slash in front and no comma", ErrUsage, o.Namespace)
	}
	if o.Namespace != "/" {
		d.namespace = []byte(o.Namespace + ",")
	}
	d.publication = append([]byte{'['}, quoted(o.PublicationEvent)...)
	for _, f := range []struct {
		flag, is, usual string
		form            *eventForm
	}{
		{"--join-event", o.JoinEvent, joinForm, &d.join},
		{"--publish-event", o.PublishEvent, publishForm, &d.publish},
		{"--echo-event", o.EchoEvent, echoForm, &d.echo},
	} {
		if *f.form, err = newEventForm(f.is, f.usual); err != nil {
			return d, fmt.Errorf("%w: %s %q: want a name, or the event's whole array as in %s", ErrUsage, f.flag, f.is, f.usual)
		}
	}
	return d, nil
}

// appendEvent appends an event, to be acknowledged unless id is 0.
func (d *dialect) appendEvent(dst []byte, id uint32, form eventForm, room, data []byte) []byte {
	dst = append(append(dst, engineMessage, socketEvent), d.namespace...)
	return form.append(appendID(dst, id), room, data)
}

// eventForm is an event's JSON array in pieces: between them stand what the holes say.
type eventForm []eventPiece

type eventPiece struct {
	text string
	hole string // what follows; "" at the end
}

// What stands for a room's name, as JSON, and for data, which is JSON already.
const (
	roomHole = `"$room"`
	dataHole = `$data`
)

// newEventForm reads an event's array, or puts its name in the usual one.
func newEventForm(text, usual string) (f eventForm, err error) {
	if !strings.HasPrefix(text, "[") {
		_, rest, _ := strings.Cut(usual, ",")
		text = "[" + quoted(text) + "," + rest
	}
	if !json.Valid([]byte(strings.NewReplacer(roomHole, `""`, dataHole, `""`).Replace(text))) || strings.Contains(usual, dataHole) && !strings.Contains(text, dataHole) {
		return nil, ErrUsage
	}
	for text != "" {
		at, hole := len(text), ""
		for _, h := range []string{roomHole, dataHole} {
			if i := strings.Index(text, h); i >= 0 && i < at {
				at, hole = i, h
			}
		}
		f = append(f, eventPiece{text[:at], hole})
		text = text[at+len(hole):]
	}
	return f, nil
}

// append fills in the holes.
func (f eventForm) append(dst, room, data []byte) []byte {
	for _, piece := range f {
		dst = append(dst, piece.text...)
		switch piece.hole {
		case roomHole:
			dst = appendQuoted(dst, room)
		case dataHole:
			dst = append(dst, data...)
		}
	}
	return dst
}

// appendQuoted appends text as JSON.
func appendQuoted(dst, text []byte) []byte {
	special := func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }
	if bytes.ContainsFunc(text, special) {
		return append(dst, quoted(string(text))...)
	}
	return append(append(append(dst, '"'), text...), '"')
}

// quoted returns text as JSON.
func quoted(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string has a form
	}
	return string(b)
}

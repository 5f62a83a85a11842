package server

import "github.com/seed4ac54ce5/edge/netpoll"

// attachment is what a session has for its application alone. Few have any.
type attachment struct {
	meta   []byte
	fields []field
}

// attach keeps an application's meta of a client that has just connected, and the fields of its request if they are wanted for
// longer.
func (l *loop) attach(id netpoll.ConnID, meta []byte) {
	a := attachment{fields: l.fields.take(id)}
	if !l.server.handler.KeepHeaders {
		a.fields = nil
	}
	l.setAttachment(id, a, meta)
}

// setMeta changes a client's meta.
func (l *loop) setMeta(id netpoll.ConnID, meta []byte) { l.setAttachment(id, l.attachments[id], meta) }

// setAttachment keeps a with another meta, if there is a function that would get to see it.
func (l *loop) setAttachment(id netpoll.ConnID, a attachment, meta []byte) {
	if l.server.handler.meets() {
		a.meta = meta
	}
	if len(a.meta)+len(a.fields) > 0 {
		l.attachments[id] = a
	}
}

// dropAttachment forgets all that a conn has for the application.
func (l *loop) dropAttachment(id netpoll.ConnID) {
	l.fields.take(id)
	delete(l.attachments, id)
}

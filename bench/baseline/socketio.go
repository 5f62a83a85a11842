package main

import "bytes"

// socketIOPath is how a request begins that is of Socket.IO's.
const socketIOPath = "GET /socket.io/"

// What a Socket.IO server says first, and when it lets a client in.
const (
	openPacket    = `0{"sid":"00000000000000000000","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`
	connectPacket = `40{"sid":"00000000000000000000"}`
)

// packet obeys a packet of Socket.IO's in an Engine.IO message: a connect, or one of the events join, publish and echo. A pong has no
// answer.
func (t *thread) packet(fd int, p *peer, b []byte) {
	if bytes.HasPrefix(b, []byte("40")) {
		t.out = appendFrame(t.out, opText, []byte(connectPacket))
		return
	}
	id, event, ok := bytes.Cut(b, []byte{'['})
	if !ok {
		return
	}
	answer := []byte(`{"ok":true}`)
	switch {
	case bytes.HasPrefix(event, []byte(`"publish"`)):
		t.publish(t.house.room(cut(event, `"room":"`)), t.eventOf(event))
	case bytes.HasPrefix(event, []byte(`"join"`)):
		t.join(fd, p, cut(event, `"room":"`))
	default:
		answer = event[len(`"echo",`) : len(event)-1]
	}
	t.answers = append(append(t.answers[:0], "43"...), id[len("42"):]...)
	t.answers = append(append(append(t.answers, '['), answer...), ']')
	t.out = appendFrame(t.out, opText, t.answers)
}

// eventOf makes the frame that brings a publication to the members, once for all of them.
func (t *thread) eventOf(publish []byte) []byte {
	const start = `42["publication",`
	_, data, _ := bytes.Cut(publish, []byte(`"data":`))
	data = data[:len(data)-len(`}]`)]
	t.push = appendHeader(t.push[:0], opText, len(start)+len(data)+len(`]`))
	return append(append(append(t.push, start...), data...), ']')
}

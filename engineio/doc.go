// Package engineio is the bytes of Engine.IO, version 4: packets, the payloads of HTTP long-polling, the handshake, the query of a
// request and the errors that answer one. It holds no connection and keeps nothing; what a session does with packets is for
// whoever serves it.
//
// A packet is one character for its type and its data. In a WebSocket each is one message, and a binary message is its data
// alone. Over polling packets are joined by [Separator], and a binary one is the letter b and its data in base64:
//
//	4hello\x1ebAQIDBA==\x1e2
//
// The protocol is described at https://socket.io/docs/v4/engine-io-protocol/.
package engineio

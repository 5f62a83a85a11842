package server

import (
	"bytes"
	"net/http"

	"github.com/seed4ac54ce5/edge/frame"
)

var errQuery = &frame.HTTPError{Status: http.StatusBadRequest, Reason: "bad query"}

// query is what the query of a request for server-sent events says.
type query struct {
	commands []byte // cf_connect; nil for none
	token    []byte
	rooms    [][]byte
}

// readQuery reads one. ok is false for an escape that is none.
func readQuery(raw []byte) (q query, ok bool) {
	space := make([]byte, 0, len(raw)) // what is decoded is no longer
	for {
		name, value, rest, found, ok := frame.NextPair(space, raw)
		if !found || !ok {
			return q, ok
		}
		space, raw = value[len(value):], rest
		value = value[:len(value):len(value)]
		switch string(name) {
		case "cf_connect":
			q.commands = value
		case "token":
			q.token = value
		case "room":
			q.rooms = append(q.rooms, value)
		case "rooms":
			q.rooms = append(q.rooms, bytes.Split(value, []byte{','})...)
		}
	}
}

package engineio

import "bytes"

// Transport is how packets travel.
type Transport uint8

// The transports. Any other name is unknown.
const (
	Unknown Transport = iota
	Polling
	WebSocket
)

// String returns the transport's name.
func (t Transport) String() string { return [...]string{"unknown", "polling", "websocket"}[t] }

// Query is what the query of a request says to Engine.IO. What else it has is the application's.
type Query struct {
	Transport Transport
	SID       []byte // of the session; nil for one that is to begin. A slice of the query.
	Version   bool   // the protocol's version is 4
	Base64    bool   // the client takes no binary messages
	JSONP     bool   // the answer is to be a script

	sids int
}

// version is the one there is.
const version = "4"

// ParseQuery reads a query as it was sent. Names and values count as they are written: no client has reason to escape any. What is
// given twice is unknown.
func ParseQuery(raw []byte) (q Query) {
	var transports, versions int
	for len(raw) > 0 {
		var pair []byte
		pair, raw, _ = bytes.Cut(raw, []byte{'&'})
		name, value, _ := bytes.Cut(pair, []byte{'='})
		switch string(name) {
		case "transport":
			transports++
			q.Transport = transportOf(value, transports)
		case "EIO":
			versions++
			q.Version = string(value) == version && versions == 1
		case "sid":
			if len(value) > 0 {
				q.SID = value
				q.sids++
			}
		case "b64":
			q.Base64 = len(value) > 0
		case "j":
			q.JSONP = true
		}
	}
	return q
}

// transportOf returns the transport of a name that has been given so many times.
func transportOf(name []byte, times int) Transport {
	switch {
	case times > 1:
	case string(name) == "polling":
		return Polling
	case string(name) == "websocket":
		return WebSocket
	}
	return Unknown
}

// Begins reports whether the request is to begin a session.
func (q *Query) Begins() bool { return q.sids == 0 }

// Session returns the id of the session that the request belongs to; ok is false if there is none, or more than one.
func (q *Query) Session() (sid []byte, ok bool) { return q.SID, q.sids == 1 }

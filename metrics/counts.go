package metrics

import "time"

// Counts are one loop's figures, or the sum of several. Those that are levels say so; the others only
// grow.
type Counts struct {
	Open        int64             // level: conns of any kind
	Connections [Transports]int64 // level: sessions that stand
	Connects    [ConnectResults]uint64
	Disconnects [closeCodes]uint64
	Rejects     [Rejections]uint64
	Panics      uint64 // sessions ended by a fault of ours

	MessagesIn, MessagesOut uint64 // messages from clients; publications delivered and replies
	PayloadIn, PayloadOut   uint64 // bytes of them, without frame headers and before compression
	WireIn, WireOut         uint64 // bytes on the socket
	Writes                  uint64 // system calls that wrote
	Limited                 [Limits]uint64
	Publications            uint64 // as taken up by each loop
	FanoutDeliveries        uint64
	FanoutWrites            uint64 // FanoutDeliveries / FanoutWrites is the merge factor
	Slow                    [SlowActions]uint64
	Queued                  int64 // level: bytes in out queues
	KernelTLS               int64 // level: conns whose records of TLS the kernel does
	Recoveries              [RecoveryResults]uint64
	Redelivered             uint64 // publications of durable rooms that were sent again
	Gaps                    uint64 // subscriptions that a gap ended

	Turns uint64
	Busy  time.Duration // not waiting for the kernel

	FanoutTime Histogram // of batches of publications
	Lag        Histogram // of publications, from publish to the last member of the loop
	TurnTime   Histogram // of turns, without waiting for the kernel
	Draining   int64     // level: conns that a drain has yet to close
}

// Transport is how a session reaches us.
type Transport uint8

// The transports.
const (
	WebSocket Transport = iota
	Echo                // the development path that sends back what it gets
	SSE
	HTTPStream
	SocketWebSocket // Engine.IO in a WebSocket
	SocketPolling   // Engine.IO by long-polling
	Transports
)

// String returns the label's value.
func (t Transport) String() string {
	return [...]string{"websocket", "echo", "sse", "http_stream", "socketio_websocket", "socketio_polling"}[t]
}

// ConnectResult is what came of a connect command.
type ConnectResult uint8

// The results.
const (
	ConnectOK      ConnectResult = iota // a session
	ConnectRefused                      // for its token, by the application, or for a limit or a rule
	ConnectNoToken                      // there is none, and one is needed
	ConnectBusy                         // there was no room to ask
	ConnectResults
)

// String returns the label's value.
func (r ConnectResult) String() string {
	return [...]string{"ok", "refused", "no_token", "busy"}[r]
}

// Rejection is a stage and a reason for which a connection was not served.
type Rejection uint8

// The rejections.
const (
	RejectDescriptors        Rejection = iota // accept: no descriptors are left, of the process or of the loop it belongs to
	RejectConnections                         // accept: as many connections as may be
	RejectConnectRate                         // accept: too many connections a second
	RejectMemory                              // accept: memory is short
	RejectAddressConnections                  // accept: as many connections as one address may have
	RejectAddressRate                         // accept: too many a second from one address
	RejectProxyPeer                           // accept: not a balancer
	RejectProxyHeader                         // accept: no header of the PROXY protocol, or a bad one
	RejectTLS                                 // tls: another rule of TLS was broken
	RejectTLSPlain                            // tls: what came is no TLS
	RejectTLSHello                            // tls: bad or too large ClientHello
	RejectTLSBusy                             // tls: as many handshakes as may be under way
	RejectTLSOverload                         // tls: the pool of handshakes is behind
	RejectTLSFlights                          // tls: a handshake in too many pieces, or too large
	RejectTLSRecord                           // tls: bad header of a record
	RejectTLSFlood                            // tls: too many records without data
	RejectTLSCertificate                      // tls: the client's certificate is not good
	RejectTLSAlert                            // tls: the client has given up, for our certificate or version most often
	RejectTLSKeyUpdate                        // tls: new keys, which the kernel is not given
	RejectTLSPanic                            // tls: a fault of ours
	RejectHeadTimeout                         // handshake: the request did not come in time
	RejectBadRequest                          // handshake: not HTTP, or not a WebSocket upgrade
	RejectMethod                              // handshake: not a GET
	RejectVersion                             // handshake: not version 13
	RejectTooLarge                            // handshake: head or target over the limit
	RejectNotFound                            // handshake: no such path
	RejectOrigin                              // handshake: a page of another site
	RejectProtocol                            // frame: a rule of RFC 6455 or 7692 was broken
	RejectUTF8                                // frame: text that is not UTF-8, or a corrupt compressed message
	RejectMessageSize                         // frame: message over the limit
	RejectPolicy                              // frame: too many fragments
	RejectOverload                            // frame: the worker pool is full
	RejectCommand                             // session: a command that the protocol does not allow
	RejectStale                               // session: no connect command in time
	RejectToken                               // session: a token that cannot be verified
	RejectNoToken                             // session: no token where one is needed
	RejectUserConnections                     // session: as many connections as one user may have
	RejectRate                                // session: more commands or bytes than a client may send, for too long
	RejectUnfinished                          // frame: a message that did not become whole in time
	RejectInputMemory                         // frame: no memory for one more message that is not whole
	RejectFieldMemory                         // handshake: no memory for what the application wants to see of one more request
	RejectExpired                             // session: what its client was granted has ended, and nobody has prolonged it
	Rejections
)

// rejectionLabels are stage and reason.
var rejectionLabels = [Rejections][2]string{
	RejectDescriptors:        {"accept", "descriptors"},
	RejectConnections:        {"accept", "connections"},
	RejectConnectRate:        {"accept", "rate"},
	RejectMemory:             {"accept", "memory"},
	RejectAddressConnections: {"accept", "address_connections"},
	RejectAddressRate:        {"accept", "address_rate"},
	RejectProxyPeer:          {"accept", "proxy_peer"},
	RejectProxyHeader:        {"accept", "proxy_header"},
	RejectTLS:                {"tls", "protocol"},
	RejectTLSPlain:           {"tls", "not_tls"},
	RejectTLSHello:           {"tls", "hello"},
	RejectTLSBusy:            {"tls", "busy"},
	RejectTLSOverload:        {"tls", "overload"},
	RejectTLSFlights:         {"tls", "flights"},
	RejectTLSRecord:          {"tls", "record"},
	RejectTLSFlood:           {"tls", "flood"},
	RejectTLSCertificate:     {"tls", "certificate"},
	RejectTLSAlert:           {"tls", "peer_alert"},
	RejectTLSKeyUpdate:       {"tls", "key_update"},
	RejectTLSPanic:           {"tls", "panic"},
	RejectHeadTimeout:        {"handshake", "timeout"},
	RejectBadRequest:         {"handshake", "bad_request"},
	RejectMethod:             {"handshake", "method"},
	RejectVersion:            {"handshake", "version"},
	RejectTooLarge:           {"handshake", "too_large"},
	RejectNotFound:           {"handshake", "not_found"},
	RejectOrigin:             {"handshake", "origin"},
	RejectProtocol:           {"frame", "protocol"},
	RejectUTF8:               {"frame", "invalid_data"},
	RejectMessageSize:        {"frame", "message_size"},
	RejectPolicy:             {"frame", "policy"},
	RejectOverload:           {"frame", "overload"},
	RejectCommand:            {"session", "bad_request"},
	RejectStale:              {"session", "stale"},
	RejectToken:              {"session", "token"},
	RejectNoToken:            {"session", "no_token"},
	RejectUserConnections:    {"session", "user_connections"},
	RejectRate:               {"session", "rate"},
	RejectUnfinished:         {"frame", "timeout"},
	RejectInputMemory:        {"frame", "memory"},
	RejectFieldMemory:        {"handshake", "memory"},
	RejectExpired:            {"session", "expired"},
}

// Labels returns the labels' values.
func (r Rejection) Labels() (stage, reason string) {
	return rejectionLabels[r][0], rejectionLabels[r][1]
}

// Limit is what was held back because something had no room for more.
type Limit uint8

// The limits.
const (
	LimitFanout   Limit = iota // commands refused because fan-out is behind
	LimitPool                  // commands refused because the worker pool is full
	LimitCommands              // times a client was not read as it had sent too many commands
	LimitBytes                 // times a client was not read as it had sent too many bytes
	Limits
)

// String returns the label's value.
func (l Limit) String() string {
	return [...]string{"fanout", "worker_pool", "client_commands", "client_bytes"}[l]
}

// SlowAction is what was done about a slow consumer. Those that end it are counted by consumers, the others by
// publications.
type SlowAction uint8

// The actions.
const (
	SlowClosedBytes  SlowAction = iota // closed: what waited for it passed the limit
	SlowClosedBudget                   // closed: what waited for all passed the node's limit
	SlowClosedStall                    // closed: its socket took nothing for too long
	SlowDropped                        // the oldest that waited was dropped
	SlowReplaced                       // a newer publication took the place of one that waited
	SlowActions
)

// String returns the label's value.
func (a SlowAction) String() string {
	return [...]string{"close_queue", "close_budget", "close_stall", "drop_oldest", "latest"}[a]
}

// RecoveryResult is what came of a client's wish to recover.
type RecoveryResult uint8

// The results.
const (
	RecoveryComplete RecoveryResult = iota
	RecoveryFailed                  // something is missing, and the client was told so
	RecoveryResults
)

// String returns the label's value.
func (r RecoveryResult) String() string { return [...]string{"recovered", "unrecovered"}[r] }

// Close codes are counted one by one where they are ours or the RFC's, and as one where they are not.
const (
	rfcCodes   = 16 // 1000 to 1015
	edgeCodes  = 20 // 3000 to 3019
	finalCodes = 20 // 3500 to 3519
	closeCodes = rfcCodes + edgeCodes + finalCodes + 1
)

// Disconnect counts a session that ended with a close code; 1006 stands for none.
func (c *Counts) Disconnect(code uint16) { c.Disconnects[codeIndex(code)]++ }

func codeIndex(code uint16) int {
	switch {
	case code >= 1000 && code < 1000+rfcCodes:
		return int(code) - 1000
	case code >= 3000 && code < 3000+edgeCodes:
		return int(code) - 3000 + rfcCodes
	case code >= 3500 && code < 3500+finalCodes:
		return int(code) - 3500 + rfcCodes + edgeCodes
	}
	return closeCodes - 1
}

// codeOf is codeIndex the other way round; 0 is the one that stands for the rest.
func codeOf(index int) int {
	switch {
	case index < rfcCodes:
		return 1000 + index
	case index < rfcCodes+edgeCodes:
		return 3000 + index - rfcCodes
	case index < closeCodes-1:
		return 3500 + index - rfcCodes - edgeCodes
	}
	return 0
}

// Add adds o to c.
func (c *Counts) Add(o *Counts) {
	addAll(c.Connections[:], o.Connections[:])
	addAll(c.Connects[:], o.Connects[:])
	addAll(c.Disconnects[:], o.Disconnects[:])
	addAll(c.Rejects[:], o.Rejects[:])
	addAll(c.Slow[:], o.Slow[:])
	addAll(c.Recoveries[:], o.Recoveries[:])
	addAll(c.Limited[:], o.Limited[:])
	c.Open += o.Open
	c.Panics += o.Panics
	c.MessagesIn += o.MessagesIn
	c.MessagesOut += o.MessagesOut
	c.PayloadIn += o.PayloadIn
	c.PayloadOut += o.PayloadOut
	c.WireIn += o.WireIn
	c.WireOut += o.WireOut
	c.Writes += o.Writes
	c.Publications += o.Publications
	c.FanoutDeliveries += o.FanoutDeliveries
	c.FanoutWrites += o.FanoutWrites
	c.Queued += o.Queued
	c.KernelTLS += o.KernelTLS
	c.Redelivered += o.Redelivered
	c.Gaps += o.Gaps
	c.Turns += o.Turns
	c.Busy += o.Busy
	c.FanoutTime.Add(&o.FanoutTime)
	c.Lag.Add(&o.Lag)
	c.TurnTime.Add(&o.TurnTime)
	c.Draining += o.Draining
}

func addAll[T int64 | uint64](to, from []T) {
	for i, n := range from {
		to[i] += n
	}
}

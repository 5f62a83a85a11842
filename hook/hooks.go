package hook

import (
	"context"
	"errors"
	"fmt"
)

// Event is what a backend is asked about or told of.
type Event uint8

// The events.
const (
	Connect Event = iota
	Refresh
	Subscribe
	Publish
	RPC
	SubRefresh
	Disconnect
	SocketConnect
	SocketEvent
	SocketDisconnect
	events
)

// String returns the event's name in configuration, logs and metrics.
func (e Event) String() string {
	return [...]string{"connect", "refresh", "subscribe", "publish", "rpc", "sub_refresh", "disconnect",
		"socket_connect", "socket_event", "socket_disconnect"}[e]
}

// repeats reports whether a backend may be given the same e twice. Questions about permission are; a publication or a
// call may have had its effect although the answer was lost. For ends of clients the application must be ready.
func (e Event) repeats() bool { return e != Publish && e != RPC && e != SocketEvent }

// tells reports whether a backend is only told of e, and decides nothing.
func (e Event) tells() bool { return e == Disconnect || e == SocketDisconnect }

// ErrNotConfigured is the answer about an event that has no endpoint.
var ErrNotConfigured = errors.New("hook: no endpoint is configured for this event")

// Hooks asks the backends of a Config. Its methods may be called from any goroutine.
type Hooks struct {
	endpoints [events]*endpoint // nil where none is configured. Set before New returns.
	outboxes  [events]*outbox   // of those that are only told; likewise
	running   context.Context   // of calls whose caller has no context; ends in Close
	stop      context.CancelFunc
}

// New checks c and returns what it describes. It connects to nobody yet.
func New(c Config) (*Hooks, error) { return newHooks(c, realClock) }

func newHooks(c Config, clock clock) (*Hooks, error) {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return nil, err
	}
	h := new(Hooks)
	for event, e := range c.endpoints() {
		if e.URL == "" {
			continue
		}
		made, err := newEndpoint(Event(event), e.withDefaults(), &c, clock)
		if err != nil {
			return nil, fmt.Errorf("%w: %v: %w", ErrConfig, Event(event), err)
		}
		h.endpoints[event] = made
	}
	h.running, h.stop = context.WithCancel(context.Background())
	for event, e := range h.endpoints {
		if e != nil && Event(event).tells() {
			h.outboxes[event] = newOutbox(e, &c)
		}
	}
	return h, nil
}

func (c *Config) endpoints() [events]*Endpoint {
	return [events]*Endpoint{
		Connect: &c.Connect, Refresh: &c.Refresh, Subscribe: &c.Subscribe, Publish: &c.Publish,
		RPC: &c.RPC, SubRefresh: &c.SubRefresh, Disconnect: &c.Disconnect,
		SocketConnect: &c.SocketConnect, SocketEvent: &c.SocketEvent, SocketDisconnect: &c.SocketDisconnect,
	}
}

// Configured reports whether there is an endpoint for event.
func (h *Hooks) Configured(event Event) bool { return h.endpoints[event] != nil }

// Rekey takes the secrets of c, which New must accept, for the requests from now on, and nothing else of it.
func (h *Hooks) Rekey(c Config) {
	all := c.endpoints()
	for event, e := range h.endpoints {
		if e != nil {
			e.rekey(all[event])
		}
	}
}

// Connect asks who a client at the door is. An error is an answer of the application, a [*server.Error] or a
// [server.Disconnect], or says why there is none: a [*server.Error] where the backend was not bothered at all
// (too many calls, breaker open), else a [*Failure]. The same holds for the other questions.
func (h *Hooks) Connect(ctx context.Context, r *ConnectRequest) (*ConnectResult, error) {
	return ask(ctx, h.endpoints[Connect], &r.Origin, r.wire(), (*wireConnect).result)
}

// Refresh asks whether a client whose time has come may stay.
func (h *Hooks) Refresh(ctx context.Context, r *RefreshRequest) (*RefreshResult, error) {
	return ask(ctx, h.endpoints[Refresh], &r.Origin, r.wire(), (*wireRefresh).result)
}

// Subscribe asks whether a client may enter a room.
func (h *Hooks) Subscribe(ctx context.Context, r *SubscribeRequest) (*SubscribeResult, error) {
	return ask(ctx, h.endpoints[Subscribe], &r.Origin, r.wire(), (*wireSubscribe).result)
}

// Publish asks whether a client may publish something, and in which form.
func (h *Hooks) Publish(ctx context.Context, r *PublishRequest) (*PublishResult, error) {
	return ask(ctx, h.endpoints[Publish], &r.Origin, r.wire(), (*wirePublish).result)
}

// RPC has a client's call answered.
func (h *Hooks) RPC(ctx context.Context, r *RPCRequest) (*RPCResult, error) {
	return ask(ctx, h.endpoints[RPC], &r.Origin, r.wire(), (*wireRPC).result)
}

// SubRefresh asks whether a subscriber whose time has come may stay in its room.
func (h *Hooks) SubRefresh(ctx context.Context, r *SubRefreshRequest) (*SubRefreshResult, error) {
	return ask(ctx, h.endpoints[SubRefresh], &r.Origin, r.wire(), (*wireRefresh).subResult)
}

// Disconnect queues the news that a client has left, and does not wait. It reports whether there was room.
func (h *Hooks) Disconnect(r *DisconnectEvent) bool { return h.tell(Disconnect, &r.Origin, r.wire()) }

// tell queues news, if there is somebody to hear it and room.
func (h *Hooks) tell(event Event, from *Origin, news *wireRequest) bool {
	o := h.outboxes[event]
	return o != nil && o.post(from, news)
}

// Dropped returns how many disconnect events were given up: no room in the queue, all tries failed, or refused.
func (h *Hooks) Dropped() (all uint64) {
	for _, o := range h.outboxes {
		if o != nil {
			all += o.dropped.Load()
		}
	}
	return all
}

// Close delivers the disconnect events that wait, until ctx is done, and ends all calls under way. The node must have
// ended before. The error says how many events were not delivered.
func (h *Hooks) Close(ctx context.Context) error {
	var errs []error
	for _, o := range h.outboxes {
		if o != nil {
			errs = append(errs, o.close(ctx))
		}
	}
	h.stop()
	for _, e := range h.endpoints {
		if e != nil {
			e.transport.CloseIdleConnections()
		}
	}
	return errors.Join(errs...)
}

// ask is a question from its first byte to its answer.
func ask[W, R any](ctx context.Context, e *endpoint, from *Origin, question *wireRequest, result func(*W) (R, error)) (v R, err error) {
	if e == nil {
		return v, ErrNotConfigured
	}
	began := e.clock.now()
	answer, err := e.call(ctx, from.Header, question.encode(e, from))
	if err == nil {
		v, err = decode(e.event, answer, result)
	}
	e.observe(e.event, resultOf(err), e.clock.now().Sub(began))
	return v, err
}

package hub

import "time"

// Namespace is the index of a set of [Options] in the hub. Namespace 0 exists always; its Options are zero until set.
type Namespace uint16

// Kind says what a room promises to its members.
type Kind uint8

const (
	Stream    Kind = iota // every publication in order; with a history, what was missed can be recovered
	Ephemeral             // at most once, never remembered
	Latest                // the newest publication counts: a new member gets it at once
	Durable               // a stream whose consumers acknowledge positions, see [Hub.Ack]
)

// defaultMetaTTL is how long the position of an unused room is kept.
const defaultMetaTTL = 720 * time.Hour

// longest is as good as for ever, and added to the time of day it is still one in nanoseconds. Longer times are cut to it.
const longest = 100 * 365 * 24 * time.Hour

// Options is what the rooms of a namespace have in common.
type Options struct {
	Kind          Kind
	HistorySize   int           // publications kept; a room has a history if this and HistoryTTL are both above 0
	HistoryTTL    time.Duration // of the whole history, from its newest publication on
	MetaTTL       time.Duration // how long a room without members and history keeps its position after its last use; 0 is 720 h
	Stored        bool          // the history goes through the hub's [Store], if it has one
	Presence      bool          // who is in the room is kept
	JoinLeave     bool          // and announced to its members
	PresenceGrace time.Duration // how long one who was cut off counts as present
	BatchDelay    time.Duration // least time between the beginnings of two deliveries to a room on one loop, so that more share a write; half of it at the least with Local.Aligned
	Ordered       bool          // what is published in all such rooms reaches a member in one order, see [Act]; BatchDelay does not hold then
}

// noOptions is what a namespace has that was never set.
var noOptions Options

// remembers reports whether rooms with these options have positions and a history.
func (o *Options) remembers() bool {
	return o.HistorySize > 0 && o.HistoryTTL > 0 && o.Kind != Ephemeral
}

func (o *Options) metaTTL() time.Duration {
	if o.MetaTTL > 0 {
		return o.MetaTTL
	}
	return defaultMetaTTL
}

// SetOptions sets what rooms of ns are like. Any goroutine may call it at any time. A room belongs to the namespace
// that it was made in for as long as it lives, and finds new options at its next use: one that ceases to have a history
// loses its position with it, and one that comes to have a history begins a new epoch.
func (h *Hub) SetOptions(ns Namespace, o Options) {
	for _, d := range []*time.Duration{&o.HistoryTTL, &o.MetaTTL, &o.PresenceGrace, &o.BatchDelay} {
		*d = min(*d, longest)
	}
	h.reload.Lock()
	defer h.reload.Unlock()
	old := *h.options.Load()
	table := make([]Options, max(len(old), int(ns)+1))
	copy(table, old)
	table[ns] = o
	h.options.Store(&table)
}

// optionsOf returns the present options of ns, which nobody changes.
func (h *Hub) optionsOf(ns Namespace) *Options {
	table := *h.options.Load()
	if int(ns) < len(table) {
		return &table[ns]
	}
	return &noOptions
}

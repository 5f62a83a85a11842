// Package hub keeps rooms: the order of what is published to each, and who on which loop must receive it.
//
// A room lives in one of 256 shards, chosen by the hash of its name. The shard's lock guards the room's order, what
// the room remembers, who is present in it, and the list of loops that have members there. It is held for about a
// microsecond, never across a system call. Who the members are is known only to each loop's [Local]: one roster per
// room, touched by the loop's goroutine alone.
//
//	Publish ──► shard: next offset ──► Inbox.Post to each loop with members   (any goroutine, one lock)
//	            Local.Handle ──► the roster's backlog                         (loop goroutine)
//	            Local.Fanout ──► Sink.Join once per form ──► Sink.Deliver once per member
//
// Order has no gaps because it is decided once: a publish takes its offset and posts under the same lock under
// which a subscribe reads its position and posts a join marker to its own loop. An inbox keeps the order of its
// posts, so a member receives exactly the publications after the position that its subscribe returned.
//
// Rooms whose [Options] say so remember: they have an epoch, give each publication an offset, and keep the newest
// publications within a size and an age. A subscribe reads what it has missed under the lock that decides the order, so
// nothing lies between what was recovered and what comes live. What a room remembers is immutable and shared by all who
// ask for it. Histories are bounded per room and, by [Hub.Limit], together. With a [Store] a publication is ordered and
// posted only when the store has it, so nobody sees what may be lost. A room that remembers nothing has no positions and
// costs no memory beyond its members.
//
// What waits for a room when its turn comes is joined into one write per member. While a large roster is being
// served, what is published meanwhile waits and is joined in its turn: a hot room merges by itself, and one with a
// BatchDelay merges more.
//
// Time comes in by [Hub.Tick] and by the clock at each publish: old histories, keys and unused rooms go in small steps,
// from a heap of what is due, never in a walk over all rooms.
//
// The package knows no socket and no wire format and starts no goroutine. A broken invariant panics; a panic
// under a shard's lock ends the process, because a lock that nobody releases would stop the node in silence.
package hub

// Package hub keeps rooms: the order of what is published to each, and who on which loop must receive it.
//
// A room lives in one of 256 shards, chosen by the hash of its name. The shard's lock guards the room's order
// and the list of loops that have members there, and is held for well under a microsecond, never across a
// system call. Who the members are is known only to each loop's [Local]: one roster per room, touched by the
// loop's goroutine alone.
//
//	Publish ──► shard: next offset ──► Inbox.Post to each loop with members   (any goroutine, one lock)
//	            Local.Handle ──► the roster's backlog                         (loop goroutine)
//	            Local.Fanout ──► Sink.Join once per form ──► Sink.Deliver once per member
//
// Order has no gaps because it is decided once: a publish takes its offset and posts under the same lock under
// which a subscribe reads its position and posts a join marker to its own loop. An inbox keeps the order of its
// posts, so a member receives exactly the publications after the position that its subscribe returned.
//
// What waits for a room when its turn comes is joined into one write per member. While a large roster is being
// served, what is published meanwhile waits and is joined in its turn: a hot room merges by itself.
//
// The package knows no socket and no wire format and starts no goroutine. A broken invariant panics; a panic
// under a shard's lock ends the process, because a lock that nobody releases would stop the node in silence.
package hub

package hub

// Pack takes ev apart for a mailbox that has its own shape of post: a pointer and 12 bytes. [UnpackEvent]
// puts it together again.
func (ev Event) Pack() (pub *Publication, where uint64, kind uint32) {
	return ev.pub, uint64(ev.roster)<<32 | uint64(ev.sub), uint32(ev.kind)
}

// UnpackEvent returns the event that Pack took apart.
func UnpackEvent(pub *Publication, where uint64, kind uint32) Event {
	return Event{pub: pub, roster: uint32(where >> 32), sub: uint32(where), kind: eventKind(kind)}
}

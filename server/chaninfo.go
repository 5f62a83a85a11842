package server

import (
	"slices"

	"github.com/seed4ac54ce5/edge/netpoll"
)

// chanInfo is what others are told about a client in one room only. Few subscriptions have one: whoever lets the
// client in gives it.
type chanInfo struct {
	room string
	info []byte
}

// setChanInfo keeps what a subscription that has just been made has of it.
func (l *loop) setChanInfo(id netpoll.ConnID, room, info []byte) {
	if len(info) > 0 {
		l.chanInfos[id] = append(l.chanInfos[id], chanInfo{string(room), info})
	}
}

// chanInfo returns what a client has in a room.
func (l *loop) chanInfo(id netpoll.ConnID, room []byte) []byte {
	if len(l.chanInfos) == 0 {
		return nil
	}
	for _, i := range l.chanInfos[id] {
		if i.room == string(room) {
			return i.info
		}
	}
	return nil
}

// dropChanInfo forgets it: in one room, or with nil in all.
func (l *loop) dropChanInfo(id netpoll.ConnID, room []byte) {
	if len(l.chanInfos) == 0 {
		return
	}
	left := slices.DeleteFunc(l.chanInfos[id], func(i chanInfo) bool { return room == nil || i.room == string(room) })
	if len(left) > 0 {
		l.chanInfos[id] = left
	} else {
		delete(l.chanInfos, id)
	}
}

package server

import (
	"encoding/binary"

	"github.com/seed4ac54ce5/edge/protocol"
)

// What the hub and its histories keep of a client is opaque to them: four texts, each behind its length as a varint.
//
//	client id | user id | conn_info | chan_info
//
// The client id is empty where the conn's own id stands beside it.

func appendInfo(dst []byte, info *protocol.ClientInfo) []byte {
	for _, text := range [...][]byte{info.Client, info.User, info.ConnInfo, info.ChanInfo} {
		dst = binary.AppendUvarint(dst, uint64(len(text)))
		dst = append(dst, text...)
	}
	return dst
}

// parseInfo takes apart what appendInfo has made; the texts are b's own bytes.
func parseInfo(b []byte) (info protocol.ClientInfo) {
	for _, text := range [...]*[]byte{&info.Client, &info.User, &info.ConnInfo, &info.ChanInfo} {
		n, size := binary.Uvarint(b)
		if size <= 0 || uint64(len(b)-size) < n {
			return protocol.ClientInfo{} // not ours: a damaged store
		}
		if n > 0 {
			*text = b[size : size+int(n)]
		}
		b = b[size+int(n):]
	}
	return info
}

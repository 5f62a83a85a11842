// Package packet is the bytes of Socket.IO's protocol, version 5: its text packets, and the MessagePack packets that
// socket.io-msgpack-parser has in their place. It knows nothing of sessions.
//
//	2/chat,7["message","hello"]     an event in the namespace /chat that asks for acknowledgement 7
//	51-["file",{"_placeholder":true,"num":0}]   an event, with one binary message to follow
//
// In both, what a packet carries is one JSON value, and its binary parts are apart from it, as attachments.
package packet

package protocol

// AppendPing appends the server's ping, which the client answers with a pong: an empty message.
func (e Encoding) AppendPing(dst []byte) []byte { return e.appendEmpty(dst) }

func (e Encoding) appendEmpty(dst []byte) []byte {
	if e == Protobuf {
		return append(dst, 0)
	}
	return append(dst, '{', '}')
}

// AppendPublicationPush appends the push that brings p to the channel's subscribers. It is the same for all of them.
func (e Encoding) AppendPublicationPush(dst, channel []byte, p *Publication) []byte {
	dst, at := e.openPush(dst, channel, 4, `"pub":{`)
	dst = e.publication(dst, p)
	return e.end(dst, at)
}

// AppendJoinPush appends the push that says that a client has come to channel.
func (e Encoding) AppendJoinPush(dst, channel []byte, info *ClientInfo) []byte {
	dst, at := e.openPush(dst, channel, 5, `"join":{`)
	dst = e.info(dst, 1, info)
	return e.end(dst, at)
}

// AppendLeavePush appends the push that says that a client has left channel.
func (e Encoding) AppendLeavePush(dst, channel []byte, info *ClientInfo) []byte {
	dst, at := e.openPush(dst, channel, 6, `"leave":{`)
	dst = e.info(dst, 1, info)
	return e.end(dst, at)
}

// AppendUnsubscribePush appends the push that ends the subscription to channel. Without a channel it appends nothing: such a
// push is one that the JavaScript SDK never recovers from.
func (e Encoding) AppendUnsubscribePush(dst, channel []byte, u Unsubscribed) []byte {
	if len(channel) == 0 {
		return dst
	}
	dst, at := e.openPush(dst, channel, 7, `"unsubscribe":{`)
	dst = e.uint(dst, 2, `"code":`, uint64(u.Code))
	dst = e.words(dst, 3, `"reason":`, u.Reason)
	return e.end(dst, at)
}

// AppendSubscribePush appends the push that says that the server has subscribed the client to channel. Of r it takes the
// position and the data: such a push carries no publications.
func (e Encoding) AppendSubscribePush(dst, channel []byte, r *SubscribeResult) []byte {
	dst, at := e.openPush(dst, channel, 9, `"subscribe":{`)
	dst = e.bool(dst, 1, `"recoverable":`, r.Recoverable)
	dst = e.text(dst, 4, `"epoch":`, r.Epoch)
	dst = e.uint(dst, 5, `"offset":`, r.Offset)
	dst = e.bool(dst, 6, `"positioned":`, r.Positioned)
	dst = e.raw(dst, 7, `"data":`, r.Data)
	return e.end(dst, at)
}

// AppendMessagePush appends the push of a message to one client alone: data is raw.
func (e Encoding) AppendMessagePush(dst, data []byte) []byte {
	dst, at := e.openPush(dst, nil, 8, `"message":{`)
	dst = e.raw(dst, 1, `"data":`, data)
	return e.end(dst, at)
}

// AppendConnectPush appends the push that opens the session of a client that sends no commands.
func (e Encoding) AppendConnectPush(dst []byte, r *ConnectResult) []byte {
	dst, at := e.openPush(dst, nil, 10, `"connect":{`)
	dst = e.text(dst, 1, `"client":`, r.Client)
	dst = e.words(dst, 2, `"version":`, r.Version)
	dst = e.raw(dst, 3, `"data":`, r.Data)
	dst = e.subs(dst, 4, r.Subs)
	dst = e.bool(dst, 5, `"expires":`, r.Expires)
	dst = e.uint(dst, 6, `"ttl":`, uint64(r.TTL))
	dst = e.connectEnd(dst, r)
	return e.end(dst, at)
}

// AppendDisconnectPush appends the push that ends a session on transports that have no close frame.
func (e Encoding) AppendDisconnectPush(dst []byte, disconnect Disconnect) []byte {
	dst, at := e.openPush(dst, nil, 11, `"disconnect":{`)
	dst = e.uint(dst, 1, `"code":`, uint64(disconnect.Code))
	dst = e.words(dst, 2, `"reason":`, disconnect.Reason)
	dst = e.bool(dst, 3, `"reconnect":`, disconnect.Reconnect())
	return e.end(dst, at)
}

// AppendRefreshPush appends the push that says that the session's expiry has changed: to ttl seconds from now, or to never.
func (e Encoding) AppendRefreshPush(dst []byte, expires bool, ttl uint32) []byte {
	dst, at := e.openPush(dst, nil, 12, `"refresh":{`)
	dst = e.bool(dst, 1, `"expires":`, expires)
	dst = e.uint(dst, 2, `"ttl":`, uint64(ttl))
	return e.end(dst, at)
}

package protocol

// AppendPing appends the server's ping, which the client answers with a pong.
func AppendPing(dst []byte) []byte { return append(dst, '{', '}') }

// openPush opens a push to channel with the field that says of what kind, given as `"name":`. A connection-wide push has no
// channel.
func openPush(dst, channel []byte, kind string) []byte {
	dst = append(dst, `{"push":{`...)
	dst = appendTextField(dst, `"channel":`, channel)
	return append(dst, kind...)
}

// closePush ends the push's last field, and the push.
func closePush(dst []byte) []byte { return append(closeObject(dst), '}', '}') }

// AppendPublicationPush appends the push that brings p to the channel's subscribers. It is the same for all of them.
func AppendPublicationPush(dst, channel []byte, p *Publication) []byte {
	dst = openPush(dst, channel, `"pub":`)
	return append(appendPublication(dst, p), '}', '}')
}

// AppendJoinPush appends the push that says that a client has come to channel.
func AppendJoinPush(dst, channel []byte, info *ClientInfo) []byte {
	dst = openPush(dst, channel, `"join":{"info":`)
	return closePush(appendClientInfo(dst, info))
}

// AppendLeavePush appends the push that says that a client has left channel.
func AppendLeavePush(dst, channel []byte, info *ClientInfo) []byte {
	dst = openPush(dst, channel, `"leave":{"info":`)
	return closePush(appendClientInfo(dst, info))
}

// AppendUnsubscribePush appends the push that ends the subscription to channel. Without a channel it appends nothing: such a
// push is one that the JavaScript SDK never recovers from.
func AppendUnsubscribePush(dst, channel []byte, u Unsubscribed) []byte {
	if len(channel) == 0 {
		return dst
	}
	dst = openPush(dst, channel, `"unsubscribe":{`)
	dst = appendUintField(dst, `"code":`, u.Code)
	dst = appendTextField(dst, `"reason":`, u.Reason)
	return closePush(dst)
}

// AppendSubscribePush appends the push that says that the server has subscribed the client to channel. Of r it takes the
// position and the data: such a push carries no publications.
func AppendSubscribePush(dst, channel []byte, r *SubscribeResult) []byte {
	dst = openPush(dst, channel, `"subscribe":{`)
	dst = appendTrueField(dst, `"recoverable":`, r.Recoverable)
	dst = appendTextField(dst, `"epoch":`, r.Epoch)
	dst = appendUintField(dst, `"offset":`, r.Offset)
	dst = appendTrueField(dst, `"positioned":`, r.Positioned)
	dst = appendRawField(dst, `"data":`, r.Data)
	return closePush(dst)
}

// AppendMessagePush appends the push of a message to one client alone: data is any JSON value.
func AppendMessagePush(dst, data []byte) []byte {
	dst = openPush(dst, nil, `"message":{`)
	return closePush(appendRawField(dst, `"data":`, data))
}

// AppendDisconnectPush appends the push that ends a session on transports that have no close frame.
func AppendDisconnectPush(dst []byte, disconnect Disconnect) []byte {
	dst = openPush(dst, nil, `"disconnect":{`)
	dst = appendUintField(dst, `"code":`, disconnect.Code)
	dst = appendTextField(dst, `"reason":`, disconnect.Reason)
	dst = appendTrueField(dst, `"reconnect":`, disconnect.Reconnect())
	return closePush(dst)
}

// AppendRefreshPush appends the push that says that the session's expiry has changed: to ttl seconds from now, or to never.
func AppendRefreshPush(dst []byte, expires bool, ttl uint32) []byte {
	dst = openPush(dst, nil, `"refresh":{`)
	dst = appendTrueField(dst, `"expires":`, expires)
	dst = appendUintField(dst, `"ttl":`, ttl)
	return closePush(dst)
}

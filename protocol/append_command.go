package protocol

// The client's side: commands out. What comes back is read by DecodeReply.

// AppendPong appends the answer to the server's ping: an empty message.
func (e Encoding) AppendPong(dst []byte) []byte { return e.appendEmpty(dst) }

// AppendConnect appends the command that opens the session, without r.Subs.
func (e Encoding) AppendConnect(dst []byte, id uint32, r *ConnectRequest) []byte {
	dst, at := e.openReply(dst, id, 4, `"connect":{`)
	dst = e.text(dst, 1, `"token":`, r.Token)
	dst = e.raw(dst, 2, `"data":`, r.Data)
	dst = e.text(dst, 4, `"name":`, r.Name)
	dst = e.text(dst, 5, `"version":`, r.Version)
	dst = e.int(dst, 7, `"flag":`, r.Flag)
	return e.end(dst, at)
}

// AppendSubscribe appends the command that subscribes to a channel.
func (e Encoding) AppendSubscribe(dst []byte, id uint32, r *SubscribeRequest) []byte {
	dst, at := e.openReply(dst, id, 5, `"subscribe":{`)
	dst = e.text(dst, 1, `"channel":`, r.Channel)
	dst = e.text(dst, 2, `"token":`, r.Token)
	dst = e.bool(dst, 3, `"recover":`, r.Recover)
	dst = e.text(dst, 6, `"epoch":`, r.Epoch)
	dst = e.uint(dst, 7, `"offset":`, r.Offset)
	dst = e.raw(dst, 8, `"data":`, r.Data)
	dst = e.bool(dst, 9, `"positioned":`, r.Positioned)
	dst = e.bool(dst, 10, `"recoverable":`, r.Recoverable)
	dst = e.bool(dst, 11, `"join_leave":`, r.JoinLeave)
	dst = e.text(dst, 12, `"delta":`, r.Delta)
	dst = e.raw(dst, 13, `"tf":`, r.TagsFilter)
	dst = e.int(dst, 14, `"flag":`, r.Flag)
	dst = e.int(dst, 15, `"type":`, int64(r.Type))
	return e.end(dst, at)
}

// AppendUnsubscribe appends the command that unsubscribes from channel.
func (e Encoding) AppendUnsubscribe(dst []byte, id uint32, channel []byte) []byte {
	return e.appendAbout(dst, id, 6, `"unsubscribe":{`, channel)
}

// AppendPresence appends the command that asks who is in channel.
func (e Encoding) AppendPresence(dst []byte, id uint32, channel []byte) []byte {
	return e.appendAbout(dst, id, 8, `"presence":{`, channel)
}

// AppendPresenceStats appends the command that asks how many are in channel.
func (e Encoding) AppendPresenceStats(dst []byte, id uint32, channel []byte) []byte {
	return e.appendAbout(dst, id, 9, `"presence_stats":{`, channel)
}

// appendAbout appends a command that has a channel and nothing else.
func (e Encoding) appendAbout(dst []byte, id uint32, number byte, key string, channel []byte) []byte {
	dst, at := e.openReply(dst, id, number, key)
	dst = e.text(dst, 1, `"channel":`, channel)
	return e.end(dst, at)
}

// AppendPublish appends the command that publishes data to a channel.
func (e Encoding) AppendPublish(dst []byte, id uint32, r *PublishRequest) []byte {
	dst, at := e.openReply(dst, id, 7, `"publish":{`)
	dst = e.text(dst, 1, `"channel":`, r.Channel)
	dst = e.raw(dst, 2, `"data":`, r.Data)
	dst = e.int(dst, 3, `"type":`, int64(r.Type))
	dst = e.text(dst, 4, `"key":`, r.Key)
	dst = e.bool(dst, 5, `"removed":`, r.Removed)
	return e.end(dst, at)
}

// AppendHistory appends the command that asks for a channel's position and past publications.
func (e Encoding) AppendHistory(dst []byte, id uint32, r *HistoryRequest) []byte {
	dst, at := e.openReply(dst, id, 10, `"history":{`)
	dst = e.text(dst, 1, `"channel":`, r.Channel)
	dst = e.int(dst, 7, `"limit":`, int64(r.Limit))
	if r.HasSince {
		dst = e.since(dst, 8, &r.Since)
	}
	dst = e.bool(dst, 9, `"reverse":`, r.Reverse)
	return e.end(dst, at)
}

func (e Encoding) since(dst []byte, number byte, p *Position) []byte {
	dst, at := e.open(dst, number, `"since":{`)
	dst = e.uint(dst, 1, `"offset":`, p.Offset)
	dst = e.text(dst, 2, `"epoch":`, p.Epoch)
	return e.close(dst, at)
}

// AppendRPC appends the command that calls a method of the application.
func (e Encoding) AppendRPC(dst []byte, id uint32, r *RPCRequest) []byte {
	dst, at := e.openReply(dst, id, 13, `"rpc":{`)
	dst = e.raw(dst, 1, `"data":`, r.Data)
	dst = e.text(dst, 2, `"method":`, r.Method)
	return e.end(dst, at)
}

// AppendSend appends the command that hands data to the application; it needs no id.
func (e Encoding) AppendSend(dst []byte, id uint32, data []byte) []byte {
	dst, at := e.openReply(dst, id, 12, `"send":{`)
	dst = e.raw(dst, 1, `"data":`, data)
	return e.end(dst, at)
}

// AppendRefresh appends the command that prolongs the session with a new token.
func (e Encoding) AppendRefresh(dst []byte, id uint32, token []byte) []byte {
	dst, at := e.openReply(dst, id, 14, `"refresh":{`)
	dst = e.text(dst, 1, `"token":`, token)
	return e.end(dst, at)
}

// AppendSubRefresh appends the command that prolongs a subscription with a new token.
func (e Encoding) AppendSubRefresh(dst []byte, id uint32, r *SubRefreshRequest) []byte {
	dst, at := e.openReply(dst, id, 15, `"sub_refresh":{`)
	dst = e.text(dst, 1, `"channel":`, r.Channel)
	dst = e.text(dst, 2, `"token":`, r.Token)
	dst = e.int(dst, 3, `"type":`, int64(r.Type))
	return e.end(dst, at)
}

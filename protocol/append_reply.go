package protocol

// AppendError appends the answer to command id that it failed.
func (e Encoding) AppendError(dst []byte, id uint32, err *Error) []byte {
	dst, at := e.openReply(dst, id, 2, `"error":{`)
	dst = e.uint(dst, 1, `"code":`, uint64(err.Code))
	dst = e.words(dst, 2, `"message":`, err.Message)
	dst = e.bool(dst, 3, `"temporary":`, err.Temporary)
	return e.end(dst, at)
}

// AppendConnectReply appends the answer to a connect.
func (e Encoding) AppendConnectReply(dst []byte, id uint32, r *ConnectResult) []byte {
	dst, at := e.openReply(dst, id, 5, `"connect":{`)
	dst = e.text(dst, 1, `"client":`, r.Client)
	dst = e.words(dst, 2, `"version":`, r.Version)
	dst = e.bool(dst, 3, `"expires":`, r.Expires)
	dst = e.uint(dst, 4, `"ttl":`, uint64(r.TTL))
	dst = e.raw(dst, 5, `"data":`, r.Data)
	dst = e.subs(dst, 6, r.Subs)
	dst = e.connectEnd(dst, r)
	return e.end(dst, at)
}

// connectEnd appends the fields of r that a connect's reply and its push number alike.
func (e Encoding) connectEnd(dst []byte, r *ConnectResult) []byte {
	dst = e.uint(dst, 7, `"ping":`, uint64(r.Ping))
	dst = e.bool(dst, 8, `"pong":`, r.Pong)
	dst = e.text(dst, 9, `"session":`, r.Session)
	dst = e.text(dst, 10, `"node":`, r.Node)
	return e.int(dst, 11, `"time":`, r.Time)
}

func (e Encoding) subs(dst []byte, number byte, subs []ConnectSub) []byte {
	if len(subs) == 0 {
		return dst
	}
	dst = e.openMany(dst, `"subs":{`)
	for i := range subs {
		dst = e.sub(dst, number, &subs[i])
	}
	return e.closeMany(dst, '}')
}

func (e Encoding) sub(dst []byte, number byte, sub *ConnectSub) []byte {
	dst, at := e.openEntry(dst, number, sub.Channel)
	dst = e.subscribeResult(dst, &sub.SubscribeResult)
	return e.closeEntry(dst, at)
}

// AppendSubscribeReply appends the answer to a subscribe.
func (e Encoding) AppendSubscribeReply(dst []byte, id uint32, r *SubscribeResult) []byte {
	dst, at := e.openReply(dst, id, 6, `"subscribe":{`)
	dst = e.subscribeResult(dst, r)
	return e.end(dst, at)
}

func (e Encoding) subscribeResult(dst []byte, r *SubscribeResult) []byte {
	dst = e.bool(dst, 1, `"expires":`, r.Expires)
	dst = e.uint(dst, 2, `"ttl":`, uint64(r.TTL))
	dst = e.bool(dst, 3, `"recoverable":`, r.Recoverable)
	dst = e.text(dst, 6, `"epoch":`, r.Epoch)
	if len(r.Publications) > 0 {
		dst = e.publications(dst, 7, r.Publications)
	}
	dst = e.bool(dst, 8, `"recovered":`, r.Recovered)
	dst = e.uint(dst, 9, `"offset":`, r.Offset)
	dst = e.bool(dst, 10, `"positioned":`, r.Positioned)
	dst = e.raw(dst, 11, `"data":`, r.Data)
	dst = e.bool(dst, 12, `"was_recovering":`, r.WasRecovering)
	return e.bool(dst, 13, `"delta":`, r.Delta)
}

// AppendUnsubscribeReply appends the answer to an unsubscribe.
func (e Encoding) AppendUnsubscribeReply(dst []byte, id uint32) []byte {
	dst, at := e.openReply(dst, id, 7, `"unsubscribe":{`)
	return e.end(dst, at)
}

// AppendPublishReply appends the answer to a publish.
func (e Encoding) AppendPublishReply(dst []byte, id uint32) []byte {
	dst, at := e.openReply(dst, id, 8, `"publish":{`)
	return e.end(dst, at)
}

// AppendPresenceReply appends the answer to a presence: the clients, by their ids. The object of them is there even if it is
// empty.
func (e Encoding) AppendPresenceReply(dst []byte, id uint32, present []ClientInfo) []byte {
	dst, at := e.openReply(dst, id, 9, `"presence":{`)
	dst = e.openMany(dst, `"presence":{`)
	for i := range present {
		dst = e.present(dst, 1, &present[i])
	}
	dst = e.closeMany(dst, '}')
	return e.end(dst, at)
}

func (e Encoding) present(dst []byte, number byte, info *ClientInfo) []byte {
	dst, at := e.openEntry(dst, number, info.Client)
	dst = e.clientInfo(dst, info)
	return e.closeEntry(dst, at)
}

// AppendPresenceStatsReply appends the answer to a presence_stats. Its numbers are there even if they are 0.
func (e Encoding) AppendPresenceStatsReply(dst []byte, id uint32, r PresenceStatsResult) []byte {
	dst, at := e.openReply(dst, id, 10, `"presence_stats":{`)
	dst = e.alwaysUint(dst, 1, `"num_clients":`, uint64(r.Clients))
	dst = e.alwaysUint(dst, 2, `"num_users":`, uint64(r.Users))
	return e.end(dst, at)
}

// AppendHistoryReply appends the answer to a history. Its fields are there even if they are empty.
func (e Encoding) AppendHistoryReply(dst []byte, id uint32, r *HistoryResult) []byte {
	dst, at := e.openReply(dst, id, 11, `"history":{`)
	dst = e.publications(dst, 1, r.Publications)
	dst = e.alwaysText(dst, 2, `"epoch":`, r.Position.Epoch)
	dst = e.alwaysUint(dst, 3, `"offset":`, r.Position.Offset)
	return e.end(dst, at)
}

// AppendRPCReply appends the answer to an rpc: data is raw, or nil.
func (e Encoding) AppendRPCReply(dst []byte, id uint32, data []byte) []byte {
	dst, at := e.openReply(dst, id, 13, `"rpc":{`)
	dst = e.raw(dst, 1, `"data":`, data)
	return e.end(dst, at)
}

// AppendRefreshReply appends the answer to a refresh.
func (e Encoding) AppendRefreshReply(dst []byte, id uint32, r *RefreshResult) []byte {
	dst, at := e.openReply(dst, id, 14, `"refresh":{`)
	dst = e.text(dst, 1, `"client":`, r.Client)
	dst = e.words(dst, 2, `"version":`, r.Version)
	dst = e.bool(dst, 3, `"expires":`, r.Expires)
	dst = e.uint(dst, 4, `"ttl":`, uint64(r.TTL))
	return e.end(dst, at)
}

// AppendSubRefreshReply appends the answer to a sub_refresh.
func (e Encoding) AppendSubRefreshReply(dst []byte, id uint32, r SubRefreshResult) []byte {
	dst, at := e.openReply(dst, id, 15, `"sub_refresh":{`)
	dst = e.bool(dst, 1, `"expires":`, r.Expires)
	dst = e.uint(dst, 2, `"ttl":`, uint64(r.TTL))
	return e.end(dst, at)
}

// publications appends the list of pubs, be it empty.
func (e Encoding) publications(dst []byte, number byte, pubs []Publication) []byte {
	dst = e.openMany(dst, `"publications":[`)
	for i := range pubs {
		dst = e.listed(dst, number, &pubs[i])
	}
	return e.closeMany(dst, ']')
}

// listed appends p as one of a list.
func (e Encoding) listed(dst []byte, number byte, p *Publication) []byte {
	dst, at := e.open(dst, number, `{`)
	dst = e.publication(dst, p)
	return e.close(dst, at)
}

// publication appends the fields of p.
func (e Encoding) publication(dst []byte, p *Publication) []byte {
	dst = e.raw(dst, 4, `"data":`, p.Data)
	if p.Info != nil {
		dst = e.info(dst, 5, p.Info)
	}
	dst = e.uint(dst, 6, `"offset":`, p.Offset)
	dst = e.tags(dst, 7, p.Tags)
	dst = e.bool(dst, 8, `"delta":`, p.Delta)
	return e.text(dst, 14, `"epoch":`, p.Epoch)
}

func (e Encoding) tags(dst []byte, number byte, tags []Tag) []byte {
	if len(tags) == 0 {
		return dst
	}
	dst = e.openMany(dst, `"tags":{`)
	for _, tag := range tags {
		dst = e.entry(dst, number, tag.Key, tag.Value)
	}
	return e.closeMany(dst, '}')
}

func (e Encoding) info(dst []byte, number byte, info *ClientInfo) []byte {
	dst, at := e.open(dst, number, `"info":{`)
	dst = e.clientInfo(dst, info)
	return e.close(dst, at)
}

// clientInfo appends the fields of info: user and client even if they are empty, since SDKs count on them.
func (e Encoding) clientInfo(dst []byte, info *ClientInfo) []byte {
	dst = e.alwaysText(dst, 1, `"user":`, info.User)
	dst = e.alwaysText(dst, 2, `"client":`, info.Client)
	dst = e.raw(dst, 3, `"conn_info":`, info.ConnInfo)
	return e.raw(dst, 4, `"chan_info":`, info.ChanInfo)
}

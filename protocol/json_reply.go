package protocol

import "strconv"

// openMessage opens the command or reply with id and the one object in it, given as `"name":{`.
func openMessage(dst []byte, id uint32, object string) []byte {
	dst = appendUintField(append(dst, '{'), `"id":`, id)
	return append(dst, object...)
}

// closeMessage ends that object and the message.
func closeMessage(dst []byte) []byte { return append(closeObject(dst), '}') }

// AppendError appends the answer to command id that it failed.
func AppendError(dst []byte, id uint32, e *Error) []byte {
	dst = openMessage(dst, id, `"error":{`)
	dst = appendUintField(dst, `"code":`, e.Code)
	dst = appendTextField(dst, `"message":`, e.Message)
	dst = appendTrueField(dst, `"temporary":`, e.Temporary)
	return closeMessage(dst)
}

// AppendConnectReply appends the answer to a connect.
func AppendConnectReply(dst []byte, id uint32, r *ConnectResult) []byte {
	dst = openMessage(dst, id, `"connect":{`)
	dst = appendTextField(dst, `"client":`, r.Client)
	dst = appendTextField(dst, `"version":`, r.Version)
	dst = appendTrueField(dst, `"expires":`, r.Expires)
	dst = appendUintField(dst, `"ttl":`, r.TTL)
	dst = appendRawField(dst, `"data":`, r.Data)
	dst = appendConnectSubs(dst, r.Subs)
	dst = appendUintField(dst, `"ping":`, r.Ping)
	dst = appendTrueField(dst, `"pong":`, r.Pong)
	dst = appendTextField(dst, `"session":`, r.Session)
	dst = appendTextField(dst, `"node":`, r.Node)
	dst = appendUintField(dst, `"time":`, uint64(max(r.Time, 0)))
	return closeMessage(dst)
}

func appendConnectSubs(dst []byte, subs []ConnectSub) []byte {
	if len(subs) == 0 {
		return dst
	}
	dst = append(dst, `"subs":{`...)
	for i := range subs {
		dst = append(appendText(dst, subs[i].Channel), ':', '{')
		dst = append(appendSubscribeResult(dst, &subs[i].SubscribeResult), ',')
	}
	return append(closeObject(dst), ',')
}

// AppendSubscribeReply appends the answer to a subscribe.
func AppendSubscribeReply(dst []byte, id uint32, r *SubscribeResult) []byte {
	dst = openMessage(dst, id, `"subscribe":{`)
	return append(appendSubscribeResult(dst, r), '}')
}

// appendSubscribeResult appends what follows the opening bracket.
func appendSubscribeResult(dst []byte, r *SubscribeResult) []byte {
	dst = appendTrueField(dst, `"expires":`, r.Expires)
	dst = appendUintField(dst, `"ttl":`, r.TTL)
	dst = appendTrueField(dst, `"recoverable":`, r.Recoverable)
	dst = appendTextField(dst, `"epoch":`, r.Epoch)
	if len(r.Publications) > 0 {
		dst = appendPublications(dst, r.Publications)
	}
	dst = appendTrueField(dst, `"recovered":`, r.Recovered)
	dst = appendUintField(dst, `"offset":`, r.Offset)
	dst = appendTrueField(dst, `"positioned":`, r.Positioned)
	dst = appendRawField(dst, `"data":`, r.Data)
	dst = appendTrueField(dst, `"was_recovering":`, r.WasRecovering)
	dst = appendTrueField(dst, `"delta":`, r.Delta)
	return closeObject(dst)
}

// AppendUnsubscribeReply appends the answer to an unsubscribe.
func AppendUnsubscribeReply(dst []byte, id uint32) []byte {
	return closeMessage(openMessage(dst, id, `"unsubscribe":{`))
}

// AppendPublishReply appends the answer to a publish.
func AppendPublishReply(dst []byte, id uint32) []byte {
	return closeMessage(openMessage(dst, id, `"publish":{`))
}

// AppendPresenceReply appends the answer to a presence: who is in the channel, each once.
func AppendPresenceReply(dst []byte, id uint32, present []ClientInfo) []byte {
	dst = openMessage(dst, id, `"presence":{`)
	dst = append(dst, `"presence":{`...)
	for i := range present {
		dst = append(appendText(dst, present[i].Client), ':')
		dst = append(appendClientInfo(dst, &present[i]), ',')
	}
	return closeMessage(closeObject(dst))
}

// AppendPresenceStatsReply appends the answer to a presence_stats. Its numbers are there even if they are 0.
func AppendPresenceStatsReply(dst []byte, id uint32, r PresenceStatsResult) []byte {
	dst = openMessage(dst, id, `"presence_stats":{`)
	dst = append(dst, `"num_clients":`...)
	dst = strconv.AppendUint(dst, uint64(r.Clients), 10)
	dst = append(dst, `,"num_users":`...)
	dst = strconv.AppendUint(dst, uint64(r.Users), 10)
	return closeMessage(dst)
}

// AppendHistoryReply appends the answer to a history. Its fields are there even if they are empty.
func AppendHistoryReply(dst []byte, id uint32, r *HistoryResult) []byte {
	dst = openMessage(dst, id, `"history":{`)
	dst = appendPublications(dst, r.Publications)
	dst = append(dst, `"epoch":`...)
	dst = appendText(dst, r.Position.Epoch)
	dst = append(dst, `,"offset":`...)
	dst = strconv.AppendUint(dst, r.Position.Offset, 10)
	return closeMessage(dst)
}

// AppendRPCReply appends the answer to an rpc: data is any JSON value, or nil.
func AppendRPCReply(dst []byte, id uint32, data []byte) []byte {
	dst = openMessage(dst, id, `"rpc":{`)
	return closeMessage(appendRawField(dst, `"data":`, data))
}

// AppendRefreshReply appends the answer to a refresh.
func AppendRefreshReply(dst []byte, id uint32, r *RefreshResult) []byte {
	dst = openMessage(dst, id, `"refresh":{`)
	dst = appendTextField(dst, `"client":`, r.Client)
	dst = appendTextField(dst, `"version":`, r.Version)
	dst = appendTrueField(dst, `"expires":`, r.Expires)
	dst = appendUintField(dst, `"ttl":`, r.TTL)
	return closeMessage(dst)
}

// AppendSubRefreshReply appends the answer to a sub_refresh.
func AppendSubRefreshReply(dst []byte, id uint32, r SubRefreshResult) []byte {
	dst = openMessage(dst, id, `"sub_refresh":{`)
	dst = appendTrueField(dst, `"expires":`, r.Expires)
	dst = appendUintField(dst, `"ttl":`, r.TTL)
	return closeMessage(dst)
}

// appendPublications appends the field that lists pubs, be it empty.
func appendPublications(dst []byte, pubs []Publication) []byte {
	dst = append(dst, `"publications":[`...)
	for i := range pubs {
		dst = append(appendPublication(dst, &pubs[i]), ',')
	}
	return append(closeArray(dst), ',')
}

// appendPublication appends p as an object.
func appendPublication(dst []byte, p *Publication) []byte {
	dst = appendRawField(append(dst, '{'), `"data":`, p.Data)
	if p.Info != nil {
		dst = append(dst, `"info":`...)
		dst = append(appendClientInfo(dst, p.Info), ',')
	}
	dst = appendUintField(dst, `"offset":`, p.Offset)
	dst = appendTags(dst, p.Tags)
	dst = appendTrueField(dst, `"delta":`, p.Delta)
	dst = appendTextField(dst, `"epoch":`, p.Epoch)
	return closeObject(dst)
}

func appendTags(dst []byte, tags []Tag) []byte {
	if len(tags) == 0 {
		return dst
	}
	dst = append(dst, `"tags":{`...)
	for _, tag := range tags {
		dst = append(appendText(dst, tag.Key), ':')
		dst = append(appendText(dst, tag.Value), ',')
	}
	return append(closeObject(dst), ',')
}

// appendClientInfo appends info as an object: user and client always, since SDKs count on them.
func appendClientInfo(dst []byte, info *ClientInfo) []byte {
	dst = append(dst, `{"user":`...)
	dst = appendText(dst, info.User)
	dst = append(dst, `,"client":`...)
	dst = append(appendText(dst, info.Client), ',')
	dst = appendRawField(dst, `"conn_info":`, info.ConnInfo)
	dst = appendRawField(dst, `"chan_info":`, info.ChanInfo)
	return closeObject(dst)
}

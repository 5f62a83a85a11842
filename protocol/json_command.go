package protocol

import "math"

// decodeJSONCommand reads the command that line holds into c: one JSON object, with whitespace around it at most. Null counts as
// absent; of objects that come more than once, too, only the last counts.
func (d *Decoder) decodeJSONCommand(line []byte, c *Command) error {
	c.ID, c.seen = 0, 0
	if err := d.decode(line, c); err != nil {
		return err
	}
	c.settle()
	return nil
}

// jsonSubs yields the entries of r.Subs, an object.
func (d *Decoder) jsonSubs(r *ConnectRequest, yield func([]byte, *SubscribeRequest) bool) {
	if r.Subs == nil {
		return
	}
	d.line = r.Subs
	i, more := enter(d.line, 0, '}')
	for more {
		var channel []byte
		channel, i = d.key(i)
		if i = d.subscribe(i); i < 0 || !yield(channel, &d.sub) {
			return
		}
		i, more = next(d.line, i, '}')
	}
}

// subscribe reads an entry of ConnectRequest.Subs into d.sub.
func (d *Decoder) subscribe(i int) int {
	d.sub = SubscribeRequest{}
	return d.object(i, &d.sub)
}

// request reads the request at i for method m of c. The latest of several replaces the earlier ones.
func request[R any, P interface {
	*R
	fields
}](d *Decoder, c *Command, m Method, i int, p P) int {
	*p = *new(R)
	c.seen |= 1 << m
	if at(d.line, i) == 'n' {
		c.seen &^= 1 << m
	}
	return d.object(i, p)
}

func (c *Command) field(d *Decoder, key []byte, i int) int {
	switch string(key) {
	case "id":
		return unsigned(d, i, &c.ID)
	case "connect":
		return request(d, c, MethodConnect, i, &c.Connect)
	case "subscribe":
		return request(d, c, MethodSubscribe, i, &c.Subscribe)
	case "unsubscribe":
		return request(d, c, MethodUnsubscribe, i, &c.Unsubscribe)
	case "publish":
		return request(d, c, MethodPublish, i, &c.Publish)
	case "presence":
		return request(d, c, MethodPresence, i, &c.Presence)
	case "presence_stats":
		return request(d, c, MethodPresenceStats, i, &c.PresenceStats)
	case "history":
		return request(d, c, MethodHistory, i, &c.History)
	case "rpc":
		return request(d, c, MethodRPC, i, &c.RPC)
	case "send":
		return request(d, c, MethodSend, i, &c.Send)
	case "refresh":
		return request(d, c, MethodRefresh, i, &c.Refresh)
	case "sub_refresh":
		return request(d, c, MethodSubRefresh, i, &c.SubRefresh)
	case "ping":
		return request(d, c, MethodPing, i, &nothing{})
	}
	return d.skip(i)
}

func (r *ConnectRequest) field(d *Decoder, key []byte, i int) int {
	switch string(key) {
	case "token":
		return d.text(i, &r.Token)
	case "data":
		return d.raw(i, &r.Data)
	case "subs":
		return d.container(i, &r.Subs, &entries{})
	case "name":
		return d.text(i, &r.Name)
	case "version":
		return d.text(i, &r.Version)
	case "headers":
		return d.object(i, &texts{})
	case "flag":
		return signed(d, i, math.MaxInt64, &r.Flag)
	}
	return d.skip(i)
}

func (r *SubscribeRequest) field(d *Decoder, key []byte, i int) int {
	switch string(key) {
	case "channel":
		return d.text(i, &r.Channel)
	case "token":
		return d.text(i, &r.Token)
	case "recover":
		return d.boolean(i, &r.Recover)
	case "epoch":
		return d.text(i, &r.Epoch)
	case "offset":
		return unsigned(d, i, &r.Offset)
	case "data":
		return d.raw(i, &r.Data)
	case "positioned":
		return d.boolean(i, &r.Positioned)
	case "recoverable":
		return d.boolean(i, &r.Recoverable)
	case "join_leave":
		return d.boolean(i, &r.JoinLeave)
	case "delta":
		return d.text(i, &r.Delta)
	case "tf":
		return d.container(i, &r.TagsFilter, &nothing{})
	case "flag":
		return signed(d, i, math.MaxInt64, &r.Flag)
	case "type":
		return signed(d, i, math.MaxInt32, &r.Type)
	}
	return d.skip(i)
}

func (r *UnsubscribeRequest) field(d *Decoder, key []byte, i int) int {
	if string(key) == "channel" {
		return d.text(i, &r.Channel)
	}
	return d.skip(i)
}

func (r *PublishRequest) field(d *Decoder, key []byte, i int) int {
	switch string(key) {
	case "channel":
		return d.text(i, &r.Channel)
	case "data":
		return d.raw(i, &r.Data)
	case "type":
		return signed(d, i, math.MaxInt32, &r.Type)
	case "key":
		return d.text(i, &r.Key)
	case "removed":
		return d.boolean(i, &r.Removed)
	}
	return d.skip(i)
}

func (r *PresenceRequest) field(d *Decoder, key []byte, i int) int {
	if string(key) == "channel" {
		return d.text(i, &r.Channel)
	}
	return d.skip(i)
}

func (r *HistoryRequest) field(d *Decoder, key []byte, i int) int {
	switch string(key) {
	case "channel":
		return d.text(i, &r.Channel)
	case "limit":
		return signed(d, i, math.MaxInt32, &r.Limit)
	case "since":
		r.Since, r.HasSince = Position{}, at(d.line, i) != 'n'
		return d.object(i, &r.Since)
	case "reverse":
		return d.boolean(i, &r.Reverse)
	}
	return d.skip(i)
}

func (p *Position) field(d *Decoder, key []byte, i int) int {
	switch string(key) {
	case "offset":
		return unsigned(d, i, &p.Offset)
	case "epoch":
		return d.text(i, &p.Epoch)
	}
	return d.skip(i)
}

func (r *RPCRequest) field(d *Decoder, key []byte, i int) int {
	switch string(key) {
	case "data":
		return d.raw(i, &r.Data)
	case "method":
		return d.text(i, &r.Method)
	}
	return d.skip(i)
}

func (r *SendRequest) field(d *Decoder, key []byte, i int) int {
	if string(key) == "data" {
		return d.raw(i, &r.Data)
	}
	return d.skip(i)
}

func (r *RefreshRequest) field(d *Decoder, key []byte, i int) int {
	if string(key) == "token" {
		return d.text(i, &r.Token)
	}
	return d.skip(i)
}

func (r *SubRefreshRequest) field(d *Decoder, key []byte, i int) int {
	switch string(key) {
	case "channel":
		return d.text(i, &r.Channel)
	case "token":
		return d.text(i, &r.Token)
	case "type":
		return signed(d, i, math.MaxInt32, &r.Type)
	}
	return d.skip(i)
}

// container makes *p the bytes of the object at i, or nil if it is null, and checks its fields with f.
func (d *Decoder) container(i int, p *[]byte, f fields) int {
	end := d.object(i, f)
	if end < 0 {
		return end
	}
	*p = nil
	if d.line[i] == '{' {
		*p = d.line[i:end:end]
	}
	return end
}

// nothing is an object of which no field is wanted.
type nothing struct{}

func (nothing) field(d *Decoder, _ []byte, i int) int { return d.skip(i) }

// texts is an object whose values are strings, and are not wanted.
type texts struct{}

func (texts) field(d *Decoder, _ []byte, i int) int {
	var ignored []byte
	return d.text(i, &ignored)
}

// entries is an object whose values are subscribe requests. It only checks them: jsonSubs reads them.
type entries struct{}

func (entries) field(d *Decoder, _ []byte, i int) int { return d.subscribe(i) }

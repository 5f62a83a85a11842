package protocol

// decodeProtobufCommand reads the command in msg into c.
func (d *Decoder) decodeProtobufCommand(msg []byte, c *Command) error {
	c.ID, c.seen = 0, 0
	if f := d.message(msg, c); f != 0 {
		return f
	}
	if c.seen&(1<<MethodConnect) != 0 && c.Connect.Subs != nil {
		c.Connect.Subs = msg
	}
	c.settle()
	return nil
}

// The numbers that lead from a Command to the entries of ConnectRequest.Subs.
const (
	numberConnect = 4
	numberSubs    = 3
)

// protobufSubs yields the entries of r.Subs, which is the whole command: between the entries there may be anything.
func (d *Decoder) protobufSubs(r *ConnectRequest, yield func([]byte, *SubscribeRequest) bool) {
	eachMessage(r.Subs, numberConnect, func(connect []byte) bool {
		return eachMessage(connect, numberSubs, func(entry []byte) bool {
			return d.readEntry(entry) == 0 && yield(d.channel, &d.sub)
		})
	})
}

// eachMessage calls yield for each message under number in b, until that returns false.
func eachMessage(b []byte, number uint32, yield func([]byte) bool) bool {
	for i := 0; i < len(b); {
		n, v, next := readField(b, i)
		if next < 0 || n == number && !yield(v.bytes) {
			return false
		}
		i = next
	}
	return true
}

// readEntry reads an entry of ConnectRequest.Subs into d.channel and d.sub.
func (d *Decoder) readEntry(b []byte) Fault {
	d.channel, d.sub = nil, SubscribeRequest{}
	return d.message(b, subEntry{})
}

// subEntry is the entry of ConnectRequest.Subs that is being read.
type subEntry struct{}

func (subEntry) set(d *Decoder, number uint32, v value) Fault {
	switch number {
	case 1:
		return v.text(&d.channel)
	case 2:
		return v.message(d, &d.sub)
	}
	return 0
}

// merge reads a request for method m of c. If it is not the first for m it adds to what the earlier ones have set.
func merge[R any, P interface {
	*R
	numbered
}](d *Decoder, c *Command, m Method, v value, p P) Fault {
	if c.seen&(1<<m) == 0 {
		*p = *new(R)
	}
	c.seen |= 1 << m
	return v.message(d, p)
}

func (c *Command) set(d *Decoder, number uint32, v value) Fault {
	switch number {
	case 1:
		return integer(v, &c.ID)
	case numberConnect:
		return merge(d, c, MethodConnect, v, &c.Connect)
	case 5:
		return merge(d, c, MethodSubscribe, v, &c.Subscribe)
	case 6:
		return merge(d, c, MethodUnsubscribe, v, &c.Unsubscribe)
	case 7:
		return merge(d, c, MethodPublish, v, &c.Publish)
	case 8:
		return merge(d, c, MethodPresence, v, &c.Presence)
	case 9:
		return merge(d, c, MethodPresenceStats, v, &c.PresenceStats)
	case 10:
		return merge(d, c, MethodHistory, v, &c.History)
	case 11:
		return merge(d, c, MethodPing, v, &nothing{})
	case 12:
		return merge(d, c, MethodSend, v, &c.Send)
	case 13:
		return merge(d, c, MethodRPC, v, &c.RPC)
	case 14:
		return merge(d, c, MethodRefresh, v, &c.Refresh)
	case 15:
		return merge(d, c, MethodSubRefresh, v, &c.SubRefresh)
	}
	return 0
}

func (r *ConnectRequest) set(d *Decoder, number uint32, v value) Fault {
	switch number {
	case 1:
		return v.text(&r.Token)
	case 2:
		return v.raw(&r.Data)
	case numberSubs:
		r.Subs = v.bytes // for now: it is the whole command once that has been read
		return v.entry(d)
	case 4:
		return v.text(&r.Name)
	case 5:
		return v.text(&r.Version)
	case 6:
		return v.message(d, texts{})
	case 7:
		return integer(v, &r.Flag)
	}
	return 0
}

// entry checks an entry of ConnectRequest.Subs: protobufSubs reads it.
func (v value) entry(d *Decoder) Fault {
	if v.wire != wireBytes {
		return FaultType
	}
	return d.readEntry(v.bytes)
}

func (r *SubscribeRequest) set(_ *Decoder, number uint32, v value) Fault {
	switch number {
	case 1:
		return v.text(&r.Channel)
	case 2:
		return v.text(&r.Token)
	case 3:
		return v.boolean(&r.Recover)
	case 6:
		return v.text(&r.Epoch)
	case 7:
		return integer(v, &r.Offset)
	case 8:
		return v.raw(&r.Data)
	case 9:
		return v.boolean(&r.Positioned)
	case 10:
		return v.boolean(&r.Recoverable)
	case 11:
		return v.boolean(&r.JoinLeave)
	case 12:
		return v.text(&r.Delta)
	case 13:
		return v.filter(&r.TagsFilter)
	case 14:
		return integer(v, &r.Flag)
	case 15:
		return integer(v, &r.Type)
	}
	return 0
}

// filter stores a filter as it is. Two would have to be merged, which nobody asks for and is a FaultType.
func (v value) filter(p *[]byte) Fault {
	if v.wire != wireBytes || *p != nil {
		return FaultType
	}
	*p = v.bytes
	return checkFilter(v.bytes, MaxDepth)
}

// checkFilter checks a filter's node and those below it, of no more than depth levels.
func checkFilter(b []byte, depth int) Fault {
	if depth == 0 {
		return FaultDepth
	}
	for i := 0; i < len(b); {
		number, v, next := readField(b, i)
		if next < 0 {
			return Fault(-next)
		}
		if f := v.filterField(number, depth); f != 0 {
			return f
		}
		i = next
	}
	return 0
}

func (v value) filterField(number uint32, depth int) Fault {
	var ignored []byte
	switch {
	case number >= 1 && number <= 5:
		return v.text(&ignored)
	case number != 6:
		return 0
	case v.wire != wireBytes:
		return FaultType
	}
	return checkFilter(v.bytes, depth-1)
}

func (r *UnsubscribeRequest) set(_ *Decoder, number uint32, v value) Fault {
	if number == 1 {
		return v.text(&r.Channel)
	}
	return 0
}

func (r *PublishRequest) set(_ *Decoder, number uint32, v value) Fault {
	switch number {
	case 1:
		return v.text(&r.Channel)
	case 2:
		return v.raw(&r.Data)
	case 3:
		return integer(v, &r.Type)
	case 4:
		return v.text(&r.Key)
	case 5:
		return v.boolean(&r.Removed)
	}
	return 0
}

func (r *PresenceRequest) set(_ *Decoder, number uint32, v value) Fault {
	if number == 1 {
		return v.text(&r.Channel)
	}
	return 0
}

func (r *HistoryRequest) set(d *Decoder, number uint32, v value) Fault {
	switch number {
	case 1:
		return v.text(&r.Channel)
	case 7:
		return integer(v, &r.Limit)
	case 8:
		r.HasSince = true
		return v.message(d, &r.Since)
	case 9:
		return v.boolean(&r.Reverse)
	}
	return 0
}

func (p *Position) set(_ *Decoder, number uint32, v value) Fault {
	switch number {
	case 1:
		return integer(v, &p.Offset)
	case 2:
		return v.text(&p.Epoch)
	}
	return 0
}

func (r *RPCRequest) set(_ *Decoder, number uint32, v value) Fault {
	switch number {
	case 1:
		return v.raw(&r.Data)
	case 2:
		return v.text(&r.Method)
	}
	return 0
}

func (r *SendRequest) set(_ *Decoder, number uint32, v value) Fault {
	if number == 1 {
		return v.raw(&r.Data)
	}
	return 0
}

func (r *RefreshRequest) set(_ *Decoder, number uint32, v value) Fault {
	if number == 1 {
		return v.text(&r.Token)
	}
	return 0
}

func (r *SubRefreshRequest) set(_ *Decoder, number uint32, v value) Fault {
	switch number {
	case 1:
		return v.text(&r.Channel)
	case 2:
		return v.text(&r.Token)
	case 3:
		return integer(v, &r.Type)
	}
	return 0
}

func (nothing) set(*Decoder, uint32, value) Fault { return 0 }

func (texts) set(_ *Decoder, number uint32, v value) Fault {
	var ignored []byte
	if number == 1 || number == 2 {
		return v.text(&ignored)
	}
	return 0
}

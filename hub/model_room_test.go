package hub

import (
	"fmt"
	"slices"
	"time"
)

// modelRoom is a room in plain lists.
type modelRoom struct {
	name    string
	ns      Namespace
	members int
	rosters map[*worldLoop]*modelRoster
	log     []modelPub // what was posted to members
	places  []modelPlace

	exists     bool
	memory     bool
	options    Options // of the last use
	positioned bool
	epoch      uint64 // 0 until learnt
	offset     uint64
	past       []modelPub
	newest     time.Time
	used       time.Time
	keys       map[string]modelKey
	version    uint64
	versionOf  string
	acked      map[string]uint64
}

// modelRoster is a room's members on one loop, which came while the room was in epoch. All before log[start] is past.
type modelRoster struct {
	members int
	start   int
	epoch   uint64
}

type modelPub struct {
	kind   PubKind
	sender uint64
	info   string
	data   string
	pos    Position
	size   int64
	text   string // of it, once posted
}

func (p modelPub) String() string {
	return fmt.Sprintf("%v:%d:%d:%s:%s", p.pos, p.kind, p.sender, p.info, p.data)
}

// modelPlace is one who is present; the places of a room stand in the order in which they came to be. One who lingers
// does so since left.
type modelPlace struct {
	id         uint64
	user, info string
	lingers    bool
	left, ends time.Time
}

type modelKey struct {
	at  time.Time
	pos Position
}

func (r *modelRoom) position() Position { return Position{r.offset, r.epoch} }

// use is what any use of a room does. It reports whether the room remembers anything.
func (w *world) use(r *modelRoom) bool {
	o := w.options[r.ns]
	if !r.memory && !o.remembers() {
		return false
	}
	r.memory = true
	r.options = o
	switch {
	case o.remembers() && !r.positioned:
		r.positioned = true
	case !o.remembers():
		r.losePosition()
	}
	r.age(w.clock.at)
	r.used = w.clock.at
	return true
}

func (r *modelRoom) losePosition() {
	r.positioned, r.epoch, r.offset, r.past, r.version, r.versionOf, r.acked = false, 0, 0, nil, 0, "", nil
}

// age drops what is too old.
func (r *modelRoom) age(now time.Time) {
	if !now.Before(r.newest.Add(r.options.HistoryTTL)) {
		r.past = nil
	}
	for key, k := range r.keys {
		if !now.Before(k.at.Add(idempotencyWindow)) {
			delete(r.keys, key)
		}
	}
}

// tick ages r, and forgets it when its time has come.
func (r *modelRoom) tick(now time.Time) {
	if !r.memory {
		return
	}
	r.age(now)
	meta := r.options.MetaTTL
	if meta == 0 {
		meta = defaultMetaTTL
	}
	switch {
	case len(r.past)+len(r.keys) > 0 || r.positioned && (r.inUse() || now.Before(r.used.Add(meta))):
		return
	}
	r.losePosition()
	r.memory = false
	r.exists = r.inUse()
}

// inUse reports whether anybody is in r or lingers there.
func (r *modelRoom) inUse() bool { return r.members+len(r.places) > 0 }

// learn takes over the epoch that the hub has made up for r, and compares positions.
func (w *world) learn(r *modelRoom) {
	got, ok := w.hub.Position([]byte(r.name))
	if r.positioned && r.epoch == 0 {
		if w.epochs[got.Epoch] {
			w.t.Fatalf("%q: epoch %d was there before", r.name, got.Epoch)
		}
		w.epochs[got.Epoch] = true
		r.epoch = got.Epoch
	}
	if ok != r.positioned || got != r.position() {
		w.t.Fatalf("Position(%q) = %v, %v; want %v, %v", r.name, got, ok, r.position(), r.positioned)
	}
}

func (r *modelRoom) enter(c *modelConn) {
	r.members++
	c.next[r] = len(r.log)
	if r.rosters == nil {
		r.rosters = make(map[*worldLoop]*modelRoster)
	}
	if r.rosters[c.loop] == nil {
		r.rosters[c.loop] = &modelRoster{start: len(r.log), epoch: r.epoch}
	}
	r.rosters[c.loop].members++
}

// attend makes one present who has subscribed to r.
func (w *world) attend(r *modelRoom, req *Request) {
	if req == nil || !w.options[r.ns].Presence {
		return
	}
	as := modelPlace{id: req.As.ID, user: string(req.As.User), info: string(req.As.Info)}
	if back := r.eldest(as.user); back != nil {
		*back = as
		w.seen.blinks++
		return
	}
	r.places = append(r.places, as)
	w.announce(r, PubJoin, as)
}

// eldest returns the place that the user has left first of those where it lingers, nil if there is none.
func (r *modelRoom) eldest(user string) (eldest *modelPlace) {
	for i := range r.places {
		p := &r.places[i]
		if p.lingers && p.user == user && (eldest == nil || p.left.Before(eldest.left)) {
			eldest = p
		}
	}
	return eldest
}

// depart ends the presence of c in r, if it is present.
func (w *world) depart(c *modelConn, r *modelRoom, cut bool) {
	i := slices.IndexFunc(r.places, func(p modelPlace) bool { return p.id == c.id })
	if i < 0 {
		return
	}
	p, now := &r.places[i], w.clock.at
	if grace := w.options[r.ns].PresenceGrace; cut && grace > 0 && p.user != "" {
		p.lingers, p.left, p.ends = true, now, now.Add(grace)
		return
	}
	w.seen.exits++
	w.vacate(r, i)
}

// vacate ends the i-th presence in r.
func (w *world) vacate(r *modelRoom, i int) {
	p := r.places[i]
	r.places = slices.Delete(r.places, i, i+1)
	w.announce(r, PubLeave, p)
}

func (w *world) announce(r *modelRoom, kind PubKind, who modelPlace) {
	if w.options[r.ns].JoinLeave {
		r.post(modelPub{kind: kind, sender: who.id, info: who.info})
	}
}

// lapse ends the presence of those in r whose grace is over.
func (w *world) lapse(r *modelRoom) {
	for i := r.overdue(w.clock.at); i >= 0; i = r.overdue(w.clock.at) {
		w.seen.lapses++
		w.vacate(r, i)
		if !r.inUse() {
			r.abandon(w.clock.at)
		}
	}
}

// overdue returns which presence in r is the first of those to end by now, -1 if there is none.
func (r *modelRoom) overdue(now time.Time) int {
	first := -1
	for i, p := range r.places {
		if p.lingers && !p.ends.After(now) && (first < 0 || p.ends.Before(r.places[first].ends)) {
			first = i
		}
	}
	return first
}

// post hands p to those who are in r.
func (r *modelRoom) post(p modelPub) {
	if r.members > 0 {
		p.text = p.String()
		r.log = append(r.log, p)
	}
}

func (w *world) leave(c *modelConn, r *modelRoom, cut bool) {
	delete(c.next, r)
	delete(c.told, r)
	if r.rosters[c.loop].members--; r.rosters[c.loop].members == 0 {
		delete(r.rosters, c.loop)
	}
	r.members--
	w.depart(c, r, cut)
	if r.members == 0 {
		r.abandon(w.clock.at)
	}
}

// abandon is what happens to r when nobody is there any more, or lingers at most.
func (r *modelRoom) abandon(now time.Time) {
	r.exists = r.memory || r.inUse()
	r.used = now
}

// gapAt reports whether members on l miss something before log[i].
func (r *modelRoom) gapAt(l *worldLoop, i int) bool {
	epoch := r.epochBefore(l, i)
	return r.log[i].pos.Epoch != 0 && epoch != 0 && epoch != r.log[i].pos.Epoch
}

// epochBefore returns the epoch of what members on l have received last before log[i].
func (r *modelRoom) epochBefore(l *worldLoop, i int) uint64 {
	start := r.rosters[l].start
	for i--; i >= start; i-- {
		if epoch := r.log[i].pos.Epoch; epoch != 0 {
			return epoch
		}
	}
	return r.rosters[l].epoch
}

// trim forgets the log, all of which has been received.
func (r *modelRoom) trim() {
	for l, roster := range r.rosters {
		roster.epoch = r.epochBefore(l, len(r.log))
		roster.start = 0
	}
	r.log = nil
}

// published does to r what a publish should have done, and returns what it should have returned.
func (w *world) published(r *modelRoom, p modelPub, o PublishOptions) Result {
	keyed, fleeting := len(o.IdempotencyKey) > 0, o.SkipHistory || p.kind != PubData
	if !r.exists && !keyed && (fleeting || !w.options[r.ns].remembers()) {
		return Result{}
	}
	r.exists = true
	remembers := w.use(r)
	w.learnPublished(r, o, fleeting)
	if !remembers && keyed {
		r.memory, r.options = true, w.options[r.ns]
	}
	if k, ok := r.keys[string(o.IdempotencyKey)]; ok && keyed {
		return Result{k.pos, true}
	}
	var result Result
	if r.positioned && !fleeting {
		if o.Version != 0 && o.Version <= r.version && string(o.VersionEpoch) == r.versionOf {
			return Result{r.position(), true}
		}
		result = Result{Position: r.remember(&p, o, w.clock.at)}
	}
	r.post(p)
	if keyed {
		if r.keys == nil {
			r.keys = make(map[string]modelKey)
		}
		r.keys[string(o.IdempotencyKey)] = modelKey{w.clock.at, result.Position}
	}
	w.fit()
	return result
}

// learnPublished is learn where the offset may have moved on.
func (w *world) learnPublished(r *modelRoom, o PublishOptions, fleeting bool) {
	before := r.offset
	if pos, _ := w.hub.Position([]byte(r.name)); !fleeting && pos.Offset == before+1 {
		r.offset++
	}
	w.learn(r)
	r.offset = before
}

// remember adds p at the next offset.
func (r *modelRoom) remember(p *modelPub, o PublishOptions, now time.Time) Position {
	r.offset++
	p.pos = r.position()
	r.past = append(r.past, *p)
	r.past = r.past[max(0, len(r.past)-r.options.HistorySize):]
	r.newest = now
	if o.Version != 0 {
		r.version, r.versionOf = o.Version, string(o.VersionEpoch)
	}
	return p.pos
}

func (r *modelRoom) ack(consumer string, p Position) error {
	switch {
	case !r.positioned:
		return ErrNoHistory
	case p.Epoch != r.epoch:
		return ErrEpoch
	case p.Offset > r.offset:
		return ErrOffset
	}
	if r.acked == nil {
		r.acked = make(map[string]uint64)
	}
	r.acked[consumer] = max(r.acked[consumer], p.Offset)
	return nil
}

func (w *world) usage() (bytes, publications int64) {
	for _, r := range w.rooms {
		for _, p := range r.past {
			bytes += p.size
			publications++
		}
	}
	return bytes, publications
}

// fit makes room as the limit demands.
func (w *world) fit() {
	for bytes, _ := w.usage(); w.limit > 0 && bytes > w.limit; bytes, _ = w.usage() {
		var eldest *modelRoom
		histories := 0
		for _, r := range w.rooms {
			if len(r.past) == 0 {
				continue
			}
			histories++
			if eldest == nil || r.newest.Before(eldest.newest) {
				eldest = r
			}
		}
		if histories > 1 {
			eldest.past = nil
			w.evicted++
		} else {
			eldest.past = eldest.past[1:]
		}
	}
}

// after returns what r remembers that came after since.
func (r *modelRoom) after(since uint64) []modelPub {
	return slices.Collect(func(yield func(modelPub) bool) {
		for _, p := range r.past {
			if p.pos.Offset > since && !yield(p) {
				return
			}
		}
	})
}

func (w *world) checkJoined(r *modelRoom, req *Request, got Joined) {
	want := Joined{Position: r.position(), Positioned: r.positioned}
	var past []modelPub
	if req == nil {
		req = new(Request)
	}
	latest := r.past[max(0, len(r.past)-1):]
	lives := req.Since.Epoch == 0 || req.Since.Epoch == r.epoch
	limit := uint64(req.Limit)
	if limit == 0 {
		limit = 300
	}
	switch missed := r.after(req.Since.Offset); {
	case !r.positioned:
	case !req.Recover:
		if r.options.Kind == Latest {
			past = latest
		}
	case lives && req.Since.Offset == r.offset:
		want.Recovered = true
	case req.Cache || r.options.Kind == Latest:
		past, want.Recovered = latest, len(latest) > 0
	case lives && req.Since.Offset < r.offset && uint64(len(missed)) == r.offset-req.Since.Offset && uint64(len(missed)) <= limit:
		past, want.Recovered = missed, true
	}
	if got.Position != want.Position || got.Positioned != want.Positioned || got.Recovered != want.Recovered || !samePast(got.Past, past) {
		w.t.Fatalf("Subscribe(%q, %+v) = %+v; want %+v with %v", r.name, req, got, want, past)
	}
}

// checkPresence compares who is said to be present in r, newest first and at most limit of them.
func (w *world) checkPresence(r *modelRoom, limit int) {
	var want []modelPlace
	users := make(map[string]bool)
	if w.options[r.ns].Presence {
		want = slices.Clone(r.places)
	}
	for _, p := range want {
		users[p.user] = true
	}
	if c, u := w.hub.PresenceStats([]byte(r.name)); c != len(want) || u != len(users) {
		w.t.Fatalf("PresenceStats(%q) = %d, %d; want %d, %d", r.name, c, u, len(want), len(users))
	}
	slices.Reverse(want)
	want = want[:max(0, min(limit, len(want)))]
	got := w.hub.Presence([]byte(r.name), limit)
	if !slices.EqualFunc(got, want, func(a Attendee, p modelPlace) bool {
		return a.ID == p.id && string(a.User) == p.user && string(a.Info) == p.info
	}) {
		w.t.Fatalf("Presence(%q, %d) lists %v; want %v", r.name, limit, got, want)
	}
}

func (w *world) checkHistory(r *modelRoom, req HistoryRequest, pos Position, got []*Past, err error) {
	var want []modelPub
	var wantErr error
	switch {
	case !r.positioned:
		wantErr = ErrNoHistory
	case req.Since != nil && req.Since.Epoch != 0 && req.Since.Epoch != r.epoch:
		wantErr = ErrEpoch
	default:
		want = r.page(req)
	}
	if pos != r.position() || err != wantErr || !samePast(got, want) {
		w.t.Fatalf("History(%q, %+v) = %v, %d publications, %v; want %v, %v, %v", r.name, req, pos, len(got), err, r.position(), want, wantErr)
	}
}

func (r *modelRoom) page(req HistoryRequest) []modelPub {
	page := slices.Clone(r.past)
	if req.Since != nil && req.Since.Offset > r.position().Offset+1 {
		return nil
	}
	if req.Since != nil {
		page = slices.DeleteFunc(page, func(p modelPub) bool {
			if req.Reverse {
				return p.pos.Offset >= req.Since.Offset
			}
			return p.pos.Offset <= req.Since.Offset
		})
	}
	if req.Reverse {
		slices.Reverse(page)
	}
	if req.Limit >= 0 {
		page = page[:min(req.Limit, len(page))]
	}
	return page
}

func samePast(got []*Past, want []modelPub) bool {
	return slices.EqualFunc(got, want, func(p *Past, m modelPub) bool {
		return p.Offset() == m.pos.Offset && string(p.Data()) == m.data && p.size() == m.size
	})
}

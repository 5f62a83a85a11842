package hub

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// checkNobody fails if anything is left of the presences.
func checkNobody(t testing.TB, p *presences) {
	t.Helper()
	got := [...]int{p.all.Live(), p.persons.Live(), p.texts.Live(), len(p.partings) - 1}
	if got != [4]int{} {
		t.Errorf("presences, persons, cells, partings left: %v", got)
	}
}

// stage is one room on which a script is played: "+ann:7" lets client 7 of user ann enter, "-7" leave at once and
// "-7~5" with a grace of 5, "@9" sets the clock to 9 and takes out who is due by then. The info of client 7 is "i7".
type stage struct {
	presences
	room    attendance
	now     int64
	entries map[uint64]uint32
	pushes  []string
}

func (s *stage) play(t *testing.T, script string) {
	for step := range strings.FieldsSeq(script) {
		switch rest := step[1:]; step[0] {
		case '+':
			s.enter(rest)
		case '-':
			s.leave(rest)
		case '@':
			fmt.Sscan(rest, &s.now)
			s.expire()
		default:
			t.Fatalf("no such step: %q", step)
		}
	}
}

func (s *stage) enter(who string) {
	user, number, _ := strings.Cut(who, ":")
	var id uint64
	fmt.Sscan(number, &id)
	i, announce := s.presences.enter(&s.room, 1, id, []byte(user), []byte("i"+number))
	s.entries[id] = i
	if announce {
		s.pushes = append(s.pushes, "+"+number)
	}
}

func (s *stage) leave(who string) {
	number, grace, _ := strings.Cut(who, "~")
	var n uint64
	fmt.Sscan(number, &n)
	var d time.Duration
	fmt.Sscan(grace, (*int64)(&d))
	info, id, announce := s.presences.leave(&s.room, s.entries[n], d, s.now, []byte("-"))
	if announce {
		s.pushes = append(s.pushes, fmt.Sprintf("%s=%d", info, id))
	}
}

func (s *stage) expire() {
	for {
		_, id, info, ok := s.expired(s.now, func(uint32) *attendance { return &s.room }, []byte("-"))
		if !ok {
			return
		}
		s.pushes = append(s.pushes, fmt.Sprintf("%s=%d", info, id))
	}
}

// listed returns who is in the room as "ann:i7", newest place first.
func (s *stage) listed(limit int) string {
	var out []string
	s.list(&s.room, limit, func(id uint64, user, info []byte) {
		if string(info) != fmt.Sprint("i", id) {
			out = append(out, "not of the id:")
		}
		out = append(out, fmt.Sprintf("%s:%s", user, info))
	})
	return strings.Join(out, " ")
}

func TestPresenceScripts(t *testing.T) {
	for _, row := range []struct {
		name, script   string
		pushes, listed string // a leave push as -info=id
		users          int
	}{
		{"a client", "+ann:1", "+1", "ann:i1", 1},
		{"comes and goes", "+ann:1 -1", "+1 -i1=1", "", 0},
		{"two of a user are two clients and one user", "+ann:1 +ann:2", "+1 +2", "ann:i2 ann:i1", 1},
		{"the user stays while one of them does", "+ann:1 +ann:2 -1", "+1 +2 -i1=1", "ann:i2", 1},
		{"two users", "+ann:1 +bob:2 +ann:3", "+1 +2 +3", "ann:i3 bob:i2 ann:i1", 2},
		{"the empty user is one user", "+:1 +:2 +ann:3", "+1 +2 +3", "ann:i3 :i2 :i1", 2},
		{"a name at the front of another", "+an:1 +ann:2 +a:3", "+1 +2 +3", "a:i3 ann:i2 an:i1", 3},

		{"lingering is being there", "+ann:1 -1~5 @4", "+1", "ann:i1", 1},
		{"until the grace is over", "+ann:1 -1~5 @5", "+1 -i1=1", "", 0},
		{"and once only", "+ann:1 -1~5 @5 @6 @99", "+1 -i1=1", "", 0},
		{"a blink is no push", "+ann:1 -1~5 @4 +ann:2 @9", "+1", "ann:i2", 1},
		{"nor are many", "+ann:1 -1~5 +ann:2 -2~5 +ann:3 -3~5 @4 +ann:4 @9", "+1", "ann:i4", 1},
		{"coming back too late", "+ann:1 -1~5 @5 +ann:2", "+1 -i1=1 +2", "ann:i2", 1},
		{"coming back before the expiry is taken", "@1 +ann:1 -1~5 +ann:2 @9", "+1", "ann:i2", 1},
		{"gone for good after a blink", "+ann:1 -1~5 +ann:2 -2", "+1 -i2=2", "", 0},
		{"lingering after a blink", "+ann:1 -1~5 +ann:2 @4 -2~5 @8", "+1", "ann:i2", 1},
		{"expiring after a blink", "+ann:1 -1~5 +ann:2 @4 -2~5 @9", "+1 -i2=2", "", 0},
		{"the place is inherited", "+ann:1 +bob:2 -1~5 +ann:3", "+1 +2", "bob:i2 ann:i3", 2},
		{"of another user it is not", "+ann:1 -1~5 +bob:2", "+1 +2", "bob:i2 ann:i1", 2},
		{"of the empty user there is none", "+:1 -1~5 +:2", "+1 -i1=1 +2", ":i2", 1},
		{"a second client takes nobody's place", "+ann:1 +ann:2 -1~5 @5", "+1 +2 -i1=1", "ann:i2", 1},
		{"the longest lingering is taken first", "+ann:1 +ann:2 -2~5 @1 -1~5 +ann:3 @5", "+1 +2", "ann:i3 ann:i1", 1},
		{"and the other stays until its time", "+ann:1 +ann:2 -2~5 @1 -1~5 +ann:3 @6", "+1 +2 -i1=1", "ann:i3", 1},
		{"both come back", "+ann:1 +ann:2 -2~5 -1~5 +ann:3 +ann:4 @9", "+1 +2", "ann:i3 ann:i4", 1},
		{"three come back for two", "+ann:1 +ann:2 -2~5 -1~5 +ann:3 +ann:4 +ann:5", "+1 +2 +5", "ann:i5 ann:i3 ann:i4", 1},
		{"graces differ", "+ann:1 +bob:2 -1~9 -2~3 @3", "+1 +2 -i2=2", "ann:i1", 1},
		{"expiry goes by time", "+a:1 +b:2 +c:3 +d:4 -1~7 -2~3 -3~5 -4~1 @8", "+1 +2 +3 +4 -i4=4 -i2=2 -i3=3 -i1=1", "", 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := stage{presences: newPresences(), entries: make(map[uint64]uint32)}
			s.play(t, row.script)
			if got := strings.Join(s.pushes, " "); got != row.pushes {
				t.Errorf("%s: pushes = %q; want %q", row.script, got, row.pushes)
			}
			if got := s.listed(100); got != row.listed {
				t.Errorf("%s: list = %q; want %q", row.script, got, row.listed)
			}
			want := len(strings.Fields(row.listed))
			if clients, users := s.room.stats(); clients != want || users != row.users || s.room.empty() != (want == 0) {
				t.Errorf("%s: stats = %d, %d, empty = %v; want %d, %d", row.script, clients, users, s.room.empty(), want, row.users)
			}
			for s.room.newest != 0 {
				s.remove(&s.room, s.room.newest)
			}
			checkNobody(t, &s.presences)
		})
	}
}

func TestP08PresenceListIsBounded(t *testing.T) {
	s := stage{presences: newPresences(), entries: make(map[uint64]uint32)}
	s.play(t, "+ann:1 +bob:2 +cid:3")
	for limit, want := range map[int]string{
		-1: "", 0: "", 1: "cid:i3", 2: "cid:i3 bob:i2", 3: "cid:i3 bob:i2 ann:i1", 4: "cid:i3 bob:i2 ann:i1",
	} {
		if got := s.listed(limit); got != want {
			t.Errorf("list(%d) = %q; want %q", limit, got, want)
		}
	}
}

func TestPresenceLeavesOnce(t *testing.T) {
	for _, script := range []string{"+ann:1 -1", "+ann:1 -1~5", "+ann:1 -1~5 @5"} {
		s := stage{presences: newPresences(), entries: make(map[uint64]uint32)}
		s.play(t, script)
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s -1 did not panic", script)
				}
			}()
			s.play(t, "-1")
		}()
	}
}

// TestPersonsOfEqualHash gives users, and one of them in two rooms, the same hash, and forgets each in turn.
func TestPersonsOfEqualHash(t *testing.T) {
	const hash = 42
	persons := []struct {
		room uint32
		user string
	}{{1, "ann"}, {1, "bob"}, {2, "ann"}, {2, ""}}
	for removed := range persons {
		p := newPresences()
		var a attendance
		var want []uint32
		for _, x := range persons {
			i := p.introduce(hash, x.room, []byte(x.user))
			p.add(&a, i, 1, []byte(x.user), []byte("info"))
			want = append(want, i)
		}
		p.persons.Remove(want[removed])
		want[removed] = 0
		for i, x := range persons {
			if got := p.find(hash, x.room, []byte(x.user)); got != want[i] {
				t.Errorf("without %v: find(%v) = %d; want %d", persons[removed], x, got, want[i])
			}
		}
	}
}

func TestPresenceHoldsNoPointers(t *testing.T) {
	for _, typ := range []reflect.Type{
		reflect.TypeFor[attendance](), reflect.TypeFor[presence](), reflect.TypeFor[person](), reflect.TypeFor[parting](),
	} {
		if holdsPointer(typ) {
			t.Errorf("%v holds a pointer", typ)
		}
	}
	if n := reflect.TypeFor[attendance]().Size(); n > 24 {
		t.Errorf("attendance has %d bytes; want at most 24", n)
	}
}

// holdsPointer reports whether a field of t may be a pointer, at any depth.
func holdsPointer(t reflect.Type) bool {
	if t.Kind() != reflect.Struct {
		return t.Kind() > reflect.Float64
	}
	for i := range t.NumField() {
		if holdsPointer(t.Field(i).Type) {
			return true
		}
	}
	return false
}

// presenceWorld runs random operations on presences and on a plain model of them.
type presenceWorld struct {
	t      *testing.T
	rng    *rand.Rand
	p      presences
	now    int64
	rooms  []*presenceRoom
	lastID uint64
	pushed [2]int // join and leave pushes
	blinks int
}

// presenceRoom is a room as a list. What its pushes alone tell is in seen: how many clients each user has.
type presenceRoom struct {
	a      attendance
	places []*presenceModel // newest first
	left   []*presenceModel // of them, those who linger, in the order of leaving
	seen   map[string]int
}

type presenceModel struct {
	id         uint64
	user, info string
	entry      uint32
	lingers    bool
	until      int64
}

func newPresenceWorld(t *testing.T, seed uint64) *presenceWorld {
	w := &presenceWorld{t: t, rng: rand.New(rand.NewPCG(seed, 2)), p: newPresences()}
	for range 12 {
		w.rooms = append(w.rooms, &presenceRoom{seen: make(map[string]int)})
	}
	return w
}

func (w *presenceWorld) find(room uint32) *attendance { return &w.rooms[room].a }

func (w *presenceWorld) step() {
	room := w.rng.IntN(len(w.rooms))
	r := w.rooms[room]
	switch k := w.rng.IntN(100); {
	case k < 45 && len(r.places) < 4+8*room: // so that rooms of all sizes go on changing
		w.enter(uint32(room), r)
	case k < 85:
		w.leave(r)
	case k < 98:
		w.now += int64(w.rng.IntN(4))
		w.expire(w.rng.IntN(6))
	default:
		w.checkList(r, w.rng.IntN(len(r.places)+3))
	}
	w.checkStats(r)
}

// user returns one of a few users, so that many have several clients in a room; some are longer than a cell.
func (w *presenceWorld) user() string {
	n := w.rng.IntN(30)
	return strings.Repeat("u", n*n/20) + strings.Repeat("v", n%3)
}

func (w *presenceWorld) enter(room uint32, r *presenceRoom) {
	w.lastID++
	m := &presenceModel{id: w.lastID, user: w.user(), info: strings.Repeat(fmt.Sprint(w.lastID), w.rng.IntN(12))}
	entry, announce := w.p.enter(&r.a, room, m.id, []byte(m.user), []byte(m.info))
	i := slices.IndexFunc(r.left, func(x *presenceModel) bool { return x.user == m.user })
	if announce != (i < 0) {
		w.t.Fatalf("enter: announce = %v with %d of %q lingering", announce, i, m.user)
	}
	if announce {
		m.entry = entry
		r.places = slices.Insert(r.places, 0, m)
		r.seen[m.user]++
		w.pushed[0]++
		return
	}
	place := r.left[i]
	if entry != place.entry {
		w.t.Fatalf("%q took place %d; want %d", m.user, entry, place.entry)
	}
	r.left = slices.Delete(r.left, i, i+1)
	place.id, place.info, place.lingers = m.id, m.info, false
	w.blinks++
}

func (w *presenceWorld) leave(r *presenceRoom) {
	here := slices.DeleteFunc(slices.Clone(r.places), func(m *presenceModel) bool { return m.lingers })
	if len(here) == 0 {
		return
	}
	m := here[w.rng.IntN(len(here))]
	grace := int64(max(0, w.rng.IntN(40)-10))
	info, id, announce := w.p.leave(&r.a, m.entry, time.Duration(grace), w.now, []byte("dst"))
	if id != m.id || announce != (grace == 0 || m.user == "") {
		w.t.Fatalf("leave of %+v with grace %d = %d, %v", *m, grace, id, announce)
	}
	if announce {
		w.gone(r, m, info)
		return
	}
	if string(info) != "dst" {
		w.t.Fatalf("leave of %+v, which lingers, gave info %q", *m, info)
	}
	m.lingers, m.until = true, w.now+grace
	r.left = append(r.left, m)
}

// gone takes m out of the model: a leave push is due.
func (w *presenceWorld) gone(r *presenceRoom, m *presenceModel, info []byte) {
	if string(info) != "dst"+m.info {
		w.t.Fatalf("leave push of %+v has info %q", *m, info)
	}
	r.places = without(r.places, m)
	r.left = without(r.left, m)
	r.seen[m.user]--
	w.pushed[1]++
}

func without(all []*presenceModel, m *presenceModel) []*presenceModel {
	return slices.DeleteFunc(all, func(x *presenceModel) bool { return x == m })
}

// expire takes out at most n that are due, and checks that each is one of those due first.
func (w *presenceWorld) expire(n int) {
	for range n {
		first := int64(1<<63 - 1)
		for _, r := range w.rooms {
			for _, m := range r.left {
				first = min(first, m.until)
			}
		}
		room, id, info, ok := w.p.expired(w.now, w.find, []byte("dst"))
		if ok != (first <= w.now) {
			w.t.Fatalf("expired at %d: %v, and %d is the first deadline", w.now, ok, first)
		}
		if !ok {
			return
		}
		r := w.rooms[room]
		i := slices.IndexFunc(r.left, func(m *presenceModel) bool { return m.id == id })
		if i < 0 || r.left[i].until != first {
			w.t.Fatalf("client %d of room %d expired; it does not linger until %d", id, room, first)
		}
		w.gone(r, r.left[i], info)
	}
}

func (w *presenceWorld) checkStats(r *presenceRoom) {
	users := make(map[string]bool)
	for _, m := range r.places {
		users[m.user] = true
	}
	clients, n := r.a.stats()
	if clients != len(r.places) || n != len(users) || r.a.empty() != (clients == 0) {
		w.t.Fatalf("stats = %d, %d, empty = %v; want %d, %d", clients, n, r.a.empty(), len(r.places), len(users))
	}
}

// checkList compares the list with the model, and the whole of it with what the pushes have told.
func (w *presenceWorld) checkList(r *presenceRoom, limit int) {
	n, seen := 0, make(map[string]int)
	w.p.list(&r.a, limit, func(id uint64, user, info []byte) {
		if m := r.places[n]; m.id != id || m.user != string(user) || m.info != string(info) {
			w.t.Fatalf("number %d in the list is %d, %q, %q; want %+v", n, id, user, info, *m)
		}
		seen[string(user)]++
		n++
	})
	if n != min(limit, len(r.places)) {
		w.t.Fatalf("list(%d) of %d gave %d", limit, len(r.places), n)
	}
	for user, told := range r.seen {
		if limit >= len(r.places) && told != seen[user] {
			w.t.Fatalf("joins less leaves of %q = %d; %d are listed", user, told, seen[user])
		}
	}
}

// checkGone lets everybody leave and every grace end: the pushes must then come out even.
func (w *presenceWorld) checkGone() {
	for _, r := range w.rooms {
		w.checkList(r, len(r.places))
		for w.leave(r); len(r.left) < len(r.places); {
			w.leave(r)
		}
	}
	w.now += 1000
	w.expire(1 << 30)
	for i, r := range w.rooms {
		w.checkStats(r)
		for user, told := range r.seen {
			if told != 0 {
				w.t.Errorf("room %d: %d more joins than leaves of %q", i, told, user)
			}
		}
	}
	checkNobody(w.t, &w.p)
}

// TestRandomPresence runs presences against the model. A failure is repeated by -hub.seed.
func TestRandomPresence(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	steps := 150_000
	if testutil.Race || testing.Short() {
		steps = 20_000
	}
	for i := range uint64(4) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			defer func() {
				if t.Failed() {
					t.Logf("seed: -hub.seed=%d", seed+i)
				}
			}()
			w := newPresenceWorld(t, seed+i)
			for range steps {
				w.step()
			}
			w.checkGone()
			if w.pushed[0] == 0 || w.pushed[1] == 0 || w.blinks == 0 {
				t.Errorf("%v pushes, %d blinks: some were never tried", w.pushed, w.blinks)
			}
		})
	}
}

// attend lets n clients of as many users enter, spread over the presences with one room each.
func attend(all []presences, a []attendance, n int) (entries []uint32) {
	info := bytes.Repeat([]byte("i"), 36)
	for k := range n {
		i, _ := all[k%len(all)].enter(&a[k%len(a)], 1, uint64(k), fmt.Appendf(nil, "u%07d", k), info)
		entries = append(entries, i)
	}
	return entries
}

func TestBytesOfAPresence(t *testing.T) {
	const clients = 100_000
	for _, row := range []struct{ shards, limit int }{{1, 136}, {1 << shardBits, 136}} {
		all, a := make([]presences, row.shards), make([]attendance, row.shards)
		for i := range all {
			all[i] = newPresences()
		}
		records := func() (n int) {
			for i := range all {
				n += all[i].records()
			}
			return n
		}
		got := growth(records, func() { attend(all, a, clients) })
		t.Logf("%d clients in %d shards: %.1f bytes each", clients, row.shards, float64(got)/clients)
		if got > row.limit*clients && !testutil.Race {
			t.Errorf("%d clients in %d shards: %d bytes each; want at most %d", clients, row.shards, got/clients, row.limit)
		}
		runtime.KeepAlive(all)
	}
}

func TestPresenceDoesNotAllocate(t *testing.T) {
	p, a := make([]presences, 1), make([]attendance, 1)
	p[0] = newPresences()
	attend(p, a, 1000)
	user, info, dst := []byte("user"), bytes.Repeat([]byte("i"), 36), make([]byte, 0, 64)
	find := func(uint32) *attendance { return &a[0] }
	now := int64(0)
	turn := func() {
		i, _ := p[0].enter(&a[0], 1, 1, user, info)
		p[0].leave(&a[0], i, 5, now, dst)
		i, _ = p[0].enter(&a[0], 1, 2, user, info)
		p[0].leave(&a[0], i, 5, now, dst)
		now += 5
		if _, _, _, ok := p[0].expired(now, find, dst); !ok {
			t.Fatal("nobody expired")
		}
		i, _ = p[0].enter(&a[0], 1, 3, user, info)
		p[0].leave(&a[0], i, 0, now, dst)
		p[0].list(&a[0], 10, func(uint64, []byte, []byte) {})
	}
	if n := testing.AllocsPerRun(1000, turn); n != 0 {
		t.Errorf("coming, lingering, coming back, expiring, leaving and listing allocate %v times; want 0", n)
	}
}

func BenchmarkPresence(b *testing.B) {
	user, info := []byte("user"), bytes.Repeat([]byte("i"), 36)
	for _, others := range []int{0, 1000, 100_000} {
		p, a := make([]presences, 1), make([]attendance, 1)
		p[0] = newPresences()
		entries := attend(p, a, others)
		find := func(uint32) *attendance { return &a[0] }
		dst := make([]byte, 0, 64)
		b.Run(fmt.Sprintf("enter+leave/others=%d", others), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				i, _ := p[0].enter(&a[0], 1, 1, user, info)
				p[0].leave(&a[0], i, 0, 0, dst)
			}
		})
		for k, i := range entries { // from here on the others linger
			p[0].leave(&a[0], i, time.Hour, int64(k), dst)
		}
		b.Run(fmt.Sprintf("blink/lingering=%d", others), func(b *testing.B) {
			i, _ := p[0].enter(&a[0], 1, 1, user, info)
			b.ReportAllocs()
			for b.Loop() {
				p[0].leave(&a[0], i, time.Second, 0, dst)
				i, _ = p[0].enter(&a[0], 1, 1, user, info)
			}
			p[0].leave(&a[0], i, 0, 0, dst)
		})
		b.Run(fmt.Sprintf("enter+leave+expire/lingering=%d", others), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				i, _ := p[0].enter(&a[0], 1, 1, user, info)
				p[0].leave(&a[0], i, 1, 0, dst)
				p[0].expired(1, find, dst)
			}
		})
		if others > 0 {
			b.Run(fmt.Sprintf("list 100 of %d", others), func(b *testing.B) {
				for b.Loop() {
					p[0].list(&a[0], 100, func(uint64, []byte, []byte) {})
				}
			})
		}
	}
}

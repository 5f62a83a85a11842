package server

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/seed4ac54ce5/edge/hub"
	"github.com/seed4ac54ce5/edge/netpoll"
)

// newRandom returns random numbers, whose seed a failing test shows.
func newRandom(t *testing.T) *rand.Rand {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// planned is a publication of the model: what it is about in words, and how large it is.
type planned struct {
	number  uint64
	subject string
	how     policy
	size    int
}

// A waiting list does what a plain list of publications does, under random publications of all policies, rooms that are
// left, and writes; its bytes and those of the budget are always the sum of what is in it, and no reference is left over.
func TestWaitingListAgainstModel(t *testing.T) {
	rng := newRandom(t)
	budget := netpoll.NewBudget(0)
	b := newBehind(16<<10, budget)
	w := b.of(1)
	var model []planned
	var made []*hub.Publication
	for number := range uint64(20_000) {
		switch rng.IntN(40) {
		case 0:
			room := fmt.Sprint("room", rng.IntN(4))
			b.leave(w, []byte(room))
			model = slices.DeleteFunc(model, func(p planned) bool { return p.subject[:len(room)] == room })
		case 1:
			for _, p := range b.take(w, nil) {
				if p.Position.Offset != model[0].number {
					t.Fatalf("took number %d; want %d", p.Position.Offset, model[0].number)
				}
				model = model[1:]
				p.Release()
			}
		default:
			p, how := randomPublication(rng, number), policy(1+rng.IntN(3))
			made = append(made, p)
			b.put(w, p, how)
			model = modelPut(model, planOf(p, how), b.limit)
		}
		checkList(t, &b, w, model)
	}
	b.leave(w, nil)
	if b.tidy(1, w); len(b.lists) != 0 || budget.Used() != 0 {
		t.Errorf("an empty list is kept, or %d bytes of the budget", budget.Used())
	}
	for _, p := range made {
		p.Release() // panics if a reference is missing
	}
}

// put is loop.wait without a loop.
func (b *behind) put(w *waiting, p *hub.Publication, how policy) {
	h := b.held(p, how)
	b.replace(w, h)
	for !b.admits(w, p) {
		if !b.shed(w) {
			return
		}
	}
	b.add(w, h)
}

// randomPublication returns one of a few rooms, senders and keys, with a number to know it by.
func randomPublication(rng *rand.Rand, number uint64) *hub.Publication {
	p := hub.NewPublication()
	p.Room = fmt.Append(p.Room, "room", rng.IntN(4))
	p.Sender = uint64(rng.IntN(3))
	if key := rng.IntN(3); key > 0 {
		p.Key = fmt.Append(p.Key, "key", key)
	}
	p.Data = append(p.Data, make([]byte, rng.IntN(600))...)
	p.Position.Offset = number
	return p
}

func planOf(p *hub.Publication, how policy) planned {
	about := planned{p.Position.Offset, string(p.Room), how, waitingSize(p)}
	if how == keepNewest || len(p.Key) > 0 {
		about.subject = fmt.Sprintf("%s of %d about %q", p.Room, p.Sender, p.Key)
	}
	return about
}

// modelPut does what the policies say, in as few words as possible.
func modelPut(model []planned, p planned, limit int) []planned {
	if p.how != dropOldest {
		model = slices.DeleteFunc(model, func(old planned) bool { return old.how == p.how && old.subject == p.subject })
	}
	for len(model) > 0 && sumOf(model)+p.size > limit {
		i := slices.IndexFunc(model, func(old planned) bool { return old.how != keepLatest })
		if i < 0 {
			return model
		}
		model = slices.Delete(model, i, i+1)
	}
	return append(model, p)
}

func sumOf(model []planned) (bytes int) {
	for _, p := range model {
		bytes += p.size
	}
	return bytes
}

func checkList(t *testing.T, b *behind, w *waiting, model []planned) {
	t.Helper()
	same := slices.EqualFunc(w.entries, model, func(h held, p planned) bool { return h.pub.Position.Offset == p.number })
	if sum := sumOf(model); !same || w.bytes != sum || b.bytes != sum || b.budget.Used() != int64(sum) {
		t.Fatalf("the list has %d entries, %d bytes of %d and of a budget of %d; want %d entries and %d bytes, or others",
			len(w.entries), w.bytes, b.bytes, b.budget.Used(), len(model), sum)
	}
}

// A write takes what it may carry and no more, but always something.
func TestTakeInPieces(t *testing.T) {
	b := newBehind(64<<20, netpoll.NewBudget(0))
	w := b.of(1)
	for _, size := range []int{100 << 10, 10 << 10, 40 << 10, 20 << 10} {
		p := hub.NewPublication()
		p.Data = append(p.Data, make([]byte, size)...)
		b.put(w, p, dropOldest)
		p.Release()
	}
	for _, want := range []int{1, 2, 1, 0} {
		pubs := b.take(w, nil)
		if len(pubs) != want {
			t.Errorf("a write takes %d publications; want %d", len(pubs), want)
		}
		for _, p := range pubs {
			p.Release()
		}
	}
}

// What a room does for those who are behind follows from its options.
func TestPolicies(t *testing.T) {
	for _, r := range []struct {
		options RoomOptions
		want    policy
	}{
		{RoomOptions{}, queueAll},
		{RoomOptions{SlowConsumer: "close"}, queueAll},
		{RoomOptions{SlowConsumer: "drop_oldest"}, dropOldest},
		{RoomOptions{SlowConsumer: "latest"}, keepLatest},
		{RoomOptions{Kind: "ephemeral"}, keepNewest},
		{RoomOptions{Kind: "ephemeral", SlowConsumer: "latest"}, keepNewest},
		{RoomOptions{Kind: "latest", HistorySize: 1, HistoryTTL: 1, SlowConsumer: "close"}, keepLatest},
		{RoomOptions{Kind: "durable", HistorySize: 1, HistoryTTL: 1}, queueAll},
	} {
		n, err := newNamespace("ns", &r.options, map[string]hub.Namespace{})
		if err != nil || n.behind != r.want {
			t.Errorf("%+v: policy %d, error %v; want policy %d", r.options, n.behind, err, r.want)
		}
	}
	for _, action := range []string{"drop_oldest", "latest"} {
		o := RoomOptions{Kind: "durable", HistorySize: 1, HistoryTTL: 1, SlowConsumer: action}
		if o.check() == nil {
			t.Errorf("a durable room may lose publications by slow_consumer %s", action)
		}
	}
}

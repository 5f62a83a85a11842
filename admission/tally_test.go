package admission

import (
	"reflect"
	"testing"
)

func TestUserKeysAreSecret(t *testing.T) {
	one, other := newTally(1), newTally(1)
	if one.key("alice") == other.key("alice") {
		t.Error("two tallies have one seed: who knows it can have all names meet in one chain")
	}
}

func TestTallyCounts(t *testing.T) {
	const users, most = 5000, 2
	tally := newTally(users * shards)
	var held []Ticket
	for range most {
		for key := range uint64(users) {
			ticket, tooMany := tally.admit(key, most)
			if ticket == 0 || tooMany {
				t.Fatalf("admit of user %d = %d, %v; want a ticket", key, ticket, tooMany)
			}
			held = append(held, ticket)
		}
	}
	for key := range uint64(users) {
		if ticket, tooMany := tally.admit(key, most); ticket != 0 || !tooMany || held[key] != held[key+users] {
			t.Fatalf("admit of user %d = %d, %v after tickets %d and %d; want one ticket twice, then too many",
				key, ticket, tooMany, held[key], held[key+users])
		}
	}
	if tally.live() != users {
		t.Errorf("%d users have records; want %d", tally.live(), users)
	}
	for _, ticket := range held {
		tally.release(ticket)
	}
	if n, uncounted := tally.live(), tally.uncounted.Load(); n != 0 || uncounted != 0 {
		t.Errorf("%d users have records, %d conns were not counted; want none", n, uncounted)
	}
}

func TestFullTallyLetsTheNewInUncounted(t *testing.T) {
	tally := newTally(1) // one in each shard
	admitted, counted := 1000, 0
	for key := range uint64(admitted) {
		ticket, tooMany := tally.admit(key, 1)
		if tooMany {
			t.Fatalf("user %d was refused", key)
		}
		if ticket != 0 {
			counted++
		}
	}
	if uncounted := int(tally.uncounted.Load()); counted != shards || tally.live() != shards || uncounted != admitted-shards {
		t.Errorf("%d counted, %d records, %d not counted; want %d, %d, %d",
			counted, tally.live(), uncounted, shards, shards, admitted-shards)
	}
}

func TestUserTicketsGivenBackTwicePanic(t *testing.T) {
	for name, wrong := range map[string]func(Ticket) Ticket{
		"twice":   func(ticket Ticket) Ticket { return ticket },
		"never":   func(ticket Ticket) Ticket { return ticket + shards },
		"no such": func(Ticket) Ticket { return 1 << 20 },
	} {
		t.Run(name, func(t *testing.T) {
			tally := newTally(1)
			ticket, _ := tally.admit(7, 1)
			tally.release(ticket)
			defer func() {
				if recover() == nil {
					t.Error("release went on")
				}
			}()
			tally.release(wrong(ticket))
		})
	}
}

// A million users are 16 MB.
func TestSizeOfAUser(t *testing.T) {
	if size := reflect.TypeFor[user]().Size(); size != 16 {
		t.Errorf("a user has %d bytes; want 16", size)
	}
}

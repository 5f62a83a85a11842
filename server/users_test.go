package server

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// known is what a model remembers of one session.
type known struct {
	user, info string
	who        uint32
}

// Random sessions of few users come and go; a map knows it all as well.
func TestUsersAgainstAMap(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	u, model := newUsers(), map[uint32]known{}
	for range 20_000 {
		slot := random.Uint32N(60)
		if old, in := model[slot]; in && random.IntN(2) == 0 {
			old.info = someText(random, "info")
			old.who = u.setToken(slot, u.setInfo(slot, old.who, []byte(old.info)), []byte(someText(random, "token")))
			model[slot] = old
		} else if in {
			u.logout(old.who)
			delete(model, slot)
		} else {
			k := known{user: someText(random, "user"), info: someText(random, "info")}
			k.who = u.login(slot, []byte(k.user), []byte(k.info), nil, 0)
			model[slot] = k
		}
		if random.IntN(20) == 0 {
			checkUsers(t, seed, &u, model)
		}
	}
	for _, k := range model {
		u.logout(k.who)
	}
	checkUsers(t, seed, &u, nil)
	if a, i, d, x := u.accounts.Live(), u.identities.Live(), u.details.Live(), u.texts.Live(); a+i+d+x != 0 {
		t.Errorf("seed %d: %d accounts, %d identities, %d details and %d cells of text are left of nobody", seed, a, i, d, x)
	}
}

// someText is empty, short, or longer than a cell.
func someText(random *rand.Rand, word string) string {
	switch n := random.IntN(12); {
	case n == 0:
		return ""
	case n < 10:
		return fmt.Sprint(word, n)
	default:
		return fmt.Sprintf("%s that is much longer than one cell of text: %d", word, n)
	}
}

func checkUsers(t *testing.T, seed uint64, u *users, model map[uint32]known) {
	t.Helper()
	slots := map[string][]uint32{} // by user; nobody lists sessions of which nothing is known
	for slot, k := range model {
		user, info := string(u.appendUser(nil, k.who)), string(u.appendInfo([]byte("i="), k.who))
		if user != k.user || info != "i="+k.info || u.anonymous(k.who) != (k.user == "") {
			t.Fatalf("seed %d: slot %d is %q with %q; want %+v", seed, slot, user, info, k)
		}
		if k.who != 0 {
			slots[k.user] = append(slots[k.user], slot)
		} else if k.user != "" || k.info != "" {
			t.Fatalf("seed %d: nothing is known of %+v", seed, k)
		}
	}
	slots["nobody"] = nil
	for user, want := range slots {
		got := slices.Sorted(u.sessions([]byte(user)))
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d: user %q has sessions %v; want %v", seed, user, got, want)
		}
	}
}

// Users whose names have the same hash are different users, in whatever order they go.
func TestUsersOfOneHash(t *testing.T) {
	const hash = 7
	names := []string{"a", "b", "c"}
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 0, 2}, {1, 2, 0}} {
		u, numbers := newUsers(), map[string]uint32{}
		for _, name := range names {
			i := u.accounts.Alloc()
			*u.accounts.At(i) = account{hash: hash, name: u.texts.Put([]byte(name))}
			u.accounts.Insert(i)
			numbers[name] = i
		}
		for _, gone := range order {
			for _, name := range names {
				if got := u.find(hash, []byte(name)); got != numbers[name] {
					t.Errorf("order %v: %q is account %d; want %d of %v", order, name, got, numbers[name], numbers)
				}
			}
			u.forget(numbers[names[gone]])
			numbers[names[gone]] = 0
		}
		if u.accounts.Live() != 0 {
			t.Errorf("order %v leaves %d accounts", order, u.accounts.Live())
		}
	}
}

// Who comes back, or comes a second time, is known without an allocation.
func TestKnownUsersDoNotAllocate(t *testing.T) {
	u := newUsers()
	user, info := []byte("a user id that is longer than one cell"), []byte(`{"name":"A"}`)
	var scratch [128]byte
	defer u.logout(u.login(1, user, info, nil, 0))
	if n := testing.AllocsPerRun(1000, func() {
		who := u.login(2, user, info, nil, 0)
		u.appendInfo(u.appendUser(scratch[:0], who), who)
		for range u.sessions(user) {
		}
		u.logout(who)
	}); n != 0 {
		t.Errorf("a session of a known user allocates %v times; want 0", n)
	}
}

func TestBytesOfAnIdentity(t *testing.T) {
	const sessions = 100_000
	for _, row := range []struct {
		what, user, info string
		limit            int
	}{
		{"one user", "alice", "", 25},
		{"as many users", "user-%06d", "", 65},
		{"as many users with long ids", "00000000-0000-4000-8000-%012d", "", 97},
		{"as many users with info", "user-%06d", `{"name":"A"}`, 101},
	} {
		u, names := newUsers(), make([][]byte, sessions)
		for i := range names {
			names[i] = []byte(row.user)
			if row.user != "alice" {
				names[i] = fmt.Appendf(nil, row.user, i)
			}
		}
		info := []byte(row.info)
		for i, name := range names {
			u.login(uint32(i), name, info, nil, 0)
		}
		got := u.accounts.Bytes() + u.identities.Bytes() + u.details.Bytes() + u.texts.Bytes()
		t.Logf("%d sessions of %s: %.1f bytes each", sessions, row.what, float64(got)/sessions)
		if got > row.limit*sessions {
			t.Errorf("%d sessions of %s: %d bytes each; want at most %d", sessions, row.what, got/sessions, row.limit)
		}
	}
}

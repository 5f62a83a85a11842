package auth

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

func TestRevoked(t *testing.T) {
	r := NewRevoked(10)
	until := testNow.Add(time.Hour)
	for _, err := range []error{
		r.User("ada", testNow, until, testNow),
		r.User("bob", testNow.Add(500*time.Millisecond), until, testNow),
		r.User("", testNow, until, testNow),
		r.Token("t1", until, testNow),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range []struct {
		id   Identity
		at   time.Time
		want bool
	}{
		{Identity{User: "ada", Issued: testNow.Add(-time.Second)}, testNow, true},
		{Identity{User: "ada", Issued: testNow}, testNow, false},
		{Identity{User: "ada"}, testNow, true},
		{Identity{User: "ada", Issued: time.Unix(-farFuture, 0)}, testNow, true},
		{Identity{User: "ada", Issued: time.Unix(farFuture, 0)}, testNow, false},
		{Identity{User: "ada"}, until.Add(-time.Second), true},
		{Identity{User: "ada"}, until, false},
		{Identity{User: "bob", Issued: testNow}, testNow, true},
		{Identity{User: "bob", Issued: testNow.Add(time.Second)}, testNow, false},
		{Identity{User: "Ada"}, testNow, false},
		{Identity{User: "t1"}, testNow, false},
		{Identity{}, testNow, true},
		{Identity{User: "eve", ID: "t1", Issued: testNow}, testNow, true},
		{Identity{User: "eve", ID: "t1"}, until, false},
		{Identity{User: "eve", ID: "t2"}, testNow, false},
		{Identity{User: "eve", ID: "ada"}, testNow, false},
	} {
		if got := r.Has(&row.id, row.at); got != row.want {
			t.Errorf("Has(%+v) at %v = %t", row.id, row.at, got)
		}
	}
}

func TestRevokedTwiceKeepsTheLater(t *testing.T) {
	r := NewRevoked(1)
	later, earlier := testNow.Add(time.Hour), testNow.Add(time.Minute)
	for _, at := range []time.Time{later, earlier} {
		if err := r.User("ada", at, at, testNow); err != nil {
			t.Fatal(err)
		}
	}
	if id := (Identity{User: "ada", Issued: earlier}); !r.Has(&id, earlier) || r.Len() != 1 {
		t.Errorf("a second, earlier revocation took back the first; %d entries", r.Len())
	}
}

func TestRevokedIsBounded(t *testing.T) {
	const limit = 1000
	r := NewRevoked(limit)
	for n := range limit {
		if err := r.Token(fmt.Sprint(n), testNow.Add(time.Duration(n+1)*time.Second), testNow); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.User("ada", testNow, testNow.Add(time.Hour), testNow); !errors.Is(err, ErrFull) {
		t.Errorf("one more than the limit: %v; want ErrFull", err)
	}
	if err := r.Token("7", testNow.Add(time.Hour), testNow); err != nil {
		t.Errorf("one that is there already: %v", err)
	}
	half := testNow.Add(limit / 2 * time.Second)
	if err := r.User("ada", testNow, testNow.Add(time.Hour), half); err != nil {
		t.Errorf("after half of them have ended: %v", err)
	}
	if got, want := r.Len(), limit/2+2; got != want {
		t.Errorf("%d entries; want %d: the later half, the one prolonged and the new one", got, want)
	}
	for n := range limit {
		if got, want := r.Has(&Identity{ID: fmt.Sprint(n)}, half), n >= limit/2 || n == 7; got != want {
			t.Errorf("Has(%d) = %t", n, got)
		}
	}
}

// Readers see every revocation from the moment that it was made, whatever else is added.
func TestRevokedUnderConcurrency(t *testing.T) {
	const writers, each = 4, 500
	r := NewRevoked(writers * each)
	until := testNow.Add(time.Hour)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := range each {
				id := Identity{ID: fmt.Sprint(w, n)}
				if err := r.Token(id.ID, until, testNow); err != nil || !r.Has(&id, testNow) {
					t.Errorf("token %s after it was revoked: %v", id.ID, err)
				}
				if first := (Identity{ID: fmt.Sprint(w, 0)}); !r.Has(&first, testNow) {
					t.Errorf("token %s is good again", first.ID)
				}
			}
		})
	}
	wg.Wait()
	if r.Len() != writers*each {
		t.Errorf("%d entries; want %d", r.Len(), writers*each)
	}
}

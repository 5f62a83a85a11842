package server

import (
	"hash/maphash"
	"iter"

	"github.com/seed4ac54ce5/edge/admission"
	"github.com/seed4ac54ce5/edge/auth"
	"github.com/seed4ac54ce5/edge/internal/slab"
)

// users is who is connected on a loop. A session without a user id and without info is nobody's and costs nothing
// here; every other one has an identity, which lists it under its user. Loop goroutine only.
type users struct {
	seed       maphash.Seed
	byHash     map[uint64]uint32 // first account
	accounts   slab.Slab[account, *account]
	identities slab.Slab[identity, *identity]
	texts      slab.Texts
}

// account is a user with at least one session on the loop.
type account struct {
	hash  uint64
	name  slab.Text
	first uint32 // identity
	next  uint32 // account of the same hash
}

// Link returns the field that the free list runs through.
func (a *account) Link() *uint32 { return &a.next }

// identity is what is known of a session's client.
type identity struct {
	info    slab.Text        // conn_info, any JSON value or empty
	token   slab.Text        // id of the token that it came with, empty if that has none
	ticket  admission.Ticket // of the user's connections
	account uint32
	slot    uint32 // of the conn
	next    uint32 // identity of the same account
	prev    uint32
}

// Link returns the field that the free list runs through.
func (i *identity) Link() *uint32 { return &i.next }

func newUsers() users {
	return users{
		seed:       maphash.MakeSeed(),
		byHash:     make(map[uint64]uint32),
		accounts:   slab.New[account](6),
		identities: slab.New[identity](8),
		texts:      slab.NewTexts(8),
	}
}

// login returns the identity of the session in slot, 0 if there is nothing to know.
func (u *users) login(slot uint32, user, info, token []byte, ticket admission.Ticket) uint32 {
	if len(user)+len(info)+len(token) == 0 {
		return 0
	}
	a := u.account(user)
	i := u.identities.Alloc()
	first := u.accounts.At(a).first
	*u.identities.At(i) = identity{info: u.texts.Put(info), token: u.texts.Put(token), ticket: ticket, account: a, slot: slot, next: first}
	if first != 0 {
		u.identities.At(first).prev = i
	}
	u.accounts.At(a).first = i
	return i
}

// logout forgets an identity, and a user with its last session, and returns its ticket.
func (u *users) logout(i uint32) (ticket admission.Ticket) {
	if i == 0 {
		return 0
	}
	id := u.identities.At(i)
	a := u.accounts.At(id.account)
	if id.prev != 0 {
		u.identities.At(id.prev).next = id.next
	} else {
		a.first = id.next
	}
	if id.next != 0 {
		u.identities.At(id.next).prev = id.prev
	}
	if a.first == 0 {
		u.forget(id.account)
	}
	ticket = id.ticket
	u.texts.Free(id.info)
	u.texts.Free(id.token)
	u.identities.Free(i)
	return ticket
}

// setInfo gives the session in slot, of identity i, another conn_info and returns its identity: a new one if it had none.
func (u *users) setInfo(slot, i uint32, info []byte) uint32 {
	if i == 0 {
		return u.login(slot, nil, info, nil, 0)
	}
	id := u.identities.At(i)
	u.texts.Free(id.info)
	id.info = u.texts.Put(info)
	return i
}

// setToken is setInfo for the id of the session's token.
func (u *users) setToken(slot, i uint32, token []byte) uint32 {
	if i == 0 {
		return u.login(slot, nil, nil, token, 0)
	}
	id := u.identities.At(i)
	u.texts.Free(id.token)
	id.token = u.texts.Put(token)
	return i
}

// cameWith reports whether an identity's session has the token with this id, which is not empty.
func (u *users) cameWith(i uint32, token []byte) bool {
	return i != 0 && u.texts.Equal(u.identities.At(i).token, token)
}

// rooms returns a sum of the rooms that a token puts its user into, in whatever order: 0 for none, and with a chance of one in
// 2^64 the same for two different sets.
func (u *users) rooms(subs []auth.Sub) (sum uint64) {
	for i := range subs {
		sum += maphash.String(u.seed, subs[i].Channel)
	}
	return sum
}

// appendUser appends the user id of an identity.
func (u *users) appendUser(dst []byte, i uint32) []byte {
	if i == 0 {
		return dst
	}
	return u.texts.Append(dst, u.accounts.At(u.identities.At(i).account).name)
}

// appendInfo appends the conn_info of an identity.
func (u *users) appendInfo(dst []byte, i uint32) []byte {
	if i == 0 {
		return dst
	}
	return u.texts.Append(dst, u.identities.At(i).info)
}

// anonymous reports whether an identity has no user id.
func (u *users) anonymous(i uint32) bool {
	return i == 0 || u.accounts.At(u.identities.At(i).account).name.Len() == 0
}

// sessions yields the slots of a user's sessions. Nobody may log in or out meanwhile.
func (u *users) sessions(user []byte) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		a := u.find(maphash.Bytes(u.seed, user), user)
		if a == 0 {
			return
		}
		for i := u.accounts.At(a).first; i != 0; {
			id := u.identities.At(i)
			if !yield(id.slot) {
				return
			}
			i = id.next
		}
	}
}

// account returns the user's account, a new one if need be.
func (u *users) account(user []byte) uint32 {
	hash := maphash.Bytes(u.seed, user)
	if a := u.find(hash, user); a != 0 {
		return a
	}
	a := u.accounts.Alloc()
	*u.accounts.At(a) = account{hash: hash, name: u.texts.Put(user), next: u.byHash[hash]}
	u.byHash[hash] = a
	return a
}

func (u *users) find(hash uint64, user []byte) uint32 {
	a := u.byHash[hash]
	for a != 0 && !u.texts.Equal(u.accounts.At(a).name, user) {
		a = u.accounts.At(a).next
	}
	return a
}

// forget frees account i, which has no session left.
func (u *users) forget(i uint32) {
	a := u.accounts.At(i)
	if first := u.byHash[a.hash]; first != i {
		for u.accounts.At(first).next != i {
			first = u.accounts.At(first).next
		}
		u.accounts.At(first).next = a.next
	} else if a.next != 0 {
		u.byHash[a.hash] = a.next
	} else {
		delete(u.byHash, a.hash)
	}
	u.texts.Free(a.name)
	u.accounts.Free(i)
}

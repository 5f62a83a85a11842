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
	accounts   slab.Table[account, *account]
	identities slab.Slab[identity, *identity]
	details    slab.Slab[detail, *detail]
	texts      slab.Texts
}

// account is a user with at least one session on the loop.
type account struct {
	name  slab.Text
	first uint32 // identity
	hash  uint32
	next  uint32 // in the table
}

// Link returns the field that the free list runs through.
func (a *account) Link() *uint32 { return &a.next }

// Hash returns that of the name.
func (a *account) Hash() uint32 { return a.hash }

// identity is what is known of a session's client.
type identity struct {
	ticket  admission.Ticket // of the user's connections
	account uint32
	detail  uint32 // 0 if both of its texts are empty
	slot    uint32 // of the conn
	next    uint32 // identity of the same account
	prev    uint32
}

// Link returns the field that the free list runs through.
func (i *identity) Link() *uint32 { return &i.next }

// detail is what few clients have.
type detail struct {
	info  slab.Text // conn_info, any JSON value or empty
	token slab.Text // id of the token that it came with, empty if that has none
	next  uint32
}

// Link returns the field that the free list runs through.
func (d *detail) Link() *uint32 { return &d.next }

func newUsers() users { return users{seed: maphash.MakeSeed()} }

// login returns the identity of the session in slot, 0 if there is nothing to know.
func (u *users) login(slot uint32, user, info, token []byte, ticket admission.Ticket) uint32 {
	if len(user)+len(info)+len(token) == 0 {
		return 0
	}
	a := u.account(user)
	i := u.identities.Alloc()
	first := u.accounts.At(a).first
	*u.identities.At(i) = identity{ticket: ticket, account: a, slot: slot, next: first}
	if len(info)+len(token) > 0 {
		*u.detail(i) = detail{info: u.texts.Put(info), token: u.texts.Put(token)}
	}
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
	if id.detail != 0 {
		d := u.details.At(id.detail)
		u.texts.Free(d.info)
		u.texts.Free(d.token)
		u.details.Free(id.detail)
	}
	u.identities.Free(i)
	return ticket
}

// detail returns that of identity i, an empty new one if need be.
func (u *users) detail(i uint32) *detail {
	id := u.identities.At(i)
	if id.detail == 0 {
		id.detail = u.details.Alloc()
		*u.details.At(id.detail) = detail{}
	}
	return u.details.At(id.detail)
}

// setInfo gives the session in slot, of identity i, another conn_info and returns its identity: a new one if it had none.
func (u *users) setInfo(slot, i uint32, info []byte) uint32 {
	if i == 0 {
		return u.login(slot, nil, info, nil, 0)
	}
	d := u.detail(i)
	u.texts.Free(d.info)
	d.info = u.texts.Put(info)
	return i
}

// setToken is setInfo for the id of the session's token.
func (u *users) setToken(slot, i uint32, token []byte) uint32 {
	if i == 0 {
		return u.login(slot, nil, nil, token, 0)
	}
	d := u.detail(i)
	u.texts.Free(d.token)
	d.token = u.texts.Put(token)
	return i
}

// cameWith reports whether an identity's session has the token with this id, which is not empty.
func (u *users) cameWith(i uint32, token []byte) bool {
	if i == 0 || u.identities.At(i).detail == 0 {
		return false
	}
	return u.texts.Equal(u.detail(i).token, token)
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
	if i == 0 || u.identities.At(i).detail == 0 {
		return dst
	}
	return u.texts.Append(dst, u.detail(i).info)
}

// anonymous reports whether an identity has no user id.
func (u *users) anonymous(i uint32) bool {
	return i == 0 || u.accounts.At(u.identities.At(i).account).name.Len() == 0
}

// sessions yields the slots of a user's sessions. Nobody may log in or out meanwhile.
func (u *users) sessions(user []byte) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		a := u.find(u.hash(user), user)
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
	hash := u.hash(user)
	if a := u.find(hash, user); a != 0 {
		return a
	}
	a := u.accounts.Alloc()
	*u.accounts.At(a) = account{hash: hash, name: u.texts.Put(user)}
	u.accounts.Insert(a)
	return a
}

func (u *users) hash(user []byte) uint32 { return uint32(maphash.Bytes(u.seed, user)) }

func (u *users) find(hash uint32, user []byte) uint32 {
	a := u.accounts.First(hash)
	for a != 0 && !u.texts.Equal(u.accounts.At(a).name, user) {
		a = u.accounts.At(a).next
	}
	return a
}

// forget frees account i, which has no session left.
func (u *users) forget(i uint32) {
	u.texts.Free(u.accounts.At(i).name)
	u.accounts.Remove(i)
}

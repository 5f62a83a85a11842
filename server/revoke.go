package server

import (
	"cmp"
	"context"
	"time"

	"github.com/seed4ac54ce5/edge/api"
	"github.com/seed4ac54ce5/edge/auth"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// Revocation names tokens that are void before their time, as [api.Revocation] says.
type Revocation = api.Revocation

// Revoke makes tokens void: nobody connects, refreshes or subscribes with them any more, and the conns and the subscriptions
// that they have opened end; with a User those are all of the user's. Conns end with 3014 and subscriptions with 2502, after which
// SDKs ask their application for a new token: who gets a good one is back at once, and who comes with the old one gets 3500 and
// stays away. A void token that has only just been issued counts as expired. Error 106 says that the node cannot keep so many revocations, and has ended no conn.
//
// The node forgets a revocation when its tokens have expired, if r says when, or else after the longest life of a token that it
// counts with, 366 days; and when it ends.
func (s *Server) Revoke(ctx context.Context, r Revocation) error {
	if s.listRevoked(&r, time.Now()) != nil {
		return protocol.ErrLimitExceeded
	}
	if r.User != "" {
		if err := s.Disconnect(ctx, Target{User: r.User}, protocol.DisconnectStateInvalidated); err != nil {
			return err
		}
	}
	if r.TokenID == "" {
		return nil
	}
	token := []byte(r.TokenID)
	return s.visitAll(ctx, visitSlice, func(l *loop, c *netpoll.Conn, ss *session) {
		if l.users.cameWith(ss.who, token) {
			l.disconnect(c, ss, protocol.DisconnectStateInvalidated)
		} else {
			l.revokeSubToken(c, ss, r.TokenID)
		}
	})
}

// listRevoked makes the tokens of r void from now on. It comes first: whoever is still on the way in is checked against the list,
// or is found by the search that follows. The error is [auth.ErrFull].
func (s *Server) listRevoked(r *Revocation, now time.Time) error {
	until := cmp.Or(r.ExpireAt, now.Add(maxTTL))
	if r.User != "" {
		if err := s.revoked.User(r.User, cmp.Or(r.IssuedBefore, now), until, now); err != nil {
			return err
		}
	}
	if r.TokenID != "" {
		return s.revoked.Token(r.TokenID, until, now)
	}
	return nil
}

// justIssued is how old a void token may be whose client is told to come with another one.
const justIssued = 2 * time.Second

// checkRevoked returns an error of package auth for a token that is void. Times of issue are whole seconds, and with a user's
// tokens all of the second of the revocation are void: also the one that the application gives out right after it, when the
// user's clients come back. Such a token counts as expired, and the next one will do.
func (s *Server) checkRevoked(id *auth.Identity) error {
	now := time.Now()
	switch {
	case !s.revoked.Has(id, now):
		return nil
	case !id.Issued.IsZero() && now.Sub(id.Issued) < justIssued:
		return auth.ErrExpired
	}
	return auth.ErrInvalid
}

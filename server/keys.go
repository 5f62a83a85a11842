package server

import (
	"errors"
	"fmt"
	"time"

	"github.com/seed4ac54ce5/edge/auth"
)

// Access says who may connect, by what they can show. All of it can change while the node runs: [Server.SetAccess].
type Access struct {
	// Tokens says which tokens are believed: of connections, and of subscriptions too unless Subscriptions is set. Without
	// a key in it none is, save that an application that decides about such clients is given their tokens instead.
	Tokens        auth.Config
	Subscriptions *auth.Config

	Anonymous         bool // clients without a token may connect outside development mode too
	NoAnonymousTokens bool // tokens without a user id are refused (3507)

	// Origins are the pages that may connect, as [auth.ParseOrigins] reads them; nil is pages of the host that is asked. In
	// development pages of this machine may too. Programs, which send no origin, need a token unless Anonymous lets them in.
	Origins []string

	// Personal subscribes each user to a room of its own, as server-side subscription.
	Personal PersonalRoom
}

// PersonalRoom is the room of each user: #USER, or NAMESPACE:#USER.
type PersonalRoom struct {
	Enabled   bool
	Namespace string
}

// of returns a user's room, "" for none.
func (p *PersonalRoom) of(user string) string {
	switch {
	case !p.Enabled || user == "":
		return ""
	case p.Namespace == "":
		return "#" + user
	}
	return p.Namespace + ":#" + user
}

// access is an Access ready for use. It never changes.
type access struct {
	Access
	connect   *auth.Verifier
	subscribe *auth.Verifier
	origins   auth.Origins
	keyed     bool // there are keys for connections
	subKeyed  bool // and for subscriptions
}

// newAccess checks a.
func newAccess(a Access) (*access, error) {
	all := &access{Access: a, keyed: hasKeys(&a.Tokens)}
	all.subKeyed = all.keyed
	var errs [3]error
	all.connect, errs[0] = auth.New(a.Tokens)
	all.subscribe = all.connect
	if a.Subscriptions != nil {
		all.subscribe, errs[1] = auth.New(*a.Subscriptions)
		all.subKeyed = hasKeys(a.Subscriptions)
	}
	if a.Origins == nil {
		a.Origins = []string{"self"}
	}
	all.origins, errs[2] = auth.ParseOrigins(a.Origins)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return all, nil
}

// hasKeys reports whether any token can be right.
func hasKeys(c *auth.Config) bool {
	return c.HMACSecret != "" || c.RSAPublicKey != "" || c.ECDSAPublicKey != "" || c.Ed25519PublicKey != "" || len(c.JWKS) > 0
}

// SetAccess changes who may connect, from the next client on; sessions stay as they are. Key sets are fetched
// in the background, and those that were there already serve meanwhile. An error wraps [ErrConfig], and then
// nothing has changed. Any goroutine.
func (s *Server) SetAccess(a Access) error {
	all, err := newAccess(a)
	if err != nil {
		return err
	}
	if was := s.access.Load(); was != nil {
		all.connect.Inherit(was.connect)
		all.subscribe.Inherit(was.subscribe)
	}
	s.access.Store(all)
	s.warm(all)
	return nil
}

// warm fetches key sets in the background, so that the first tokens need not wait for them.
func (s *Server) warm(a *access) {
	s.reload.Lock()
	defer s.reload.Unlock()
	if s.life.Err() != nil {
		return // closed
	}
	verifiers := []*auth.Verifier{a.connect}
	if a.subscribe != a.connect {
		verifiers = append(verifiers, a.subscribe)
	}
	for _, v := range verifiers {
		s.ticking.Go(func() {
			if err := v.Warm(s.life, time.Now()); err != nil && s.life.Err() == nil {
				s.config.Log.Warn("keys of tokens cannot be fetched; tokens that need them are asked for again later", "error", err)
			}
		})
	}
}

// access returns who may connect as it is now.
func (l *loop) access() *access { return l.server.access.Load() }

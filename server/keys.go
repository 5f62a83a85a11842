package server

import (
	"errors"
	"fmt"
	"strings"
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

// of returns a user's room, "" for none. A user whose id would read as a list, or as another's behind a further #, has none: it
// would be open to those.
func (p *PersonalRoom) of(user string) string {
	switch {
	case !p.Enabled || user == "" || strings.ContainsAny(user, "#,"):
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

// newAccess checks a. Fetched is told of fetches of keys, unless a says otherwise.
func newAccess(a Access, fetched func(endpoint string, err error)) (*access, error) {
	all := &access{Access: a, keyed: a.Tokens.HasKeys()}
	all.subKeyed = all.keyed
	var errs [3]error
	all.connect, errs[0] = newVerifier(a.Tokens, fetched)
	all.subscribe = all.connect
	if a.Subscriptions != nil {
		all.subscribe, errs[1] = newVerifier(*a.Subscriptions, fetched)
		all.subKeyed = a.Subscriptions.HasKeys()
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

func newVerifier(c auth.Config, fetched func(endpoint string, err error)) (*auth.Verifier, error) {
	if c.Fetched == nil {
		c.Fetched = fetched
	}
	return auth.New(c)
}

// SetAccess changes who may connect, from the next client on; sessions stay as they are. Key sets are fetched
// in the background, and those that were there already serve meanwhile. An error wraps [ErrConfig], and then
// nothing has changed. Any goroutine.
func (s *Server) SetAccess(a Access) error {
	all, err := newAccess(a, s.noteFetch)
	if err != nil {
		return err
	}
	if old := s.access.Load(); old != nil {
		all.connect.Adopt(old.connect)
		all.subscribe.Adopt(old.subscribe)
	}
	s.access.Store(all)
	s.warm(all)
	return nil
}

// noteFetch counts a fetch of an issuer's keys, and logs why it has failed. An endpoint is asked so rarely that each may be
// logged. Any goroutine.
func (s *Server) noteFetch(endpoint string, err error) {
	if err == nil {
		s.keyFetches[0].Add(1)
		return
	}
	s.keyFetches[1].Add(1)
	if s.life.Err() == nil {
		s.config.Log.Warn("the keys of an issuer cannot be fetched: those that are known stay", "endpoint", endpoint, "error", err)
	}
}

// warm fetches key sets in the background, so that the first tokens need not wait for them; noteFetch tells of each.
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
		s.ticking.Go(func() { _ = v.Warm(s.life, time.Now()) })
	}
}

// access returns who may connect as it is now.
func (l *loop) access() *access { return l.server.access.Load() }

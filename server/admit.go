package server

import (
	"net/http"
	"slices"
	"time"

	"github.com/seed4ac54ce5/edge/auth"
	"github.com/seed4ac54ce5/edge/protocol"
)

// Admit decides who a client is, as a connect command has it decided: by its token, by Handler.Connect, or because everybody may
// come. It is for applications whose clients speak another protocol; Client of r is the id that the client will have. An error is
// a [*Error], of which 101 says that a token is missing and 109 that it has expired, or a [Disconnect]; anything else is of
// Handler.Connect. It may block, for as long as the keys of tokens or the application take. Any goroutine but a loop's.
func (s *Server) Admit(r *ConnectRequest) (ConnectReply, error) {
	access := s.access.Load()
	switch {
	case len(r.Token) > 0 && (access.keyed || s.handler.Connect == nil):
		return s.admitByToken(access, r.Token)
	case s.handler.Connect != nil && s.ambient(r):
		return ConnectReply{}, protocol.DisconnectPermissionDenied
	case s.handler.Connect != nil:
		r.Header = s.shown(r.Header)
		reply, err := s.handler.Connect(r)
		reply.byApplication = true
		return reply, err
	case s.config.Development, access.Anonymous:
		return ConnectReply{}, nil
	}
	return ConnectReply{}, protocol.ErrUnauthorized
}

// admitByToken lets in whom a connection token names.
func (s *Server) admitByToken(access *access, token []byte) (ConnectReply, error) {
	claims, err := access.connect.Connect(token, time.Now())
	if err := s.checkClaims(&claims, err); err != nil {
		return ConnectReply{}, err
	}
	return grantOf(&claims), nil
}

// ambient reports whether a client has no more to show than cookies, as [loop.ambient] does.
func (s *Server) ambient(r *ConnectRequest) bool {
	named := func(name string) bool { return http.CanonicalHeaderKey(name) == "Cookie" }
	return len(r.Token) == 0 && r.Header.Get("Origin") == "" && slices.ContainsFunc(s.handler.Headers, named)
}

// shown returns of a request's header what the application wants to see.
func (s *Server) shown(header http.Header) http.Header {
	var all http.Header
	for _, name := range s.handler.Headers {
		if values := header.Values(name); len(values) > 0 {
			if all == nil {
				all = make(http.Header)
			}
			all[http.CanonicalHeaderKey(name)] = values
		}
	}
	return all
}

// checkClaims returns why a connection token does not open a session: err of its verifier, or what it claims.
func (s *Server) checkClaims(claims *auth.ConnectClaims, err error) error {
	if err == nil {
		err = s.checkRevoked(&claims.Identity)
	}
	switch {
	case err != nil:
		return refusalOf(err)
	case claims.User == "" && s.access.Load().NoAnonymousTokens:
		return protocol.DisconnectPermissionDenied
	}
	for i := range claims.Subs {
		if _, err := s.namespaceOf([]byte(claims.Subs[i].Channel)); err != nil {
			return err
		}
	}
	return nil
}

// grantOf is what a connection token grants.
func grantOf(k *auth.ConnectClaims) ConnectReply {
	reply := ConnectReply{User: k.User, Info: k.Info, ExpireAt: k.Expiry, Meta: k.Meta, token: k.ID, Capabilities: k.Capabilities}
	for i := range k.Subs {
		reply.Subs = append(reply.Subs, subscriptionOf(&k.Subs[i]))
	}
	return reply
}

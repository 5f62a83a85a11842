package server

import (
	"fmt"
	"net"

	"github.com/seed4ac54ce5/edge/api"
	"github.com/seed4ac54ce5/edge/metrics"
)

// newAPI returns the HTTP API as the internal address serves it.
func (s *Server) newAPI(requests *metrics.API) *api.Handler {
	c := &s.config
	o := api.Options{
		Key:       c.API.Key,
		Insecure:  c.API.Insecure || c.Development,
		BodyLimit: int64(c.API.BodyLimit),
		Observe:   requests.Observe,
		Refused:   requests.Refused,
		Log:       c.Log,
	}
	if c.API.Transport {
		o.ErrorMode = api.ErrorModeTransport
	}
	return api.New(s.API(), o)
}

// SetAPIKey changes the key of the HTTP API; requests under way are not affected. The empty one closes the API, or leaves it
// open to this host as Config says. Errors wrap [ErrConfig] and change nothing. Any goroutine.
func (s *Server) SetAPIKey(key string) error {
	if err := s.checkInternal(key); err != nil {
		return err
	}
	s.api.SetKey(key)
	return nil
}

// checkInternal returns why the internal address may not be served with such a key for its API: whoever reaches that address
// without one could not be told from its rightful users.
func (s *Server) checkInternal(key string) error {
	at, ok := s.inside.Addr().(*net.TCPAddr)
	if key != "" || ok && at.IP.IsLoopback() {
		return nil
	}
	return fmt.Errorf("%w: the internal address %s is not of the loopback and asks for no key; set api.key, or internal.address to 127.0.0.1:9000",
		ErrConfig, s.inside.Addr())
}

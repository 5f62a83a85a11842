package tlsrecord

import "crypto/tls"

// A Client is what conns have in common that we open to servers. Their life is that of a server's, but for the beginning: a
// conn of a Client is Ready at once, as it has the first word. All its methods are for any goroutine.
type Client struct {
	config *tls.Config
	shared Server // for its count of handshakes
}

// NewClient returns a Client for a configuration, which must not change any more and says the server's name.
func NewClient(config *tls.Config) *Client { return &Client{config: config} }

// Handshakes returns how many are under way.
func (c *Client) Handshakes() int { return c.shared.Handshakes() }

// NewConn returns a conn for which Step is due.
func (c *Client) NewConn() *Conn {
	c.shared.under.Add(1)
	conn := &Conn{server: &c.shared, stage: stageHandshake, ready: true, hs: new(handshake)}
	conn.tls = tls.Client(&conn.wire, c.config)
	return conn
}

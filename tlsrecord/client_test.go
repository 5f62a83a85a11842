package tlsrecord

import (
	"bytes"
	"crypto/tls"
	"strings"
	"testing"
)

// exchange lets a client and a server talk until neither has anything to say.
func exchange(t *testing.T, client, server *Conn) {
	t.Helper()
	var toServer, toClient []byte
	for range 20 {
		for _, end := range []struct {
			c       *Conn
			in, out *[]byte
		}{{client, &toClient, &toServer}, {server, &toServer, &toClient}} {
			if !end.c.Established() && len(*end.in) > 0 {
				used, _, err := end.c.Feed(*end.in)
				if err != nil {
					t.Fatal(err)
				}
				*end.in = (*end.in)[used:]
			}
			if end.c.Ready() {
				end.c.Step()
			}
			*end.out = end.c.Flush(*end.out)
		}
	}
	if plain, _, _, err := client.Open(nil, toClient); client.Established() && (err != nil || len(plain) > 0) {
		t.Errorf("after the handshake the client has %q, %v", plain, err)
	}
}

func TestClient(t *testing.T) {
	s, ca := plainServer(t)
	for _, version := range versions {
		t.Run(version.name, func(t *testing.T) {
			c := NewClient(&tls.Config{RootCAs: ca.pool(), ServerName: "edge.test", MaxVersion: version.id})
			client, server := c.NewConn(), s.NewConn()
			defer client.Close()
			defer server.Close()
			if !client.Ready() || c.Handshakes() != 1 {
				t.Fatalf("a new conn is ready: %v, handshakes %d; want it to have the first word", client.Ready(), c.Handshakes())
			}
			exchange(t, client, server)
			if !client.Established() || !server.Established() || c.Handshakes() != 0 {
				t.Fatalf("client %v, server %v, handshakes %d", client.Err(), server.Err(), c.Handshakes())
			}
			text := []byte(strings.Repeat("large enough for three records ", 1200))
			for _, way := range []struct{ from, to *Conn }{{client, server}, {server, client}} {
				sealed, err := way.from.Seal(nil, text)
				if err != nil {
					t.Fatal(err)
				}
				plain, used, _, err := way.to.Open(nil, sealed)
				if err != nil || used != len(sealed) || !bytes.Equal(plain, text) {
					t.Errorf("%d of %d bytes opened to %d, %v; want %d", used, len(sealed), len(plain), err, len(text))
				}
			}
		})
	}
}

func TestClientThatIsGivenUp(t *testing.T) {
	s, ca := plainServer(t)
	c := NewClient(&tls.Config{RootCAs: ca.pool(), ServerName: "other.test"})
	client, server := c.NewConn(), s.NewConn()
	exchange(t, client, server)
	if client.Established() || client.Err() == nil || c.Handshakes() != 0 {
		t.Errorf("another's certificate: established %v, %v, handshakes %d", client.Established(), client.Err(), c.Handshakes())
	}
	client.Close()
	server.Close()
	early := c.NewConn()
	early.Close()
	early.Step()
	if n := c.Handshakes(); n != 0 {
		t.Errorf("%d handshakes under way; want none after Close", n)
	}
}

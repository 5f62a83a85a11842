package netpoll_test

import (
	"fmt"
	"io"
	"net"

	"github.com/seed4ac54ce5/edge/netpoll"
)

// shout is a handler that sends back in capitals what it gets, a line at a time.
type shout struct{ loop *netpoll.Loop }

func (s *shout) Received(c *netpoll.Conn, b []byte) (used, need int) {
	for i, ch := range b {
		if 'a' <= ch && ch <= 'z' {
			b[i] -= 'a' - 'A'
		}
		if ch == '\n' {
			s.loop.Write(c, b[used:i+1])
			used = i + 1
		}
	}
	return used, 0 // the loop keeps a line that is not complete
}

func (s *shout) Slow(c *netpoll.Conn)               { s.loop.Close(c, netpoll.ClosedSlow) }
func (*shout) Opened(*netpoll.Conn)                 {}
func (*shout) Drained(*netpoll.Conn)                {}
func (*shout) Expired(*netpoll.Conn)                {}
func (*shout) Closed(*netpoll.Conn, netpoll.Reason) {}
func (*shout) Posted(netpoll.Post)                  {}
func (*shout) Turn() bool                           { return false }

// Two loops serve one port. What a client sends reaches the handler of the loop that accepted it.
func Example() {
	r, err := netpoll.Open(netpoll.Config{
		Loops:      2,
		Addresses:  []string{"127.0.0.1:0"},
		NewHandler: func(l *netpoll.Loop) netpoll.Handler { return &shout{loop: l} },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()

	c, err := net.Dial("tcp", r.Addresses()[0])
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	for _, piece := range []string{"good ", "morning\n"} {
		if _, err := io.WriteString(c, piece); err != nil {
			fmt.Println(err)
		}
	}
	answer := make([]byte, len("good morning"))
	if _, err := io.ReadFull(c, answer); err != nil {
		fmt.Println(err)
	}
	fmt.Printf("%s\n", answer)
	// Output: GOOD MORNING
}

package netpoll

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/seed4ac54ce5/edge/internal/poison"
	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// A handler that keeps what it was given finds other bytes there, and not those of another conn: in what came whole, and in
// what had been held.
func TestX06KeptSlicesAreOverwritten(t *testing.T) {
	if !testutil.Race {
		t.Skip("only the race detector's builds overwrite")
	}
	kept := make(chan []byte, 4)
	st := open(t, Config{}, script{received: func(l *Loop, c *Conn, b []byte) (int, int) {
		kept <- b
		if b[len(b)-1] != '.' {
			return 0, 0
		}
		return len(b), 0
	}})
	c, _ := st.connect()
	for _, part := range []string{"half", " and half.", "whole."} {
		if _, err := c.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
		b := <-kept
		st.do(0, func(*Loop) { // whose memory it is
			if want := bytes.Repeat([]byte{poison.Byte}, len(b)); !bytes.Equal(b, want) {
				t.Errorf("of %q is left %q", part, b)
			}
		})
	}
}

// A buffer that is given back twice would be two conns' at a time.
func TestX06BufferGivenBackTwice(t *testing.T) {
	if !testutil.Race {
		t.Skip("only the race detector's builds look")
	}
	var in inputs
	b := in.buffer(minInput)
	in.recycle(b)
	defer func() {
		if got := fmt.Sprint(recover()); got != "netpoll: an input buffer is given back twice" {
			t.Errorf("given back twice: %s", got)
		}
	}()
	in.recycle(b)
}

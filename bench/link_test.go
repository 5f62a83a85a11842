package bench

import (
	"bufio"
	"errors"
	"net"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestLinesHaveALimit(t *testing.T) {
	for _, n := range []int{10, helloLimit - 1, helloLimit} {
		l := &link{in: bufio.NewReaderSize(strings.NewReader(strings.Repeat("x", n)+"\n"), 16)}
		line, err := l.line(helloLimit)
		if long := n >= helloLimit; errors.Is(err, errLine) != long || !long && len(line) != n+1 {
			t.Errorf("a line of %d: %d bytes, %v", n+1, len(line), err)
		}
	}
}

func TestOptionsTravel(t *testing.T) {
	o := Options{
		Scenario: Fanout, Targets: []string{"a:1"}, Connections: 9, RoomPrefix: "p", Personal: true, Hold: time.Minute, Workers: 3, Listen: "b:2",
		Mix: steady(), TokenSecret: "secret", Internal: "http://a:1", JoinKey: "key", Progress: os.Stderr, Terminal: true, Probe: time.Second, ServerPID: 7,
	}
	us, them := net.Pipe()
	defer us.Close()
	go func() { newLink(them).send(welcome{Options: o.forWorkers()}) }()
	var w welcome
	if err := newLink(us).receive(&w); err != nil {
		t.Fatal(err)
	}
	want := o
	want.TokenSecret, want.JoinKey, want.Progress, want.Terminal, want.Probe, want.ServerPID, want.Internal = "", "", nil, false, 0, 0, ""
	if !reflect.DeepEqual(*w.Options, want) {
		t.Errorf("options arrive as %+v; want %+v", *w.Options, want)
	}
	if o.TokenSecret == "" || o.Probe == 0 {
		t.Error("the coordinator's own options have changed")
	}
}

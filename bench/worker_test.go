package bench

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeLead accepts one connection and has act speak on it.
func fakeLead(t *testing.T, act func(l *link)) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		if c, err := listener.Accept(); err == nil {
			defer c.Close()
			act(newLink(c))
		}
	})
	t.Cleanup(func() { listener.Close(); serving.Wait() })
	return listener.Addr().String()
}

func TestCoordinatorsThatAreNone(t *testing.T) {
	for says, act := range map[string]func(l *link){
		"no coordinator of edge flood": func(l *link) { l.send("HTTP/1.1 400 Bad Request") },
		"speaks version 5 of the protocol and the worker version 4": func(l *link) {
			l.send(greeting{linkVersion + 1, nil})
			l.line(helloLimit)
		},
		"does not have the --join-key": func(l *link) {
			l.send(greeting{linkVersion, nil})
			l.line(helloLimit)
			l.send(welcome{Proof: []byte("trust me"), Options: new(Options)})
		},
		"does not say what to do": func(l *link) {
			var h hello
			l.send(greeting{linkVersion, []byte("n")})
			l.receiveHello(&h)
			l.send(welcome{Proof: proof("k", "coordinator", []byte("n"), h.Nonce)})
		},
		"the coordinator has gone": func(l *link) {
			l.send(greeting{linkVersion, nil})
			l.line(helloLimit)
		},
	} {
		_, err := Join(t.Context(), Joining{Coordinator: fakeLead(t, act), Key: "k"})
		if !errors.Is(err, errCrew) || !strings.Contains(err.Error(), says) {
			t.Errorf("Join = %v; want an error that says %q", err, says)
		}
	}
	if _, err := Join(t.Context(), Joining{Coordinator: "nonsense"}); !errors.Is(err, ErrUsage) {
		t.Errorf("Join without a port = %v; want a usage error", err)
	}
}

// A worker whose coordinator dies ends, and says why.
func TestCoordinatorDies(t *testing.T) {
	address := fakeLead(t, func(l *link) {
		var h hello
		l.send(greeting{linkVersion, []byte("n")})
		l.receiveHello(&h)
		o := shortRun().withDefaults()
		o.Listen = "x:1"
		l.send(welcome{Proof: proof("", "coordinator", []byte("n"), h.Nonce), Options: &o})
		for {
			var m message
			if err := l.receive(&m); err != nil || m.Step == "phase connecting" {
				return
			}
			if m.Clock != nil {
				l.send(message{Clock: m.Clock})
			}
			if m.Step != "" {
				l.send(message{Step: m.Step})
			}
		}
	})
	if _, err := Join(t.Context(), Joining{Coordinator: address}); !errors.Is(err, errCrew) || !strings.Contains(err.Error(), "the coordinator has ended the run") {
		t.Errorf("Join = %v", err)
	}
}

// A worker that is interrupted says so, and so does the report.
func TestWorkerIsInterrupted(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	server := startLiar(t, &liar{spoil: pass, enough: interrupt})
	l := startLead(t, t.Context(), Options{
		Scenario: Fanout, Targets: []string{server}, Connections: 4, Workers: 1, Rate: 100, Duration: time.Hour, Drain: 100 * time.Millisecond,
	})
	if _, err := Join(ctx, Joining{Coordinator: l.address}); !errors.Is(err, errInterrupted) {
		t.Errorf("Join = %v", err)
	}
	if r := l.end(t); len(r.Workers) != 1 || r.Workers[0].Gone != "interrupted" || r.Lost != 5 || r.Err() == nil || r.Interrupted {
		t.Errorf("lost %d, workers %+v, %v", r.Lost, r.Workers, r.Err())
	}
}

// A secret does not travel: who needs it and lacks it says so, to both sides.
func TestWorkerWithoutTheSecret(t *testing.T) {
	o := shortRun()
	o.TokenSecret = strings.Repeat("s", 32)
	l := startLead(t, t.Context(), o)
	if _, err := Join(t.Context(), Joining{Coordinator: l.address}); !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), "--token-secret") {
		t.Errorf("Join = %v", err)
	}
	if <-l.done; l.report != nil || l.err == nil || !strings.Contains(l.err.Error(), "--token-secret") {
		t.Errorf("Run = %v, %v", l.report, l.err)
	}
}

package faultproxy

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// Whatever delays, slices and stalls a stream, its receiver gets every byte once, in order, and then the end; also
// while toxics come and go.
func TestStreamsStayExact(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	s := serve(t)
	p := Start(t, s.Addr().String(), Seed(seed), Buffer(1+rng.IntN(20_000)), SocketBuffers(8<<10))
	var ends [][2]*net.TCPConn // of 16 streams
	for i := range 8 {
		client, far := dial(t, p.Addr()), s.next(t)
		p.Await(i + 1)
		ends = append(ends, [2]*net.TCPConn{client, far}, [2]*net.TCPConn{far, client})
	}
	var streams sync.WaitGroup
	for _, e := range ends {
		data := payload(rng, 1+rng.IntN(300_000))
		streams.Go(func() { write(t, e[0], data) })
		streams.Go(func() { compare(t, e[1], data) })
	}
	done := make(chan struct{})
	go func() { streams.Wait(); close(done) }()
	disturb(p, rng, done)
	p.Await(0)
}

// write sends data and then the end.
func write(t *testing.T, to *net.TCPConn, data []byte) {
	if _, err := to.Write(data); err != nil {
		t.Errorf("Write: %v", err)
	}
	_ = to.CloseWrite()
}

// compare reads a stream to its end.
func compare(t *testing.T, from *net.TCPConn, want []byte) {
	got, err := io.ReadAll(from)
	if diff := firstDifference(got, want); err != nil || diff != "" {
		t.Errorf("ReadAll: %s, %v", diff, err)
	}
}

// payload returns n bytes that rng draws.
func payload(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// firstDifference says where two streams part.
func firstDifference(got, want []byte) string {
	n := min(len(got), len(want))
	for i := range n {
		if got[i] != want[i] {
			return fmt.Sprintf("byte %d of %d differs", i, len(want))
		}
	}
	if bytes.Equal(got, want) {
		return ""
	}
	return fmt.Sprintf("%d bytes; want %d", len(got), len(want))
}

// disturb adds and removes harmless toxics, each for some milliseconds, until done is closed.
func disturb(p *Proxy, rng *rand.Rand, done <-chan struct{}) {
	for {
		add := p.Add
		if conns := p.Conns(); len(conns) > 0 && rng.IntN(2) == 0 {
			add = conns[rng.IntN(len(conns))].Add
		}
		remove := add(Direction(1+rng.IntN(3)), harmless(rng), harmless(rng))
		pause := time.NewTimer(time.Duration(rng.IntN(8)) * time.Millisecond)
		select {
		case <-pause.C:
			remove()
		case <-done:
			pause.Stop()
			return
		}
	}
}

// harmless draws a toxic that changes no byte.
func harmless(rng *rand.Rand) Toxic {
	ms := func(n int) time.Duration { return time.Duration(rng.IntN(n)) * time.Millisecond }
	switch rng.IntN(5) {
	case 0:
		return Latency{Delay: ms(4), Jitter: ms(4)}
	case 1:
		return Bandwidth{Rate: 100_000 + rng.IntN(10_000_000)}
	case 2:
		return Slicer{Size: 1 + rng.IntN(50), Variation: rng.IntN(50)}
	case 3:
		return SlowClose{Delay: ms(5)}
	}
	return Stall{}
}

// What the proxy does without toxics.
func BenchmarkThroughput(b *testing.B) {
	_, client, far := pair(b)
	done := make(chan int64)
	go func() {
		n, _ := io.Copy(io.Discard, far)
		done <- n
	}()
	data := make([]byte, 64<<10)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		_, _ = client.Write(data)
	}
	_ = client.CloseWrite()
	<-done
}

func BenchmarkRoundTrip(b *testing.B) {
	_, client, far := pair(b)
	go func() { _, _ = io.Copy(far, far) }()
	one := make([]byte, 1)
	for b.Loop() {
		_, _ = client.Write(one)
		_, _ = client.Read(one)
	}
	_ = client.Close()
	testutil.Eventually(b, limit, func() bool { _, err := far.Read(one); return err != nil }, "the echo ends")
}

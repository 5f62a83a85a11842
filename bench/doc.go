// Package bench is the connection flooder: it drives a server from outside, over many connections, and
// says what the server did with them.
//
//	report, err := bench.Run(ctx, bench.Options{
//		Scenario:    bench.Fanout,
//		Targets:     []string{"127.0.0.1:8000"},
//		Connections: 10_000,
//		Rooms:       10,
//		Rate:        100,
//		Duration:    10 * time.Second,
//	})
//
// Every message carries which room or connection it is of, its number there and when it was due to be
// sent, so that each arrival is checked: nothing may be missing, come twice, or out of order, and
// latency counts from the due time even if the sender was late.
//
// In a mix, where members come and go, what is due to whom follows from the rules above roomBook.
//
// # Goroutines
//
// [Run] starts the loops of a netpoll reactor, each with a driver that owns its connections; one
// goroutine locked to its thread that wakes them when something is due; one for the timeline, which
// looks at all of it once a second; and one for the probe. The calling goroutine leads them through the
// phases by posts, and reads their counters.
//
// Besides there are, where they are wanted: with TLS a goroutine for each CPU, which compute handshakes;
// with slow readers and in storms one that watches the memory in use; and one for each publisher over the HTTP API.
//
// In a run that several processes share, the coordinator has a goroutine that accepts workers, and for
// each worker one that listens to it. A worker has one that listens to the coordinator.
//
// # Memory
//
// A connection of the flooder is 32 bytes in netpoll and 60 here, none of which the garbage collector
// looks at, so that a million of them fit beside the server on one machine. One that polls is 48
// more, and its second connection, while there is one, as much again.
package bench

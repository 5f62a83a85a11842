// Package logging writes log lines without ever making their author wait. A [Sink] is a queue of bounded size in front
// of an output that may block for ever, a pipe whose reader has stopped, or fail, a disk that is full:
//
//	sink := logging.Open(logging.Options{Output: os.Stderr, JSON: true})
//	defer sink.Close(time.Second)
//	log := slog.New(sink.Handler())
//
// What finds the queue full is dropped, and counted in a line of its own once there is room. Of one message only so many
// lines are written in a second, and one that says how many were not. Characters that could steer a terminal are escaped,
// whoever they come from.
//
// # Goroutines
//
// A Sink has one, which writes, from Open to Close. If the output blocks for ever, so does that goroutine.
package logging

package logging

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"time"
)

// Options says where lines go, and how many. Zero values stand for the defaults named here.
type Options struct {
	Output    io.Writer    // gets whole lines, several at a time; one goroutine writes
	JSON      bool         // else text
	Level     slog.Leveler // least level that is logged; info
	QueueSize int          // bytes of lines that may wait for Output; 1 MiB
	PerSecond int          // lines of one message that are written in a second; 50, below 0 no limit
}

func (o Options) withDefaults() Options {
	if o.QueueSize == 0 {
		o.QueueSize = 1 << 20
	}
	if o.PerSecond == 0 {
		o.PerSecond = 50
	}
	return o
}

// Sink takes log lines. Any goroutine may call its methods.
type Sink struct {
	queue   *queue
	limiter *limiter
	handler slog.Handler
}

// Open returns a sink, which the caller closes.
func Open(o Options) *Sink {
	o = o.withDefaults()
	q := newQueue(o.Output, o.QueueSize)
	plain := o.format(escaper{q})
	q.complaint = func(dropped uint64) []byte { return o.complaint(dropped) }
	s := &Sink{queue: q, limiter: newLimiter(plain, o.PerSecond)}
	s.handler = limited{s.limiter, plain}
	go q.run()
	return s
}

// format returns the handler that makes lines for w.
func (o *Options) format(w io.Writer) slog.Handler {
	options := &slog.HandlerOptions{Level: o.Level, ReplaceAttr: legible}
	if o.JSON {
		return slog.NewJSONHandler(w, options)
	}
	return slog.NewTextHandler(w, options)
}

// legible writes durations with their unit: in JSON they would be bare numbers of nanoseconds.
func legible(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

// complaint returns the line about lines that were dropped.
func (o *Options) complaint(dropped uint64) []byte {
	var line bytes.Buffer
	r := slog.NewRecord(time.Now(), slog.LevelError, "log lines dropped: the output was blocked or full", 0)
	r.AddAttrs(slog.Uint64("dropped", dropped))
	_ = o.format(&line).Handle(context.Background(), r) // a buffer takes everything
	return line.Bytes()
}

// Handler returns what makes a [slog.Logger] write to s. It never blocks, and its errors are always nil.
func (s *Sink) Handler() slog.Handler { return s.handler }

// Dropped returns how many lines there has been no room for.
func (s *Sink) Dropped() uint64 { return s.queue.droppedLines() }

// Close takes no more lines and waits until those that it has are written, but no longer than patience. It reports
// whether they are.
func (s *Sink) Close(patience time.Duration) (written bool) {
	s.limiter.close()
	s.queue.close()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-s.queue.ended:
		return s.queue.lost == 0
	case <-late.C:
		return false
	}
}

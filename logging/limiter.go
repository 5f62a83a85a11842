package logging

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// maxWindows is how many messages are counted one by one; those beyond share a count. Messages are constants of the
// program, and so few, unless somebody has put values into them.
const maxWindows = 1024

// limiter bounds how many lines of one message there are in a second.
type limiter struct {
	// Set before use.
	report slog.Handler // of what was suppressed
	limit  int

	mu      sync.Mutex // guards all below
	windows map[string]*window
}

// window is a second that began with a line of its message.
type window struct {
	message    string
	level      slog.Level
	lines      int
	suppressed int
	end        *time.Timer
}

func newLimiter(report slog.Handler, limit int) *limiter {
	return &limiter{report: report, limit: limit, windows: make(map[string]*window)}
}

// allow reports whether a line may be written, and counts it.
func (l *limiter) allow(message string, level slog.Level) bool {
	if l.limit < 0 {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.window(message)
	if w.lines == l.limit {
		w.suppressed++
		w.level = max(w.level, level)
		return false
	}
	w.lines++
	return true
}

// window returns the message's, which begins now if there is none.
func (l *limiter) window(message string) *window {
	w := l.windows[message]
	if w == nil && len(l.windows) >= maxWindows {
		message = "other messages"
		w = l.windows[message]
	}
	if w == nil {
		w = &window{message: message, level: slog.LevelDebug}
		w.end = time.AfterFunc(time.Second, func() { l.finish(w) })
		l.windows[message] = w
	}
	return w
}

// finish ends a window.
func (l *limiter) finish(w *window) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.windows[w.message] == w {
		delete(l.windows, w.message)
		l.tell(w)
	}
}

// tell writes how many lines of a message were not.
func (l *limiter) tell(w *window) {
	if w.suppressed == 0 {
		return
	}
	r := slog.NewRecord(time.Now(), w.level, "lines suppressed", 0)
	r.AddAttrs(slog.String("message", w.message), slog.Int("suppressed", w.suppressed))
	_ = l.report.Handle(context.Background(), r) // the queue takes everything
}

// close ends all windows.
func (l *limiter) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.windows {
		w.end.Stop()
		l.tell(w)
	}
	clear(l.windows)
}

// limited is a handler whose lines count.
type limited struct {
	limiter *limiter
	next    slog.Handler
}

// Enabled implements [slog.Handler].
func (h limited) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// Handle implements [slog.Handler].
func (h limited) Handle(ctx context.Context, r slog.Record) error {
	if !h.limiter.allow(r.Message, r.Level) {
		return nil
	}
	return h.next.Handle(ctx, r)
}

// WithAttrs implements [slog.Handler].
func (h limited) WithAttrs(attrs []slog.Attr) slog.Handler {
	return limited{h.limiter, h.next.WithAttrs(attrs)}
}

// WithGroup implements [slog.Handler].
func (h limited) WithGroup(name string) slog.Handler {
	return limited{h.limiter, h.next.WithGroup(name)}
}

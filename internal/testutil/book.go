package testutil

import (
	"strings"
	"sync"
)

// Book keeps what is written to it: what a log or another process says. Its zero value is empty. Any goroutine.
type Book struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write implements [io.Writer]. It never fails.
func (b *Book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// String returns all that has been written so far.
func (b *Book) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// Count returns how often a text, which is not empty, has been written so far.
func (b *Book) Count(text string) int { return strings.Count(b.String(), text) }

package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
)

// SetKey changes the key that requests must show. The empty one lets nobody in, save with [Options.Insecure]. Any
// goroutine may call it.
func (h *Handler) SetKey(key string) {
	if key == "" {
		h.key.Store(nil)
		return
	}
	sum := sha256.Sum256([]byte(key))
	h.key.Store(&sum)
}

// gate returns 0 for a request that may proceed, or else the status that refuses it.
func (h *Handler) gate(r *http.Request) int {
	want := h.key.Load()
	switch {
	case want == nil && !h.options.Insecure:
		return http.StatusUnauthorized
	case want == nil && r.Header.Get("Origin") != "": // a page in some browser, which a key would keep out
		return http.StatusForbidden
	case want == nil || matches(want, shownKey(r)):
		return 0
	}
	return http.StatusUnauthorized
}

// matches compares a key with the hash of another in a time that says nothing about that one, not even its length.
func matches(want *[32]byte, key string) bool {
	sum := sha256.Sum256([]byte(key))
	return subtle.ConstantTimeCompare(sum[:], want[:]) == 1
}

// shownKey returns the key in a request's headers. The query is not looked at: addresses end up in logs.
func shownKey(r *http.Request) string {
	if key := r.Header.Get("X-API-Key"); key != "" {
		return key
	}
	scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "apikey") || strings.EqualFold(scheme, "Bearer") {
		return strings.TrimLeft(key, " ")
	}
	return ""
}

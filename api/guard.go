package api

import "net/http"

// Guard returns a handler that serves next to those who show the API's key. As long as there is none it serves all but pages
// in browsers: what it guards is for a listener that without a key only its rightful users reach.
func (h *Handler) Guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		want := h.key.Load()
		switch {
		case want == nil && r.Header.Get("Origin") != "":
			http.Error(w, "not for web pages", http.StatusForbidden)
		case want != nil && !matches(want, shownKey(r)):
			http.Error(w, "the API key is missing or wrong", http.StatusUnauthorized)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

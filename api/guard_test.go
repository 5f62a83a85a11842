package api

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestGuard(t *testing.T) {
	for _, r := range []struct {
		name, key, header, value string
		want                     int
	}{
		{"no key is asked for", "", "", "", http.StatusTeapot},
		{"a web page, where no key is asked for", "", "Origin", "https://evil.example", http.StatusForbidden},
		{"no key shown", "secret", "", "", http.StatusUnauthorized},
		{"another key", "secret", "X-API-Key", "secrets", http.StatusUnauthorized},
		{"the key", "secret", "X-API-Key", "secret", http.StatusTeapot},
		{"the key as a bearer's", "secret", "Authorization", "Bearer secret", http.StatusTeapot},
	} {
		h := New(nil, Options{Key: r.key})
		guarded := h.Guard(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
		request := httptest.NewRequest(http.MethodPost, "/drain?key=secret", nil)
		if r.header != "" {
			request.Header.Set(r.header, r.value)
		}
		w := httptest.NewRecorder()
		guarded.ServeHTTP(w, request)
		if w.Code != r.want {
			t.Errorf("%s: %d; want %d", r.name, w.Code, r.want)
		}
	}
}

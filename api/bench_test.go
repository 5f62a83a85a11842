package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// idleNode publishes nothing.
type idleNode struct{ Node }

func (idleNode) Publish(context.Context, string, []byte, PublishOptions) (Position, error) {
	return Position{42, "Zk3xQw8b"}, nil
}

// What the API itself costs for each publication, without HTTP and the node.
func BenchmarkPublish(b *testing.B) {
	one := `{"channel":"chat:1","data":{"text":"hello"}}`
	for _, r := range []struct {
		name, path, body string
		publications     int
	}{
		{"single", "/api/publish", one, 1},
		{"batch", "/api/batch", `{"commands":[` + strings.Repeat(`{"publish":`+one+`},`, 999) + `{"publish":` + one + `}]}`, 1000},
		{"broadcast", "/api/broadcast", `{"channels":["a"` + strings.Repeat(`,"a"`, 999) + `],"data":{"text":"hello"}}`, 1000},
	} {
		b.Run(r.name, func(b *testing.B) {
			h := New(idleNode{}, Options{Key: key})
			b.ReportAllocs()
			for b.Loop() {
				q := httptest.NewRequest(http.MethodPost, r.path, strings.NewReader(r.body))
				q.Header.Set("X-API-Key", key)
				w := httptest.NewRecorder()
				h.ServeHTTP(w, q)
				if w.Code != http.StatusOK {
					b.Fatal(w.Body)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*r.publications), "ns/publication")
		})
	}
}

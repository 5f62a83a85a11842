package server

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/api"
)

// Where positions may be lost rooms go on in new epochs, and what clients are told then names them.
func TestHistoryGoesOnAfterALoss(t *testing.T) {
	config := isolated()
	config.Rooms.WithoutNamespace = RoomOptions{HistorySize: 10, HistoryTTL: time.Hour, Store: true}
	config.Store = &StoreConfig{Path: filepath.Join(t.TempDir(), "rooms.db"), Sync: "always"}
	var before, since api.Position
	for run := range 3 {
		s, err := Open(config)
		if err != nil {
			t.Fatal(err)
		}
		if run == 1 {
			h, err := s.API().History(t.Context(), "room", HistoryOptions{Limit: -1})
			if err != nil || len(h.Publications) != 1 {
				t.Fatalf("after the loss there are %d publications, %v; want 1", len(h.Publications), err)
			}
			if since = h.Position; since.Epoch == before.Epoch {
				t.Errorf("the epoch is still %s", since.Epoch)
			}
		}
		r, err := s.API().Publish(t.Context(), "room", []byte("1"), api.PublishOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if before = r; run > 0 {
			h, err := s.API().History(t.Context(), "room", HistoryOptions{Limit: -1, Since: &since})
			if err != nil || len(h.Publications) != run {
				t.Errorf("run %d: after %v there are %d publications, %v; want %d", run, since, len(h.Publications), err, run)
			}
		}
		s.Close()
		if run == 0 {
			if err := os.WriteFile(config.Store.Path+".lost", nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

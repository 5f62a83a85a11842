package server

import (
	"fmt"
	"path/filepath"
	"testing"
)

func TestRecordsOutliveTheProcess(t *testing.T) {
	config := isolated()
	config.SocketIO = &SocketIO{}
	config.Store = &StoreConfig{Path: filepath.Join(t.TempDir(), "rooms.db"), Sync: "always"}
	for run := range 3 {
		s, err := Open(config)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		if err := s.Records("a", func(data []byte) { got = append(got, string(data)) }); err != nil {
			t.Fatal(err)
		}
		if want := []string{`{"run":0}`, `{"run":1}`}[:run]; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("records in run %d: %s; want %s", run, got, want)
		}
		if err := s.KeepRecord("a", fmt.Appendf(nil, `{"run":%d}`, run)); err != nil {
			t.Error(err)
		}
		if err := s.KeepRecord("/", []byte("0")); err != nil {
			t.Error(err)
		}
		s.Close()
	}
}

func TestRecordsNeedAStore(t *testing.T) {
	config := isolated()
	config.SocketIO = &SocketIO{}
	s, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.KeepRecord("a", []byte("1")); err != ErrNoStore {
		t.Errorf("KeepRecord = %v; want %v", err, ErrNoStore)
	}
	if err := s.Records("a", func([]byte) { t.Error("a record") }); err != ErrNoStore {
		t.Errorf("Records = %v; want %v", err, ErrNoStore)
	}
}

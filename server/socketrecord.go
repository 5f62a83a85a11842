package server

import (
	"bytes"
	"errors"
	"time"

	"github.com/seed4ac54ce5/edge/hub"
)

// Records are what an application for Socket.IO's clients keeps beyond the life of the process: logs of JSON values, in the
// node's store. They are histories of rooms in which nobody is, and which nobody can name: "socketio:" and no slash.

// ErrNoStore says that the node keeps nothing on disk.
var ErrNoStore = errors.New("server: the node has no store")

const recordPrefix = "socketio:records,"

// How many records a log keeps, the newest: one whose name begins with a slash, which is of what a namespace sends, for
// SocketIO.RecordTTL, and any other for a day, both from the newest on.
const (
	MaxSocketEvents  = 1 << 16
	MaxSocketRecords = 1 << 18

	defaultEventTTL = time.Hour
	recordTTL       = 24 * time.Hour
)

// recordRooms are the namespaces of the hub that logs are in; 0 without a store.
type recordRooms struct{ events, others hub.Namespace }

// of returns the one of a log.
func (r *recordRooms) of(log []byte) hub.Namespace {
	if bytes.HasPrefix(log, []byte("/")) {
		return r.events
	}
	return r.others
}

// openRecords gives records namespaces of the hub, before the store is read.
func (s *Server) openRecords() {
	c := s.config.SocketIO
	if c == nil || s.config.Store == nil {
		return
	}
	s.reload.Lock()
	defer s.reload.Unlock()
	open := func(name string, size int, ttl time.Duration) hub.Namespace {
		id := hub.Namespace(len(s.namespaceIDs))
		s.namespaceIDs[name] = id
		s.hub.SetOptions(id, hub.Options{HistorySize: size, HistoryTTL: ttl, MetaTTL: ttl, Stored: true})
		return id
	}
	ttl := c.RecordTTL
	orElse(&ttl, defaultEventTTL)
	// No namespace of rooms has a space in its name.
	s.records = recordRooms{open("socketio events", MaxSocketEvents, ttl), open("socketio records", MaxSocketRecords, recordTTL)}
}

// historyOf returns the namespace of a room that the store knows. It is false for one of a namespace that is no more.
func (s *Server) historyOf(room []byte) (hub.Namespace, bool) {
	if log, ok := bytes.CutPrefix(room, []byte(recordPrefix)); ok {
		id := s.records.of(log)
		return id, id != 0
	}
	if ns := s.spaces.Load().of(room); ns != nil {
		return ns.id, true
	}
	return 0, false
}

// KeepRecord appends a JSON value to a log, and does not wait for the disk: what the node has not written when it dies is lost. It
// never blocks. The error is ErrNoStore, or of a store that is full.
func (s *Server) KeepRecord(log string, data []byte) error {
	id := s.records.of([]byte(log))
	if id == 0 {
		return ErrNoStore
	}
	pub := hub.NewPublication()
	pub.Data = append(pub.Data, data...)
	_, err := s.hub.Publish(id, []byte(recordPrefix+log), pub, hub.PublishOptions{Done: func(hub.Result, error) {}})
	if errors.Is(err, hub.ErrStoring) {
		err = nil
	}
	return err
}

// Records calls f with each record of a log, oldest first. f must keep nothing of it.
func (s *Server) Records(log string, f func(data []byte)) error {
	id := s.records.of([]byte(log))
	if id == 0 {
		return ErrNoStore
	}
	_, past, err := s.hub.History(id, []byte(recordPrefix+log), hub.HistoryRequest{Limit: -1})
	for _, p := range past {
		f(p.Data())
	}
	if errors.Is(err, hub.ErrNoHistory) {
		err = nil
	}
	return err
}

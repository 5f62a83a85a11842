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

const (
	recordNamespace = "socketio records" // no namespace of rooms has a space
	recordPrefix    = "socketio:records,"

	// MaxSocketRecords is how many records a log keeps, the newest.
	MaxSocketRecords = 1 << 16

	defaultRecordTTL = time.Hour
)

// openRecords gives records a namespace of the hub, before the store is read.
func (s *Server) openRecords() {
	c := s.config.SocketIO
	if c == nil || s.config.Store == nil {
		return
	}
	s.reload.Lock()
	defer s.reload.Unlock()
	s.recordRooms = hub.Namespace(len(s.namespaceIDs))
	s.namespaceIDs[recordNamespace] = s.recordRooms
	ttl := c.RecordTTL
	orElse(&ttl, defaultRecordTTL)
	s.hub.SetOptions(s.recordRooms, hub.Options{HistorySize: MaxSocketRecords, HistoryTTL: ttl, MetaTTL: ttl, Stored: true})
}

// historyOf returns the namespace of a room that the store knows. It is false for one of a namespace that is no more.
func (s *Server) historyOf(room []byte) (hub.Namespace, bool) {
	if bytes.HasPrefix(room, []byte(recordPrefix)) {
		return s.recordRooms, s.recordRooms != 0
	}
	if ns := s.spaces.Load().of(room); ns != nil {
		return ns.id, true
	}
	return 0, false
}

// KeepRecord appends a JSON value to a log, and does not wait for the disk: what the node has not written when it dies is lost. It
// never blocks. The error is ErrNoStore, or of a store that is full.
func (s *Server) KeepRecord(log string, data []byte) error {
	if s.recordRooms == 0 {
		return ErrNoStore
	}
	pub := hub.NewPublication()
	pub.Data = append(pub.Data, data...)
	_, err := s.hub.Publish(s.recordRooms, []byte(recordPrefix+log), pub, hub.PublishOptions{Done: func(hub.Result, error) {}})
	if errors.Is(err, hub.ErrStoring) {
		err = nil
	}
	return err
}

// Records calls f with each record of a log, oldest first. f must keep nothing of it.
func (s *Server) Records(log string, f func(data []byte)) error {
	if s.recordRooms == 0 {
		return ErrNoStore
	}
	_, past, err := s.hub.History(s.recordRooms, []byte(recordPrefix+log), hub.HistoryRequest{Limit: -1})
	for _, p := range past {
		f(p.Data())
	}
	if errors.Is(err, hub.ErrNoHistory) {
		err = nil
	}
	return err
}

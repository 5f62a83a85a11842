package socketio

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/seed4ac54ce5/edge/server"
)

// What recovery keeps on disk, where the node has a store, so that clients find what they missed over a restart: the events of
// each namespace, and the sessions, when they begin, change and end. Nobody waits for the disk: of a process that is killed
// the last few milliseconds are missing, and the sessions whose records have been pushed out by newer ones.

// recorder is a node that keeps records, in logs. It returns server.ErrNoStore if it has nowhere to.
type recorder interface {
	KeepRecord(log string, data []byte) error
	Records(log string, f func(data []byte)) error
}

// sessionLog is the log of sessions; those of events have the names of their namespaces, which begin with a slash.
const sessionLog = "sessions"

// entryRecord is an entry of a journal on disk.
type entryRecord struct {
	Offset      uint64          `json:"o"`
	Rooms       []string        `json:"r,omitempty"`
	Except      []string        `json:"x,omitempty"`
	Data        json.RawMessage `json:"d"`
	Attachments [][]byte        `json:"a,omitempty"`
	Torn        bool            `json:"t,omitempty"` // an entry before this one could not be kept
}

// sessionRecord is a session as it stands, or one that nobody can return to any more.
type sessionRecord struct {
	PID       string            `json:"pid"`
	Over      bool              `json:"over,omitempty"`
	ID        string            `json:"id,omitempty"`
	Namespace string            `json:"ns,omitempty"`
	Since     uint64            `json:"since,omitempty"`
	Rooms     map[string]uint64 `json:"rooms,omitempty"`
	Data      map[string]any    `json:"data,omitempty"`
	Ended     time.Time         `json:"ended,omitzero"` // zero while its socket is there
}

// openRecords finds out whether the node keeps records, and reads the sessions among them, under mu.
func (io *IO) openRecords(n node) {
	r, ok := n.(recorder)
	if !ok || io.options.Recovery == nil {
		return
	}
	gone := make(map[string]*session)
	var order []*session
	now := time.Now()
	err := r.Records(sessionLog, func(data []byte) {
		var record sessionRecord
		if err := json.Unmarshal(data, &record); err != nil {
			return // of another version of the node
		}
		if record.Over {
			delete(gone, record.PID)
			return
		}
		if record.Ended.IsZero() {
			record.Ended = now // the process was killed
		}
		s := record.session()
		gone[record.PID] = s
		order = append(order, s)
	})
	switch {
	case errors.Is(err, server.ErrNoStore):
		return
	case err != nil:
		io.log.Error("socket.io sessions are lost", "error", err)
	}
	io.recorder = r
	io.sessions.mu.Lock()
	defer io.sessions.mu.Unlock()
	for _, s := range order {
		if gone[s.trail.pid] == s {
			io.sessions.keep(s)
		}
	}
}

// session returns the session that r is of.
func (r *sessionRecord) session() *session {
	t := &trail{id: r.ID, pid: r.PID, name: r.Namespace, since: r.Since, release: func() {}}
	return &session{trail: t, rooms: r.Rooms, data: r.Data, ended: r.Ended, read: true}
}

// record keeps s on disk, or with over that nobody returns to it.
func (io *IO) record(s *session, over bool) {
	if io.recorder == nil {
		return
	}
	r := sessionRecord{PID: s.trail.pid, Over: over}
	if !over {
		t := s.trail
		r = sessionRecord{t.pid, false, t.id, t.name, t.since, s.rooms, s.data, s.ended}
	}
	data, err := json.Marshal(&r)
	if err == nil {
		err = io.recorder.KeepRecord(sessionLog, data)
	}
	if err != nil {
		io.log.Error("socket.io session is not kept", "namespace", s.trail.name, "error", err)
	}
}

// recordLive keeps the session of a socket that is there on disk, under its state's lock.
func (io *IO) recordLive(st *state) {
	if st.trail != nil && io.recorder != nil {
		io.record(&session{trail: st.trail, rooms: st.trail.rooms, data: st.data}, false)
	}
}

// read fills a new journal with what is on disk.
func (j *journal) read(r recorder, log string) error {
	n := 0
	err := r.Records(log, func(data []byte) {
		var record entryRecord
		if json.Unmarshal(data, &record) != nil {
			return
		}
		n++
		if record.Torn {
			j.cut = record.Offset - 1
		}
		e := entry{record.Offset, record.Rooms, record.Except, server.SocketPacket{Data: record.Data, Attachments: record.Attachments}}
		j.last = max(j.last, e.offset)
		j.add(e, uint64(j.now().UnixMicro()))
	})
	if n == server.MaxSocketEvents && len(j.entries) > 0 {
		j.cut = max(j.cut, j.entries[0].offset-1) // there may have been others
	}
	j.last = max(j.last, uint64(j.now().UnixMicro())) // above those that were not kept
	return err
}

// record keeps e on disk.
func (j *journal) record(e *entry) {
	data, err := json.Marshal(&entryRecord{e.offset, e.rooms, e.except, e.packet.Data, e.packet.Attachments, j.torn})
	if err == nil {
		err = j.recorder.KeepRecord(j.name, data)
	}
	if err != nil && !j.torn {
		j.failed(fmt.Errorf("namespace %s: %w", j.name, err))
	}
	j.torn = err != nil
}

package server

import (
	"net/http"
	"slices"
	"strings"

	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/netpoll"
)

// field is one line of a request's header.
type field struct {
	name  string // in canonical form
	value string
}

// fields are what the application wants to see of the handshake requests of clients that have not connected yet. Loop goroutine
// only.
type fields struct {
	names  []string // in canonical form; empty if it wants none
	byConn map[netpoll.ConnID][]field
	bytes  int // of all, with what keeping them takes
}

const (
	maxFields = 32 << 20 // bytes that the fields of a loop's strangers may take: more of them are refused
	fieldCost = 96       // of a field besides its value, and of a conn
)

func newFields(names []string) fields {
	f := fields{byConn: make(map[netpoll.ConnID][]field)}
	for _, name := range names {
		if name = http.CanonicalHeaderKey(name); !slices.Contains(f.names, name) {
			f.names = append(f.names, name)
		}
	}
	return f
}

// wants reports whether a field of this name is among what the application sees.
func (f *fields) wants(name string) bool {
	return slices.Contains(f.names, http.CanonicalHeaderKey(name))
}

// keep keeps what the application wants of r, and reports whether there was room for it.
func (f *fields) keep(id netpoll.ConnID, r *frame.Request) bool {
	if len(f.names) == 0 {
		return true
	}
	var kept []field
	for name, value := range r.All() {
		if i := slices.IndexFunc(f.names, func(n string) bool { return strings.EqualFold(n, string(name)) }); i >= 0 {
			kept = append(kept, field{f.names[i], string(value)})
		}
	}
	if len(kept) == 0 {
		return true
	}
	cost := costOf(kept)
	if f.bytes+cost > maxFields {
		return false
	}
	f.byConn[id] = kept
	f.bytes += cost
	return true
}

// take returns what was kept of a conn's request, and forgets it.
func (f *fields) take(id netpoll.ConnID) []field {
	kept := f.byConn[id]
	if kept != nil {
		f.bytes -= costOf(kept)
		delete(f.byConn, id)
	}
	return kept
}

func costOf(kept []field) int {
	cost := fieldCost
	for i := range kept {
		cost += fieldCost + len(kept[i].value)
	}
	return cost
}

// headerOf returns fields as the application gets them; nil for none.
func headerOf(kept []field) http.Header {
	if len(kept) == 0 {
		return nil
	}
	h := make(http.Header, len(kept))
	for i := range kept {
		h[kept[i].name] = append(h[kept[i].name], kept[i].value)
	}
	return h
}

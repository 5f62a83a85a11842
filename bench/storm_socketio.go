package bench

// past is what a member of a Socket.IO server's rooms has to recover by: what the server calls it, and how far it has come. Both are
// empty at a server that recovers nobody.
type past struct{ id, offset []byte }

// showPast adds what a member that comes back has to recover by.
func (s *stormPlay) showPast(number uint32, auth map[string]string) {
	p := &s.pasts[s.d.index(number)]
	if len(p.id) == 0 {
		return
	}
	auth["pid"] = string(p.id)
	if len(p.offset) > 0 {
		auth["offset"] = string(p.offset)
	}
}

// remember keeps the offset of a publication; one that has none leaves all as it was.
func (s *stormPlay) remember(number uint32, offset []byte) {
	if p := &s.pasts[s.d.index(number)]; len(offset) > 0 {
		p.offset = append(p.offset[:0], offset...)
	}
}

// resumed takes up how the server welcomes a member, and reports whether it is in its room as before.
func (s *stormPlay) resumed(p *peer, b []byte) bool {
	m, past := s.member(p.number), &s.pasts[s.d.index(p.number)]
	id := jsonField(b, "pid")
	asked := len(past.offset) > 0
	recovered := len(past.id) > 0 && string(id) == string(past.id)
	if !recovered {
		past.id, past.offset = append(past.id[:0], id...), past.offset[:0]
	}
	s.judge(m, asked, recovered)
	return recovered
}

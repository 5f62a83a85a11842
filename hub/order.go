package hub

// The members of a roster receive the publications that have positions one after the other. The order in which a loop
// finds them in its inbox is the room's, so a gap means that the room has begun a new epoch, or that one got lost on its
// way here. Who has come in the new epoch already is told of the gap too, since the roster does not know who came when.
// Publications without a position pass wherever they stand.

// passed reports whether the members have received p, or what came after it, before.
func (r *roster) passed(p *Publication) bool {
	return p.Positioned() && p.Position.Epoch == r.last.Epoch && p.Position.Offset <= r.last.Offset
}

// misses reports whether something is missing between what the members have received and p, which has not passed.
func (r *roster) misses(p *Publication) bool {
	return p.Positioned() && r.last.Epoch != 0 && p.Position != Position{r.last.Offset + 1, r.last.Epoch}
}

// follow makes p what the members have received last.
func (r *roster) follow(p *Publication) {
	if p.Positioned() {
		r.last = p.Position
	}
}

// skipTo makes p the next that the members receive.
func (r *roster) skipTo(p *Publication) {
	r.last = Position{p.Position.Offset - 1, p.Position.Epoch}
}

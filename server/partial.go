package server

// partials are the messages of a loop of which some frames have come, by index; 0 is nobody's.
type partials struct {
	table [][]byte
	free  []uint32
}

// take returns the index of an empty message.
func (p *partials) take() uint32 {
	if n := len(p.free); n > 0 {
		i := p.free[n-1]
		p.free = p.free[:n-1]
		return i
	}
	if len(p.table) == 0 {
		p.table = append(p.table, nil)
	}
	p.table = append(p.table, nil)
	return uint32(len(p.table) - 1)
}

// add appends a fragment's payload: memory follows what has arrived.
func (p *partials) add(i uint32, payload []byte) {
	p.table[i] = append(p.table[i], payload...)
}

// drop gives up a message, if there is one, and its index.
func (p *partials) drop(i *uint32) {
	if *i != 0 {
		p.table[*i] = nil
		p.free = append(p.free, *i)
		*i = 0
	}
}

package hub

import "slices"

// ring is the publications that a room remembers, oldest first, without holes in their offsets.
type ring struct {
	items []*Past // a power of two of them; those in use begin at head
	head  int
	n     int
	bytes int64 // of those in use
}

func (g *ring) at(i int) *Past { return g.items[(g.head+i)&(len(g.items)-1)] }

// push adds p as the newest.
func (g *ring) push(p *Past) {
	if g.n == len(g.items) {
		g.grow()
	}
	g.items[(g.head+g.n)&(len(g.items)-1)] = p
	g.n++
	g.bytes += p.size()
}

func (g *ring) grow() {
	items := make([]*Past, max(2*len(g.items), 1))
	for i := range g.n {
		items[i] = g.at(i)
	}
	g.items, g.head = items, 0
}

// shift drops the oldest.
func (g *ring) shift() {
	at := &g.items[g.head]
	g.bytes -= (*at).size()
	*at = nil
	g.head = (g.head + 1) & (len(g.items) - 1)
	g.n--
}

// newest returns the last one as a list, an empty one if there is none.
func (g *ring) newest() []*Past { return g.list(max(g.n-1, 0), g.n) }

// list returns a copy of those from the i-th, counted from the oldest, up to but without the j-th.
func (g *ring) list(i, j int) []*Past {
	if i >= j {
		return nil
	}
	list := make([]*Past, 0, j-i)
	for ; i < j; i++ {
		list = append(list, g.at(i))
	}
	return list
}

// reversed is list with the newest first.
func (g *ring) reversed(i, j int) []*Past {
	list := g.list(i, j)
	slices.Reverse(list)
	return list
}

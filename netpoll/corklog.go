package netpoll

import "encoding/binary"

// corkLog has what is held for all conns of a loop, piece behind piece as it came, so that it takes the memory of what is held
// and no more, for however many conns. A piece is
//
//	bytes 0-3  place of the next piece for the same conn, once there is one
//	bytes 4-7  how many bytes follow
//
// and those, all in one chunk. Its place is the number of its chunk times chunkSize, and where it begins there. Loop goroutine only.
type corkLog struct {
	chunks [][]byte // of chunkSize each
	chunk  int      // that is being filled
	used   int      // bytes of it
	most   int      // chunks that had something in them at a time, since rest
}

const (
	pieceHead = 8
	chunkSize = 2 * maxCorked

	// keptChunks are kept while the log is empty, 4 MiB; maxChunks is how many there are at most, 64 MiB.
	keptChunks = 4 << 20 / chunkSize
	maxChunks  = 64 << 20 / chunkSize
)

// full reports whether there may be no room for another piece.
func (g *corkLog) full() bool { return g.chunk >= maxChunks-1 }

// add copies b, which is no longer than maxCorked, into the log and returns its place. The log must not be full.
func (g *corkLog) add(b []byte) (place uint32) {
	if g.used+pieceHead+len(b) > chunkSize {
		g.chunk, g.used = g.chunk+1, 0
	}
	if g.chunk == len(g.chunks) {
		g.chunks = append(g.chunks, make([]byte, chunkSize))
	}
	at := g.used
	p := g.chunks[g.chunk][at : at+pieceHead+len(b)]
	binary.NativeEndian.PutUint32(p[4:], uint32(len(b)))
	copy(p[pieceHead:], b)
	g.used += len(p)
	return uint32(g.chunk*chunkSize + at)
}

// link makes next the piece behind the one at place.
func (g *corkLog) link(place, next uint32) {
	binary.NativeEndian.PutUint32(g.chunks[place/chunkSize][place%chunkSize:], next)
}

// piece returns the bytes of the piece at place, and the place of the next one, if there is one. They are good until the log
// has been empty.
func (g *corkLog) piece(place uint32) (b []byte, next uint32) {
	p := g.chunks[place/chunkSize][place%chunkSize:]
	size := binary.NativeEndian.Uint32(p[4:])
	return p[pieceHead : pieceHead+size : pieceHead+size], binary.NativeEndian.Uint32(p)
}

// reset empties the log and gives back what a burst has left behind. What has been taken out of it stays as it is until the next add.
func (g *corkLog) reset() {
	g.most = max(g.most, g.chunk+1)
	g.chunk, g.used = 0, 0
	g.keep(keptChunks)
}

// rest gives back what has not been used since it was last called. The log must be empty.
func (g *corkLog) rest() {
	g.keep(g.most)
	g.most = 0
}

// keep has the log, which is empty, keep n chunks at most.
func (g *corkLog) keep(n int) {
	if len(g.chunks) > n {
		clear(g.chunks[n:])
		g.chunks = g.chunks[:n]
	}
}

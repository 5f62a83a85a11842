package hub

import (
	"encoding/binary"
	"errors"
)

// ErrEntry says that bytes are not the entry of a publication.
var ErrEntry = errors.New("hub: malformed history entry")

// Past is a publication that its room remembers. It is immutable, shared, and left to the garbage collector: what its
// methods return may be kept and must not be changed.
//
// Its only field is its entry, the form in which a [Store] keeps it. Numbers are little-endian:
//
//	 0  format, 1
//	 1  1 if the data is opaque, and two zero bytes
//	 4  lengths, 4 bytes each: idempotency key, version epoch, conflation key, tags, info
//	24  offset, 8 bytes
//	32  time in Unix milliseconds, 8 bytes
//	40  version, 8 bytes
//	48  the five texts in the order of their lengths, then data up to the end
type Past struct {
	entry []byte
}

const (
	entryFormat  = 1
	entryOpaque  = 1
	entryLengths = 4
	entryOffset  = 24
	entryTime    = 32
	entryVersion = 40
	entryHeader  = 48

	// pastOverhead is what a Past takes besides its entry: itself and its place in a ring.
	pastOverhead = 24 + 8
)

// The texts of an entry, by the place of their lengths.
const (
	textIdempotencyKey = iota
	textVersionEpoch
	textKey
	textTags
	textInfo
	entryTexts
)

// newPast returns what is to be remembered of p, which has no offset yet.
func newPast(p *Publication, o *PublishOptions) *Past {
	texts := [entryTexts][]byte{o.IdempotencyKey, o.VersionEpoch, p.Key, p.Tags, p.Info}
	size := entryHeader + len(p.Data)
	for _, text := range texts {
		size += len(text)
	}
	b := make([]byte, entryHeader, size)
	b[0] = entryFormat
	if p.Opaque {
		b[entryOpaque] = 1
	}
	binary.LittleEndian.PutUint64(b[entryTime:], uint64(p.Time))
	binary.LittleEndian.PutUint64(b[entryVersion:], o.Version)
	for i, text := range texts {
		binary.LittleEndian.PutUint32(b[entryLengths+4*i:], uint32(len(text)))
		b = append(b, text...)
	}
	return &Past{append(b, p.Data...)}
}

// parsePast returns the Past whose entry is b, which it keeps. The only error is ErrEntry.
func parsePast(b []byte) (*Past, error) {
	if len(b) < entryHeader || b[0] != entryFormat || b[entryOpaque] > 1 || b[2]|b[3] != 0 {
		return nil, ErrEntry
	}
	p := &Past{b}
	if end := p.textEnd(textInfo); end > uint64(len(b)) || !p.Tags().whole() {
		return nil, ErrEntry
	}
	return p, nil
}

// place sets the offset, before anybody else has seen p.
func (p *Past) place(offset uint64) {
	binary.LittleEndian.PutUint64(p.entry[entryOffset:], offset)
}

// Offset returns the publication's offset in its room.
func (p *Past) Offset() uint64 { return binary.LittleEndian.Uint64(p.entry[entryOffset:]) }

// Time returns when it was published, in Unix milliseconds.
func (p *Past) Time() int64 { return int64(binary.LittleEndian.Uint64(p.entry[entryTime:])) }

// Data returns the payload.
func (p *Past) Data() []byte { return p.entry[p.textEnd(textInfo):] }

// Opaque reports what [Publication] says of it.
func (p *Past) Opaque() bool { return p.entry[entryOpaque] != 0 }

// Info returns what the server said about the publisher.
func (p *Past) Info() []byte { return p.text(textInfo) }

// Tags returns the tags.
func (p *Past) Tags() Tags { return p.text(textTags) }

// Key returns the conflation key.
func (p *Past) Key() []byte { return p.text(textKey) }

func (p *Past) version() uint64 { return binary.LittleEndian.Uint64(p.entry[entryVersion:]) }

// size returns the bytes that p takes in memory.
func (p *Past) size() int64 { return int64(len(p.entry)) + pastOverhead }

// text returns text i, nil if it is empty.
func (p *Past) text(i int) []byte {
	n := p.textLen(i)
	if n == 0 {
		return nil
	}
	end := p.textEnd(i)
	return p.entry[end-n : end : end]
}

// textEnd returns where text i ends.
func (p *Past) textEnd(i int) uint64 {
	end := uint64(entryHeader)
	for j := range i + 1 {
		end += p.textLen(j)
	}
	return end
}

func (p *Past) textLen(i int) uint64 {
	return uint64(binary.LittleEndian.Uint32(p.entry[entryLengths+4*i:]))
}

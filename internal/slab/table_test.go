package slab

import (
	"math/rand/v2"
	"testing"
)

type named struct {
	hash uint32
	name uint32
	next uint32
}

func (n *named) Link() *uint32 { return &n.next }
func (n *named) Hash() uint32  { return n.hash }

// find returns the record of that name, 0 if there is none.
func find(t *Table[named, *named], hash, name uint32) uint32 {
	i := t.First(hash)
	for i != 0 && t.At(i).name != name {
		i = t.At(i).next
	}
	return i
}

// Against a map, with hashes that spread well, badly, and not at all.
func TestTableFindsWhatIsInIt(t *testing.T) {
	for name, hash := range map[string]func(name uint32) uint32{
		"spread":  func(name uint32) uint32 { return name * 2654435761 },
		"crowded": func(name uint32) uint32 { return name % 17 << 28 },
		"equal":   func(uint32) uint32 { return 5 },
	} {
		t.Run(name, func(t *testing.T) {
			var table Table[named, *named]
			model := make(map[uint32]uint32)
			random := rand.New(rand.NewPCG(1, 2))
			for range 20_000 {
				name := random.Uint32N(600)
				i := find(&table, hash(name), name)
				if i != model[name] {
					t.Fatalf("name %d is at %d; want %d", name, i, model[name])
				}
				if i != 0 {
					table.Remove(i)
					delete(model, name)
					continue
				}
				i = table.Alloc()
				*table.At(i) = named{hash: hash(name), name: name}
				table.Insert(i)
				model[name] = i
			}
			if table.Live() != len(model) {
				t.Errorf("Live = %d; want %d", table.Live(), len(model))
			}
		})
	}
}

// There are as many chains as there were ever records, and records with good hashes spread over them.
func TestTableChainsAreShort(t *testing.T) {
	const records = 10_000
	var table Table[named, *named]
	for name := range uint32(records) {
		i := table.Alloc()
		*table.At(i) = named{hash: name * 2654435761, name: name}
		table.Insert(i)
	}
	if table.n != records {
		t.Fatalf("%d chains for %d records", table.n, records)
	}
	for c := range uint32(records) {
		n := 0
		for i := *table.heads.At(c + 1).Link(); i != 0; i = table.At(i).next {
			n++
		}
		if n > 8 {
			t.Fatalf("chain %d has %d records", c, n)
		}
	}
}

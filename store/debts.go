package store

import (
	"bytes"
	"maps"

	"github.com/seed4ac54ce5/edge/hub"
)

// maxDebts bounds how many rooms are remembered while the disk fails.
const maxDebts = 1 << 16

// debts are the rooms that went on while the file did not, each as a record that says how far. The next transaction
// begins with them, so that a position which was given out and then refused by the disk is not given out again
// after a restart.
type debts struct {
	rooms map[string]*hub.Record
	many  bool // more rooms than were remembered: only new epochs can make up for them
}

// empty reports whether the file knows all positions.
func (d *debts) empty() bool { return len(d.rooms) == 0 && !d.many }

// add remembers where records leave their rooms.
func (d *debts) add(records []*hub.Record) {
	if d.rooms == nil {
		d.rooms = make(map[string]*hub.Record)
	}
	for _, r := range records {
		d.addOne(r)
	}
}

func (d *debts) addOne(r *hub.Record) {
	old := d.rooms[string(r.Room)]
	if old == nil && len(d.rooms) >= maxDebts {
		d.many = true
		return
	}
	d.rooms[string(r.Room)] = owed(r, old)
}

// owed returns r without its entry: the room is at its offset, and what came before it is out of the history,
// if an entry is missing there.
func owed(r, old *hub.Record) *hub.Record {
	o := &hub.Record{Room: bytes.Clone(r.Room), Epoch: r.Epoch, Offset: r.Offset, From: r.From, Forget: r.Forget}
	if r.Entry != nil {
		o.From = r.Offset + 1
	}
	if old != nil && old.Epoch == r.Epoch {
		o.From = max(o.From, old.From)
	}
	return o
}

// pay applies all debts to b.
func (d *debts) pay(b *batch) error {
	for r := range maps.Values(d.rooms) {
		if err := b.put(r); err != nil {
			return err
		}
	}
	return nil
}

// settle forgets the debts that were paid. It reports whether nothing is owed now.
func (d *debts) settle() bool {
	clear(d.rooms)
	return !d.many
}

package hub_test

import (
	"fmt"
	"time"

	"github.com/seed4ac54ce5/edge/hub"
)

// inbox is a mailbox for one goroutine; a real one has a lock and wakes its loop.
type inbox []hub.Event

func (b *inbox) Post(ev hub.Event) bool { *b = append(*b, ev); return false }
func (b *inbox) Wake()                  {}

// printer is a sink whose conns are lines on the screen.
type printer struct{}

func (printer) Join(dst []byte, pubs []*hub.Publication, form hub.Form) []byte {
	if len(pubs) == 1 {
		return pubs[0].Wire(form, encode)
	}
	for _, p := range pubs {
		dst = append(dst, p.Wire(form, encode)...)
	}
	return dst
}

func (printer) Deliver(m hub.Member, wire []byte, _ []*hub.Publication) (kept bool) {
	fmt.Printf("to %d: %s\n", m.Slot(), wire)
	return false
}

func (printer) Gap(m hub.Member, room []byte) {
	fmt.Printf("to %d: unsubscribed from %s\n", m.Slot(), room)
}

func encode(dst []byte, p *hub.Publication) []byte {
	return fmt.Appendf(dst, "[%s %d: %s]", p.Room, p.Position.Offset, p.Data)
}

// Two conns of one loop are in a room that remembers. What is published there in one turn of the loop reaches each in one write.
func Example() {
	var in inbox
	h := hub.New()
	h.SetOptions(0, hub.Options{HistorySize: 100, HistoryTTL: time.Minute})
	loop := h.AddLoop(&in, printer{})

	var first, second hub.Subs
	room := []byte("news")
	if _, err := loop.Subscribe(hub.NewMember(1, 0), &first, 0, room, nil); err != nil {
		fmt.Println(err)
	}
	if _, err := loop.Subscribe(hub.NewMember(2, 0), &second, 0, room, nil); err != nil {
		fmt.Println(err)
	}
	for _, data := range []string{"good morning", "good night"} {
		p := hub.NewPublication()
		p.Data = append(p.Data, data...)
		if _, err := h.Publish(0, room, p, hub.PublishOptions{}); err != nil {
			fmt.Println(err)
		}
	}

	for _, ev := range in {
		loop.Handle(ev)
	}
	for loop.Fanout(time.Millisecond) {
	}
	// Output:
	// to 1: [news 1: good morning][news 2: good night]
	// to 2: [news 1: good morning][news 2: good night]
}

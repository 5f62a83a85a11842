package hub

import "testing"

func TestPackedEventsComeBack(t *testing.T) {
	const top = ^uint32(0)
	for _, ev := range []Event{
		{kind: published, roster: top, pub: new(Publication)},
		{kind: joined, roster: 1, sub: top},
		{kind: joined, roster: top, sub: 1},
		{kind: emptied, roster: 1 << 31},
	} {
		if got := UnpackEvent(ev.Pack()); got != ev {
			t.Errorf("UnpackEvent(%+v) = %+v", ev, got)
		}
	}
}

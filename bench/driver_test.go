package bench

import (
	"reflect"
	"testing"
)

// A million peers must cost neither memory nor garbage collection.
func TestPeersAreSmallAndHoldNoPointers(t *testing.T) {
	p := reflect.TypeFor[peer]()
	if p.Size() > 56 {
		t.Errorf("a peer takes %d bytes; want at most 56", p.Size())
	}
	if name := pointerIn(p); name != "" {
		t.Errorf("a peer holds a pointer: %s", name)
	}
}

// pointerIn returns the name of a field of t that holds a pointer, "" if none does.
func pointerIn(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Struct:
		for f := range t.NumField() {
			if name := pointerIn(t.Field(f).Type); name != "" {
				return t.Field(f).Name + "." + name
			}
		}
		return ""
	case reflect.Bool, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Int64:
		return ""
	default:
		return t.String()
	}
}

func TestCloseLabels(t *testing.T) {
	for _, row := range []struct {
		code   uint16
		reason string
		want   string
	}{
		{1005, "", "1005"},
		{3008, "slow", `3008 "slow"`},
		{3001, "line\n\x1b[2J", `3001 "line\n\x1b[2J"`}, // what a server says cannot reach the terminal as it is
	} {
		if got := closeLabel(row.code, []byte(row.reason)); got != row.want {
			t.Errorf("closeLabel(%d, %q) = %s; want %s", row.code, row.reason, got, row.want)
		}
	}
}

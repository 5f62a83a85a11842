package bench

import (
	"bytes"
	"encoding/json"
	"testing"
)

func TestStampRoundTrip(t *testing.T) {
	for _, s := range []stamp{{}, {1, 2, 3}, {0xffffffff, 0xfffffffe, 1<<62 + 7}} {
		for _, size := range []int{minStamp, minStamp + 1, 64, 1024, len(padding) + minStamp + 1, maxStamp} {
			b := s.appendTo(nil, size)
			if len(b) != size || !json.Valid(b) {
				t.Errorf("%+v in %d bytes is %d bytes, valid JSON: %v", s, size, len(b), json.Valid(b))
			}
			got, n, err := parseStamp(append(b, `,"info":{}}`...))
			if got != s || n != size || err != nil {
				t.Errorf("parseStamp(%+v in %d) = %+v, %d, %v", s, size, got, n, err)
			}
		}
	}
}

func TestStampLooksAsDocumented(t *testing.T) {
	const want = `"f0000001200000034000000000000005600002cxxx"`
	if got := (stamp{0x12, 0x34, 0x56}).appendTo(nil, 44); string(got) != want {
		t.Errorf("stamp = %s; want %s", got, want)
	}
}

// Any byte that is changed to what no stamp has there is noticed; one that is cut off too.
func TestDamageIsSeen(t *testing.T) {
	whole := stamp{7, 8, 9}.appendTo(nil, 80)
	for i := range whole {
		b := bytes.Clone(whole)
		b[i] = 'q'
		if _, _, err := parseStamp(b); err == nil {
			t.Errorf("byte %d of %s can be anything", i, b)
		}
		if _, _, err := parseStamp(whole[:i]); err == nil {
			t.Errorf("%d bytes of %d pass as whole", i, len(whole))
		}
	}
}

func FuzzStamp(f *testing.F) {
	f.Add([]byte(`"f0000001200000034000000000000005600002cxxx"`))
	f.Add([]byte(`"f00000012000000340000000000000056fffffe"`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, n, err := parseStamp(b)
		if err != nil {
			return
		}
		if again := s.appendTo(nil, n); !bytes.Equal(again, b[:n]) {
			t.Errorf("parseStamp(%q) = %+v, which is written as %q", b, s, again)
		}
	})
}

func TestStampsAllocateNothing(t *testing.T) {
	b := make([]byte, 0, 64)
	n := testing.AllocsPerRun(1000, func() {
		b = stamp{1, 2, 3}.appendTo(b[:0], 64)
		if _, _, err := parseStamp(b); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("a stamp allocates %v times", n)
	}
}

func BenchmarkParseStamp(b *testing.B) {
	s := stamp{1, 2, 3}.appendTo(nil, 64)
	for b.Loop() {
		if _, _, err := parseStamp(s); err != nil {
			b.Fatal(err)
		}
	}
}

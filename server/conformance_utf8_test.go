package server

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"
	"github.com/seed4ac54ce5/edge/metrics"
)

// Sequences that are not UTF-8 (RFC 3629), each with the number of bytes after which that is certain.
var notUTF8 = []struct {
	what  string
	bytes string
	seen  int
}{
	{"lone continuation", "\x80", 1},
	{"lone continuation, last", "\xbf", 1},
	{"byte FE", "\xfe", 1},
	{"byte FF", "\xff", 1},
	{"lead C0, overlong", "\xc0\xaf", 1},
	{"lead C1, overlong", "\xc1\xbf", 1},
	{"lead F5, too large", "\xf5\x80\x80\x80", 1},
	{"overlong of three", "\xe0\x80\xaf", 2},
	{"overlong of three, largest", "\xe0\x9f\xbf", 2},
	{"overlong of four", "\xf0\x80\x80\xaf", 2},
	{"overlong of four, largest", "\xf0\x8f\xbf\xbf", 2},
	{"first surrogate", "\xed\xa0\x80", 2},
	{"last surrogate", "\xed\xbf\xbf", 2},
	{"surrogate pair", "\xed\xa0\x80\xed\xb0\x80", 2},
	{"U+110000", "\xf4\x90\x80\x80", 2},
	{"two-byte lead before ASCII", "\xc3(", 2},
	{"three-byte lead before ASCII", "\xe2\x82(", 3},
	{"four-byte lead before ASCII", "\xf0\x9f\x98(", 4},
	{"lead before lead", "\xc3\xc3", 2},
	{"continuation too many", "\xc3\xa9\x80", 3},
}

// wellFormed has the first and last code points of each length, and neighbours of what is forbidden.
const wellFormed = "κόσμε \x00\x7f\u0080\u07ff\u0800\ud7ff\ue000\ufffd\uffff\U00010000\U0003ffff\U0010ffff"

// TestConformanceUTF8 holds the server against RFC 6455 section 8.1: text is UTF-8, and what is not is
// refused when the byte comes that shows it.
func TestConformanceUTF8(t *testing.T) {
	n := openNode(t, nil)
	n.runRows(wellFormedRows(), pathEcho)
	n.runRows(malformedRows(), pathEcho)
}

func wellFormedRows() []row {
	echo := []string{said(ws.OpText, []byte(wellFormed))}
	rows := []row{
		{"6.2 text of all lengths", masked(0x81, wellFormed), echo, none},
		{"8.1 binary may be anything", masked(0x82, "\xc0\xaf\xff"), []string{`binary "\xc0\xaf\xff"`}, none},
		{"8.1 C07 text that ends within a code point", masked(0x81, "\xf0\x9f\x98"), refused(1007), metrics.RejectUTF8},
		{"8.1 C07 fragments that end within a code point", stream(masked(0x01, "a\xf0\x9f"), masked(0x80, "\x98")), refused(1007), metrics.RejectUTF8},
		{"8.1 C07 code point over two messages", stream(masked(0x81, "\xc3"), masked(0x81, "\xa9")), refused(1007), metrics.RejectUTF8},
		{"8.1 C08 ping within a code point", stream(masked(0x01, "\xc3"), masked(0x89, "\xff"), masked(0x80, "\xa9")), []string{`pong "\xff"`, `text "é"`}, none},
	}
	var pieces []byte
	for i := range len(wellFormed) {
		b0 := byte(0x00)
		if i == 0 {
			b0 = 0x01
		}
		pieces = append(pieces, masked(b0, wellFormed[i:i+1])...)
	}
	rows = append(rows, row{"8.1 C08 a fragment for each byte", stream(pieces, masked(0x80, "")), echo, none})
	var halves []byte
	for i := 1; i < len(wellFormed); i++ {
		halves = append(halves, stream(masked(0x01, wellFormed[:i]), masked(0x80, wellFormed[i:]))...)
	}
	rows = append(rows, row{"8.1 C08 two fragments, cut anywhere", halves, slices.Repeat(echo, len(wellFormed)-1), none})
	return rows
}

// malformedRows has each sequence after a text that is fine, in messages that never end: the answer comes all
// the same.
func malformedRows() (rows []row) {
	for _, bad := range notUTF8 {
		for _, lead := range []string{"", "é", strings.Repeat("x", 33)} {
			until := lead + bad.bytes[:bad.seen]
			rule := fmt.Sprintf("8.1 C07 %s after %d bytes", bad.what, len(lead))
			rows = append(rows,
				row{rule + ", in a frame", cutFrame(0x81, until, 100), refused(1007), metrics.RejectUTF8},
				row{rule + ", in fragments", stream(masked(0x01, lead+bad.bytes[:bad.seen-1]), cutFrame(0x00, bad.bytes[bad.seen-1:bad.seen], 100)), refused(1007), metrics.RejectUTF8},
			)
		}
	}
	return rows
}

// cutFrame is a frame of size bytes of payload of which only the first have come.
func cutFrame(b0 byte, payload string, size int) []byte {
	whole := masked(b0, payload+strings.Repeat("\x00", size-len(payload)))
	return whole[:len(whole)-(size-len(payload))]
}

// The table above is about UTF-8 and not about this server.
func TestNotUTF8IsNot(t *testing.T) {
	if !utf8.ValidString(wellFormed) {
		t.Errorf("%q is not UTF-8", wellFormed)
	}
	for _, bad := range notUTF8 {
		if utf8.ValidString(bad.bytes) {
			t.Errorf("%s: %q is UTF-8", bad.what, bad.bytes)
		}
	}
}

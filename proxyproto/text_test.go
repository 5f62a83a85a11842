package proxyproto

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// textRows are good lines, without their end.
var textRows = []struct {
	name, text string
	want       Header
}{
	{"IPv4", "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443", between(1, "192.0.2.7:56324", "198.51.100.1:443")},
	{"shortest", "PROXY TCP4 0.0.0.0 0.0.0.0 0 0", between(1, "0.0.0.0:0", "0.0.0.0:0")},
	{"longest IPv4", "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535", between(1, "255.255.255.255:65535", "255.255.255.255:65535")},
	{"IPv6", "PROXY TCP6 2001:db8::7 2001:db8:0:0:0:0:0:1 56324 443", between(1, "[2001:db8::7]:56324", "[2001:db8::1]:443")},
	{"capitals", "PROXY TCP6 2001:DB8::A 2001:db8::a 1 2", between(1, "[2001:db8::a]:1", "[2001:db8::a]:2")},
	{"zeros in front in a group", "PROXY TCP6 2001:0db8::0007 :: 1 2", between(1, "[2001:db8::7]:1", "[::]:2")},
	{"double colon in front", "PROXY TCP6 ::2:3:4:5:6:7:8 ::1 1 2", between(1, "[0:2:3:4:5:6:7:8]:1", "[::1]:2")},
	{"double colon behind", "PROXY TCP6 1:2:3:4:5:6:7:: 1:: 1 2", between(1, "[1:2:3:4:5:6:7:0]:1", "[1::]:2")},
	{"double colon for one group", "PROXY TCP6 1:2:3::5:6:7:8 1::8 1 2", between(1, "[1:2:3:0:5:6:7:8]:1", "[1::8]:2")},
	{"longest IPv6", "PROXY TCP6 " + ffff + " " + ffff + " 65535 65535", between(1, "["+ffff+"]:65535", "["+ffff+"]:65535")},
	{"IPv4 as IPv6", "PROXY TCP6 ::ffff:192.0.2.7 ::FFFF:c633:6401 1 2", between(1, "192.0.2.7:1", "198.51.100.1:2")},
	{"IPv4 as IPv6, the other IPv6", "PROXY TCP6 ::ffff:192.0.2.7 2001:db8::1 1 2", between(1, "192.0.2.7:1", "[2001:db8::1]:2")},
	{"N12 unknown", "PROXY UNKNOWN", Header{Version: 1, Local: true}},
	{"N12 unknown, space", "PROXY UNKNOWN ", Header{Version: 1, Local: true}},
	{"N12 unknown, addresses", "PROXY UNKNOWN " + ffff + " " + ffff + " 65535 65535", Header{Version: 1, Local: true}},
	{"N12 unknown, anything", "PROXY UNKNOWN \x00\xff  TCP4 PROXY", Header{Version: 1, Local: true}},
	{"N09 107 bytes", "PROXY UNKNOWN " + strings.Repeat("x", maxText-16), Header{Version: 1, Local: true}},
}

const ffff = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"

func TestText(t *testing.T) {
	for _, row := range textRows {
		t.Run(row.name, func(t *testing.T) { expectHeader(t, []byte(row.text+"\r\n"), row.want) })
	}
}

// The bar stands in front of the first wrong byte.
func TestN09Text(t *testing.T) {
	const from, to = "PROXY TCP4 192.0.2.7 ", "198.51.100.1 56324 443\r\n"
	for _, row := range []struct{ name, text string }{
		{"108 bytes", "PROXY UNKNOWN " + strings.Repeat("x", maxText-16) + "|x\r\n"},
		{"no end", "PROXY UNKNOWN " + strings.Repeat("x", maxText-16) + "|" + strings.Repeat("x", 200)},
		{"CR alone", "PROXY UNKNOWN\r|x\r\n"},
		{"CR alone in the middle", "PROXY UNKNOWN a\r|b\r\n"},
		{"CR alone at the end", from + "198.51.100.1 56324 443\r|G"},
		{"CR twice", "PROXY UNKNOWN\r|\r\n"},
		{"LF alone", "PROXY UNKNOWN|\n"},
		{"LF alone in the middle", "PROXY UNKNOWN a|\nb\r\n"},
		{"LF alone at the end", from + "198.51.100.1 56324 443|\n"},
		{"unknown and no space", "PROXY UNKNOWN|X\r\n"},
		{"unknown family", "PROXY U|DP4 192.0.2.7 198.51.100.1 56324 443\r\n"},
		{"unknown family of TCP", "PROXY TCP|5 192.0.2.7 198.51.100.1 56324 443\r\n"},
		{"small family", "PROXY |tcp4 192.0.2.7 198.51.100.1 56324 443\r\n"},
		{"two spaces in front", "PROXY | TCP4 192.0.2.7 198.51.100.1 56324 443\r\n"},
		{"two spaces", "PROXY TCP4 | 192.0.2.7 198.51.100.1 56324 443\r\n"},
		{"two spaces between addresses", from + "| " + to},
		{"tab", "PROXY TCP4|\t192.0.2.7 198.51.100.1 56324 443\r\n"},
		{"NUL", "PROXY TCP4 192.0.2.7|\x00 198.51.100.1 56324 443\r\n"},
		{"IPv6 as IPv4", "PROXY TCP4 200|1:db8::7 2001:db8::1 1 2\r\n"},
		{"IPv4 as IPv6", "PROXY TCP6 192|.0.2.7 198.51.100.1 1 2\r\n"},
		{"destination of the other family", "PROXY TCP6 2001:db8::7 198|.51.100.1 1 2\r\n"},
		{"number of 256", "PROXY TCP4 192.0.2.25|6 198.51.100.1 1 2\r\n"},
		{"number of four digits", "PROXY TCP4 192.0.2.100|0 198.51.100.1 1 2\r\n"},
		{"number with a zero in front", "PROXY TCP4 192.0.2.0|7 198.51.100.1 1 2\r\n"},
		{"number of two zeros", "PROXY TCP4 192.0.2.0|0 198.51.100.1 1 2\r\n"},
		{"three numbers", "PROXY TCP4 192.0.2| 198.51.100.1 1 2\r\n"},
		{"five numbers", "PROXY TCP4 192.0.2.7|.1 198.51.100.1 1 2\r\n"},
		{"number missing", "PROXY TCP4 192.0.|.7 198.51.100.1 1 2\r\n"},
		{"sign", "PROXY TCP4 |+192.0.2.7 198.51.100.1 1 2\r\n"},
		{"hexadecimal", "PROXY TCP4 0|x7f.0.0.1 198.51.100.1 1 2\r\n"},
		{"no addresses", "PROXY TCP4 |\r\n"},
		{"one address", "PROXY TCP4 192.0.2.7|\r\n"},
		{"no ports", from + "198.51.100.1|\r\n"},
		{"one port", from + "198.51.100.1 56324|\r\n"},
		{"port missing", from + "198.51.100.1 56324 |\r\n"},
		{"port 65536", from + "198.51.100.1 6553|6 443\r\n"},
		{"port of six digits", from + "198.51.100.1 10000|0 443\r\n"},
		{"port with a zero in front", from + "198.51.100.1 0|443 443\r\n"},
		{"second port with a zero in front", from + "198.51.100.1 443 0|0\r\n"},
		{"port with a sign", from + "198.51.100.1 |-1 443\r\n"},
		{"port in hexadecimal", from + "198.51.100.1 0|x1 443\r\n"},
		{"space behind", from + "198.51.100.1 56324 443| \r\n"},
		{"word too many", from + "198.51.100.1 56324 443| 1\r\n"},
		{"group of five digits", "PROXY TCP6 2001:0db8|0::7 ::1 1 2\r\n"},
		{"group missing", "PROXY TCP6 1:2:3:4:5:6:7| ::1 1 2\r\n"},
		{"last group missing", "PROXY TCP6 1:2:3:4:5:6:7:| ::1 1 2\r\n"},
		{"nine groups", "PROXY TCP6 1:2:3:4:5:6:7:8|:9 ::1 1 2\r\n"},
		{"eight groups and double colon", "PROXY TCP6 1:2:3:4:5:6:7:8|:: ::1 1 2\r\n"},
		{"double colon for none", "PROXY TCP6 1:2:3:4:5:6:7::|8 ::1 1 2\r\n"},
		{"double colon in front for none", "PROXY TCP6 ::1:2:3:4:5:6:7|:8 ::1 1 2\r\n"},
		{"double colon twice", "PROXY TCP6 1::2:|:3 ::1 1 2\r\n"},
		{"three colons", "PROXY TCP6 1::|:2 ::1 1 2\r\n"},
		{"three colons in front", "PROXY TCP6 ::|:2 ::1 1 2\r\n"},
		{"one colon in front", "PROXY TCP6 :|1:2:3:4:5:6:7:8 ::1 1 2\r\n"},
		{"one colon behind", "PROXY TCP6 1::2:| ::1 1 2\r\n"},
		{"no address", "PROXY TCP6 | ::1 1 2\r\n"},
		{"letter past f", "PROXY TCP6 2001:db8::|g ::1 1 2\r\n"},
		{"zone", "PROXY TCP6 fe80::7|%eth0 ::1 1 2\r\n"},
		{"brackets", "PROXY TCP6 |[2001:db8::7] ::1 1 2\r\n"},
		{"dots behind other groups", "PROXY TCP6 64:ff9b::192|.0.2.7 ::1 1 2\r\n"},
		{"dots behind a third group", "PROXY TCP6 ::ffff:0:192|.0.2.7 ::1 1 2\r\n"},
		{"dots behind zeros", "PROXY TCP6 ::192|.0.2.7 ::1 1 2\r\n"},
		{"dots behind zeros written out", "PROXY TCP6 0:0:0:0:0:ffff:192|.0.2.7 ::1 1 2\r\n"},
		{"three numbers behind zeros", "PROXY TCP6 ::ffff:192.0.2| ::1 1 2\r\n"},
		{"number of 256 behind zeros", "PROXY TCP6 ::ffff:192.0.2.25|6 ::1 1 2\r\n"},
		{"zero in front behind zeros", "PROXY TCP6 ::ffff:01|.0.2.25 ::1 1 2\r\n"},
		{"hexadecimal with dots", "PROXY TCP6 ::ffff:1a|.0.2.25 ::1 1 2\r\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			good, bad, _ := strings.Cut(row.text, "|")
			expectError(t, []byte(good), []byte(bad), ErrText)
		})
	}
}

// Whatever of a line asks for more can become a header: nobody waits for the rest of what is wrong already.
func TestTextThatAsksForMoreCanBeCompleted(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	var buffer [2 * maxText]byte
	alphabet := "0123456789abcdefF:. \r\nTCPUNKNOWX%"
	for range 2000 {
		b := []byte(textRows[rng.IntN(len(textRows))].text + "\r\n")
		for range 1 + rng.IntN(3) {
			b[1+rng.IntN(len(b)-1)] = alphabet[rng.IntN(len(alphabet))]
		}
		asks := 0
		for cut := 0; cut < len(b); cut++ {
			if _, n, err := Parse(b[:cut]); n == 0 && err == nil {
				asks = cut
			}
		}
		if !slices.ContainsFunc(completions, func(tail string) bool {
			_, n, err := Parse(append(append(buffer[:0], b[:asks]...), tail...))
			return n > 0 && err == nil
		}) {
			t.Fatalf("seed %d: Parse(%q) asks for more, and nothing that was tried makes it a header", seed, b[:asks])
		}
	}
}

// completions are tails such that one of them makes a header of any front of one.
var completions = func() (tails []string) {
	lines := []string{"PROXY UNKNOWN\r\n", "PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", "PROXY TCP6 0:0:0:0:0:0:0:0 0:0:0:0:0:0:0:0 0 0\r\n"}
	for _, line := range lines {
		for cut := range len(line) + 1 {
			tails = append(tails, line[cut:])
		}
	}
	for _, end := range []string{" 0 0\r\n", " :: 0 0\r\n"} {
		tails = append(tails, end, "0"+end, ":"+end, "::"+end)
		tails = append(tails, ".0"+end, ".0.0"+end, ".0.0.0"+end, "0.0"+end, "0.0.0"+end)
	}
	return tails
}()

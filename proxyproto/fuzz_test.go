package proxyproto

import (
	"bufio"
	"bytes"
	"net"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	pires "github.com/pires/go-proxyproto"
)

// FuzzParse holds for any bytes: it does not matter where the stream is cut; what parses says the same when it is
// written again, in both versions; and another implementation reads the same, or one of knownDifferences says
// why not.
func FuzzParse(f *testing.F) {
	for _, row := range textRows {
		f.Add([]byte(row.text + "\r\nGET /"))
	}
	for _, row := range binaryRows {
		f.Add(append(wire(f, row.drawn), "GET /"...))
	}
	told := between(2, "[2001:db8::7]:56324", "192.0.2.7:443")
	told.Authority, told.UniqueID, told.TLS = []byte("chat.example.com"), []byte{1, 2}, true
	f.Add(AppendV2(nil, &told, true))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n, err := Parse(b)
		checkCuts(t, b, h, n, err)
		if n > 0 {
			checkRewritten(t, h)
		}
		if n > 0 || err != nil {
			checkAgainstOracle(t, b, h, n, err)
		}
	})
}

// checkCuts gives b byte by byte, past the addresses in larger steps.
func checkCuts(t *testing.T, b []byte, h Header, n int, err error) {
	t.Helper()
	for cut := 0; cut < len(b); cut += 1 + cut/128 {
		h1, n1, err1 := Parse(b[:cut])
		switch {
		case n1 == 0 && err1 == nil:
			if n > 0 && cut >= n {
				t.Fatalf("Parse(%q) asks for more; with what follows the header has %d bytes", b[:cut], n)
			}
		case !reflect.DeepEqual(h1, h) || n1 != n || err1 != err:
			t.Fatalf("Parse(%q) = %+v, %d, %v; with what follows %+v, %d, %v", b[:cut], h1, n1, err1, h, n, err)
		}
	}
}

func checkRewritten(t *testing.T, h Header) {
	t.Helper()
	two := h
	two.Version = 2
	for _, checksum := range []bool{false, true} {
		b := AppendV2(nil, &two, checksum)
		if len(b) > MaxHeader {
			continue // the checksum was what is too much
		}
		if got, n, err := Parse(b); !reflect.DeepEqual(got, two) || n != len(b) || err != nil {
			t.Fatalf("Parse(% x) = %+v, %d, %v; want %+v", b, got, n, err, two)
		}
	}
	one := Header{Version: 1, Local: h.Local, Source: h.Source, Destination: h.Destination}
	b := AppendV1(nil, &one)
	if got, n, err := Parse(b); !reflect.DeepEqual(got, one) || n != len(b) || err != nil {
		t.Fatalf("Parse(%q) = %+v, %d, %v; want %+v", b, got, n, err, one)
	}
}

// checkAgainstOracle reads b with go-proxyproto and compares.
func checkAgainstOracle(t *testing.T, b []byte, h Header, n int, err error) {
	t.Helper()
	theirs, read, theirErr := oracle(b)
	if (err == nil) != (theirErr == nil) {
		for _, d := range knownDifferences {
			if (err == nil) == d.accepted && d.holds(b, theirs) {
				return
			}
		}
		t.Fatalf("Parse(%q) = %+v, %v; go-proxyproto: %+v, %v", b, h, err, theirs, theirErr)
	}
	if err != nil {
		return
	}
	if want := headerOf(theirs); !sameEnds(h, want) || n != read {
		t.Fatalf("Parse(%q) = %+v, %d; go-proxyproto: %+v, %d", b, h, n, want, read)
	}
}

// oracle returns go-proxyproto's reading of b, and how much of it it took.
func oracle(b []byte) (*pires.Header, int, error) {
	whole := bytes.NewReader(b)
	r := bufio.NewReaderSize(whole, len(b)) // it looks at a header only when that is whole
	h, err := pires.Read(r)
	return h, len(b) - whole.Len() - r.Buffered(), err
}

// headerOf is what theirs says in our words. It tells nothing of values.
func headerOf(theirs *pires.Header) Header {
	h := Header{Version: theirs.Version}
	from, to, ok := theirs.IPs()
	h.Local = theirs.Command == pires.LOCAL || !ok
	if h.Local {
		return h
	}
	source, destination, _ := theirs.Ports()
	h.Source = netip.AddrPortFrom(addrOf(from), uint16(source))
	h.Destination = netip.AddrPortFrom(addrOf(to), uint16(destination))
	return h
}

func addrOf(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}

func sameEnds(a, b Header) bool {
	return a.Version == b.Version && a.Local == b.Local && a.Source == b.Source && a.Destination == b.Destination
}

// knownDifferences are the headers that only one of the two accepts; holds is asked when that is so. theirs is nil if
// it is we.
var knownDifferences = []struct {
	accepted bool // by us
	why      string
	holds    func(b []byte, theirs *pires.Header) bool
}{
	{true, "section 2.2: with LOCAL the family is ignored and all that follows is discarded",
		func(b []byte, _ *pires.Header) bool { return isBinary(b) && b[atCommand] == commandLocal }},
	{true, "section 2.2: PROXY for an unspecified family may be accepted, with the socket's addresses",
		func(b []byte, _ *pires.Header) bool { return isBinary(b) && b[atFamily] == familyUnspecified }},
	{false, "section 2.2: a family with a transport that does not exist, or either without the other, is to be rejected",
		func(b []byte, _ *pires.Header) bool { return isBinary(b) && isOddFamily(b[atFamily]) }},
	{false, "our limit is MaxHeader",
		func(b []byte, _ *pires.Header) bool { _, n, _ := oracle(b); return isBinary(b) && n > MaxHeader }},
	{false, "section 2.2: values are checked; there they are only when asked for, and the checksum never is",
		func(b []byte, theirs *pires.Header) bool { return isBinary(b) && hasSuspectValues(theirs) }},
	{false, "section 2.1: a line is its words and nothing else",
		func(b []byte, theirs *pires.Header) bool { return !isBinary(b) && !isCanonical(b, theirs) }},
}

func isBinary(b []byte) bool { return bytes.HasPrefix(b, []byte(binarySignature)) }

// isOddFamily reports whether a family, 0 to 3, comes with a transport that it does not go with.
func isOddFamily(b byte) bool {
	family, transport := b>>4, b&0xf
	return transport > 2 || (family == 0) != (transport == 0)
}

// hasSuspectValues reports whether the values are malformed, or have one of the types for which
// there are rules.
func hasSuspectValues(theirs *pires.Header) bool {
	values, err := theirs.TLVs()
	if err != nil {
		return true
	}
	for _, v := range values {
		if v.Type < 64 && once>>v.Type&1 != 0 {
			return true
		}
	}
	return false
}

// isCanonical reports whether the line is what its addresses make when they are written again, groups of IPv6
// apart, which have several forms, and what follows UNKNOWN.
func isCanonical(b []byte, theirs *pires.Header) bool {
	line, _, _ := bytes.Cut(b, []byte("\n"))
	if theirs.Command == pires.LOCAL {
		return bytes.HasPrefix(line, []byte("PROXY UNKNOWN")) && bytes.Count(line, []byte("\r")) == 1
	}
	want, err := theirs.Format()
	if err != nil {
		return false
	}
	is, should := strings.Split(string(line)+"\n", " "), strings.Split(string(want), " ")
	if len(is) != len(should) {
		return false
	}
	for i := range is {
		isAddress := i == 2 || i == 3
		if is[i] != should[i] && (!isAddress || !strings.Contains(is[i], ":") || strings.ContainsAny(is[i], "%.")) {
			return false
		}
	}
	return true
}

package frame

import (
	"strings"
	"testing"

	"github.com/gobwas/httphead"
)

func TestNegotiateDeflate(t *testing.T) {
	none, whole := DeflateParams{}, DeflateParams{WindowBits: 15}
	named := func(bits uint8) DeflateParams { return DeflateParams{WindowBits: bits, Named: true} }
	for _, row := range []struct {
		name  string
		offer string
		want  DeflateParams
		err   *HTTPError
	}{
		{"nothing offered", "", none, nil},
		{"bare", "permessage-deflate", whole, nil},
		{"Chrome, Firefox", "permessage-deflate; client_max_window_bits", whole, nil},
		{"Safari of old", "x-webkit-deflate-frame", none, nil},
		{"no context, both", "permessage-deflate; server_no_context_takeover; client_no_context_takeover", whole, nil},
		{"no spaces", "permessage-deflate;client_max_window_bits;server_max_window_bits=10", named(10), nil},
		{"many spaces", " \tpermessage-deflate \t; \tserver_max_window_bits \t= \t10 \t", named(10), nil},
		{"quoted", `permessage-deflate; server_max_window_bits="10"`, named(10), nil},
		{"client window", "permessage-deflate; client_max_window_bits=8", whole, nil},
		{"server window 8", "permessage-deflate; server_max_window_bits=8", named(8), nil},
		{"server window 15", "permessage-deflate; server_max_window_bits=15", named(15), nil},
		{"among others", "foo; bar=1, permessage-deflate, baz", whole, nil},
		{"first of two", "permessage-deflate; server_max_window_bits=12, permessage-deflate", named(12), nil},
		{"the second, as the first is no good", "permessage-deflate; server_max_window_bits=7, permessage-deflate; server_max_window_bits=9", named(9), nil},

		{"Z05 window 7", "permessage-deflate; server_max_window_bits=7", none, nil},
		{"Z05 window 16", "permessage-deflate; server_max_window_bits=16", none, nil},
		{"Z05 window 010", "permessage-deflate; server_max_window_bits=010", none, nil},
		{"Z05 window +9", "permessage-deflate; server_max_window_bits=+9", none, nil},
		{"Z05 window text", "permessage-deflate; server_max_window_bits=ten", none, nil},
		{"Z05 window huge", "permessage-deflate; server_max_window_bits=" + strings.Repeat("9", 100), none, nil},
		{"Z05 server window without a value", "permessage-deflate; server_max_window_bits", none, nil},
		{"Z05 client window 16", "permessage-deflate; client_max_window_bits=16", none, nil},
		{"Z05 client window 7", "permessage-deflate; client_max_window_bits=7", none, nil},
		{"Z05 twice", "permessage-deflate; client_max_window_bits; client_max_window_bits", none, nil},
		{"Z05 twice, window", "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10", none, nil},
		{"Z05 unknown parameter", "permessage-deflate; foo", none, nil},
		{"Z05 unknown parameter twice", "permessage-deflate; foo; foo=bar", none, nil},
		{"Z05 value where none is allowed", "permessage-deflate; server_no_context_takeover=1", none, nil},
		{"Z05 value where none is allowed, client", `permessage-deflate; client_no_context_takeover="a"`, none, nil},
		{"Z05 window with a backslash", `permessage-deflate; server_max_window_bits="1\0"`, none, nil},
		{"name in capitals", "Permessage-Deflate", none, nil},

		{"H09 prototype-like names", "__proto__; constructor=toString, hasOwnProperty", none, nil},
		{"H09 thousands of items", strings.Repeat("x; y=1, ", 5000) + "permessage-deflate", whole, nil},
		{"H09 thousands of parameters", "permessage-deflate" + strings.Repeat("; a=b", 5000), none, nil},
		{"H09 commas", ",,, permessage-deflate ,,,", whole, nil},
		{"H09 open quote", `permessage-deflate; a="b`, none, errList},
		{"H09 open quote, behind a good offer", `permessage-deflate, x; a="`, none, errList},
		{"H09 quote closed twice", `x; a="b"c"`, none, errList},
		{"H09 backslash at the end", `x; a="b\`, none, errList},
		{"H09 escaped quote", `x; a="b\"c"`, none, errList},
		{"H09 empty quotes", `x; a=""`, none, errList},
		{"H09 a space in quotes", `x; a="b c"`, none, errList},
		{"H09 no value", "x; a=", none, errList},
		{"H09 no name", "x; =a", none, errList},
		{"H09 no parameter", "x;", none, errList},
		{"H09 no parameter between", "x;;y", none, errList},
		{"H09 no extension", "; a", none, errList},
		{"H09 two tokens", "permessage-deflate foo", none, errList},
		{"H09 a bare quote", `"permessage-deflate"`, none, errList},
		{"H11 not ASCII", "permessage-d\xe9flate", none, errList},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got, err := NegotiateDeflate([]byte(row.offer)); got != row.want || err != row.err {
				t.Errorf("NegotiateDeflate(%.80q) = %+v, %v; want %+v, %v", row.offer, got, err, row.want, row.err)
			}
		})
	}
}

// FuzzDeflateOffer holds: what is accepted is one offer of the list, by the word of another parser, and our own
// client takes the answer.
func FuzzDeflateOffer(f *testing.F) {
	for _, offer := range []string{
		"permessage-deflate; client_max_window_bits", "permessage-deflate; server_max_window_bits=7, permessage-deflate;server_max_window_bits=\"9\"",
		"x; a=\"b\\c\", y", "x\t,permessage-deflate", "permessage-deflate; server_no_context_takeover; client_no_context_takeover", ",;=\"",
	} {
		f.Add([]byte(offer))
	}
	f.Fuzz(func(t *testing.T, offer []byte) {
		p, err := NegotiateDeflate(offer)
		if err != nil || !p.Agreed() {
			if p != (DeflateParams{}) {
				t.Fatalf("%+v, %v", p, err)
			}
			return
		}
		if p.WindowBits < minWindowBits || p.WindowBits > maxWindowBits || !p.Named && p.WindowBits != maxWindowBits {
			t.Fatalf("%+v", p)
		}
		answer := p.appendTo(nil)
		if !deflateAccepted(answer) {
			t.Fatalf("our client does not take %q", answer)
		}
		if !offers(offer, p) {
			t.Fatalf("%q has no offer for %+v", offer, p)
		}
	})
}

// offers reports whether httphead finds an offer of permessage-deflate in the list that has the window of p, or none
// if p has none.
func offers(list []byte, p DeflateParams) bool {
	// httphead takes no tab before a comma and no empty elements at the ends, which RFC 9110 has a recipient take.
	plain := strings.Trim(strings.ReplaceAll(string(list), "\t", " "), ", ")
	options, _ := httphead.ParseOptions([]byte(plain), nil)
	for _, o := range options {
		bits, named := o.Parameters.Get("server_max_window_bits")
		if string(o.Name) == extensionName && named == p.Named && (!named || windowBits(bits) == p.WindowBits) {
			return true
		}
	}
	return false
}

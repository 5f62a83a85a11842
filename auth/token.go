package auth

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
)

// MaxToken is the most bytes that a token may have. Whatever is larger is refused unread.
const MaxToken = 8 << 10

// A token is a JWT taken apart (RFC 7515 section 7.1) and not yet believed. It shares the bytes that it was parsed from.
type token struct {
	header, payload, signature []byte // in base64
	signed                     []byte // header and payload with the dot between, what the signature is over

	algorithm algorithm
	kid       string // "" if the header has none
}

// What is read of a header (RFC 7515 section 4.1).
const (
	headerAlg = iota
	headerTyp
	headerKid
	headerCrit
	headerCount
)

var headerNames = [headerCount]string{headerAlg: "alg", headerTyp: "typ", headerKid: "kid", headerCrit: "crit"}

// parse takes b apart and reads its header.
func parse(b []byte) (token, error) {
	t, err := split(b)
	if err != nil {
		return token{}, err
	}
	return t, t.readHeader()
}

// split finds the three parts of b.
func split(b []byte) (token, error) {
	if len(b) > MaxToken {
		return token{}, errSize
	}
	dot := []byte{'.'}
	header, rest, _ := bytes.Cut(b, dot)
	payload, signature, ok := bytes.Cut(rest, dot)
	if !ok || bytes.Contains(signature, dot) {
		return token{}, errParts
	}
	signed := b[:len(header)+1+len(payload)]
	return token{header: header, payload: payload, signature: signature, signed: signed}, nil
}

// readHeader sets the algorithm and the kid.
func (t *token) readHeader() error {
	if a, ok := usual[string(t.header)]; ok {
		t.algorithm = a
		return nil
	}
	return t.readUnusual()
}

// readUnusual is readHeader for any header. Of typ, no other value than JWT, in any case, may be there (RFC 8725 section
// 3.11), and nothing at all may be critical (RFC 7515 section 4.1.11), as no extension is known here.
func (t *token) readUnusual() error {
	text, err := decode(t.header)
	if err != nil {
		return err
	}
	if !json.Valid(text) {
		return errHeader
	}
	var h [headerCount][]byte
	if err := collect(text, headerNames[:], h[:], errHeader); err != nil {
		return err
	}
	if h[headerTyp] != nil && !bytes.EqualFold(h[headerTyp], []byte(`"JWT"`)) {
		return errTyp
	}
	if h[headerCrit] != nil {
		return errCrit
	}
	t.kid, _ = unquote(h[headerKid])
	return t.setAlgorithm(h[headerAlg])
}

// usual are the headers that libraries write where nothing else is asked for, in base64: what they say is known.
var usual = usualHeaders()

func usualHeaders() map[string]algorithm {
	m := make(map[string]algorithm)
	for name, a := range algorithms {
		for _, text := range []string{`{"alg":"` + name + `","typ":"JWT"}`, `{"typ":"JWT","alg":"` + name + `"}`, `{"alg":"` + name + `"}`} {
			m[strictBase64.EncodeToString([]byte(text))] = a
		}
	}
	return m
}

// setAlgorithm looks the value of alg up as it is written: there is no other case, no escape, and no "none".
func (t *token) setAlgorithm(alg []byte) error {
	if len(alg) < 2 || alg[0] != '"' {
		return errAlgorithm
	}
	a, ok := algorithms[string(alg[1:len(alg)-1])]
	if !ok {
		return errAlgorithm
	}
	t.algorithm = a
	return nil
}

var strictBase64 = base64.RawURLEncoding.Strict()

// decode returns what segment encodes. Each text has one encoding only: no padding, no stray bits, and none of the line
// ends that the package base64 steps over.
func decode(segment []byte) ([]byte, error) { return appendDecoded(nil, segment) }

// appendDecoded is decode behind dst.
func appendDecoded(dst, segment []byte) ([]byte, error) {
	if bytes.IndexByte(segment, '\n') >= 0 || bytes.IndexByte(segment, '\r') >= 0 {
		return nil, errBase64
	}
	out, err := strictBase64.AppendDecode(dst, segment)
	if err != nil {
		return nil, errBase64
	}
	return out, nil
}

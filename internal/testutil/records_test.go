package testutil

import (
	"crypto/tls"
	"encoding/hex"
	"strings"
	"testing"
)

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The example of RFC 8439 section 2.8.2.
func TestChaChaPoly(t *testing.T) {
	k := chachaPoly(unhex(t, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"))
	nonce, about := unhex(t, "070000004041424344454647"), unhex(t, "50515253c0c1c2c3c4c5c6c7")
	const text = "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."
	got := k.Seal(nil, nonce, []byte(text), about)
	if tag := hex.EncodeToString(got[len(text):]); tag != "1ae10b594f09e26a7e902ecbd0600691" {
		t.Errorf("tag %s; want 1ae10b594f09e26a7e902ecbd0600691", tag)
	}
	if head := hex.EncodeToString(got[:16]); head != "d31a8d34648e60db7b86afbc53ef7ec2" {
		t.Errorf("text begins with %s; want d31a8d34648e60db7b86afbc53ef7ec2", head)
	}
	if plain, err := k.Open(nil, nonce, got, about); string(plain) != text || err != nil {
		t.Errorf("Open = %q, %v", plain, err)
	}
	got[3] ^= 1
	if _, err := k.Open(nil, nonce, got, about); err == nil {
		t.Error("Open takes a text that was changed")
	}
}

// What Seal makes Open takes, in order and once.
func TestRecords(t *testing.T) {
	for suite, size := range map[uint16]int{
		tls.TLS_AES_128_GCM_SHA256: 16, tls.TLS_AES_256_GCM_SHA384: 32, tls.TLS_CHACHA20_POLY1305_SHA256: 32,
	} {
		k := RecordKeys{suite, make([]byte, size), make([]byte, 12), 7}
		from, err := NewRecords(k)
		if err != nil {
			t.Fatal(err)
		}
		to, _ := NewRecords(k)
		wire := from.Seal(nil, RecordData, make([]byte, maxPlaintext+1))
		wire = from.Seal(wire, RecordAlert, []byte{1, 0})
		wire = from.Seal(wire, RecordData, nil)
		for _, want := range []struct {
			kind byte
			size int
		}{{RecordData, maxPlaintext}, {RecordData, 1}, {RecordAlert, 2}, {RecordData, 0}} {
			record := NextRecord(wire)
			kind, b, err := to.Open(record)
			if kind != want.kind || len(b) != want.size || err != nil {
				t.Fatalf("suite %#x: Open = type %d, %d bytes, %v; want type %d, %d bytes", suite, kind, len(b), err, want.kind, want.size)
			}
			wire = wire[len(record):]
		}
		if _, err := NewRecords(RecordKeys{suite, make([]byte, 5), make([]byte, 12), 0}); err == nil {
			t.Errorf("suite %#x takes a key of 5 bytes", suite)
		}
	}
}

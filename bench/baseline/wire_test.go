package main

import (
	"bytes"
	"testing"
)

// masked is what a client sends.
func masked(op byte, payload string) []byte {
	key := [4]byte{0x12, 0x34, 0x56, 0x78}
	frame := appendHeader(nil, op, len(payload))
	frame[1] |= 0x80
	frame = append(frame, key[:]...)
	for i := range payload {
		frame = append(frame, payload[i]^key[i&3])
	}
	return frame
}

func TestCutFrame(t *testing.T) {
	for _, size := range []int{0, 1, 7, 8, 64, 125, 126, 1000, 65535, 65536, 100_000} {
		payload := string(bytes.Repeat([]byte{'p'}, size))
		whole := append(masked(opText, payload), "next"...)
		op, got, n := cutFrame(bytes.Clone(whole))
		if op != opText || string(got) != payload || n != len(whole)-len("next") {
			t.Errorf("cutFrame of %d bytes = opcode %d, %d bytes, size %d", size, op, len(got), n)
		}
		for _, cut := range []int{0, 1, 5, 13, n - 1} {
			if cut < n {
				if _, _, n := cutFrame(bytes.Clone(whole[:cut])); n != 0 {
					t.Errorf("cutFrame of %d bytes of a frame with %d = %d", cut, size, n)
				}
			}
		}
	}
}

// The example of RFC 6455 section 1.3.
func TestUpgrade(t *testing.T) {
	const want = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
	if got := appendUpgrade(nil, []byte("dGhlIHNhbXBsZSBub25jZQ==")); string(got) != want {
		t.Errorf("upgrade = %q; want %q", got, want)
	}
}

func TestCommands(t *testing.T) {
	h := &house{rooms: make(map[string]*room)}
	a := &thread{house: h, peers: make([]peer, 8)}
	h.threads = []*thread{a}
	for _, row := range []struct{ commands, want string }{
		{`{}`, ""},
		{`{"id":1,"connect":{"name":"flood"}}`, `{"id":1,"connect":{"client":"` + client + `","version":"raw"}}`},
		{"{\"id\":2,\"subscribe\":{\"channel\":\"r\"}}\n{}\n{\"id\":31,\"rpc\":{}}",
			"{\"id\":2,\"subscribe\":{}}\n{\"id\":31,\"error\":{\"code\":108,\"message\":\"not available\"}}"},
		{`{"id":9,"publish":{"channel":"empty","data":[1,2]}}`, `{"id":9,"publish":{}}`},
	} {
		a.out = nil
		a.commands(3, &a.peers[3], []byte(row.commands))
		want := []byte(nil)
		if row.want != "" {
			want = appendFrame(nil, opText, []byte(row.want))
		}
		if !bytes.Equal(a.out, want) {
			t.Errorf("%s is answered by %q; want %q", row.commands, a.out, want)
		}
	}
	if r := h.rooms["r"]; len(r.rosters[0].fds) != 1 || r.rosters[0].fds[0] != 3 {
		t.Errorf("the room has %v; want descriptor 3", r.rosters[0].fds)
	}
}

func TestPush(t *testing.T) {
	const want = `{"push":{"channel":"r","pub":{"data":{"a":"b"},"info":{"user":"","client":"` + client + `"}}}}`
	push := new(thread).pushOf([]byte(`"publish":{"channel":"r","data":{"a":"b"}}}`))
	if !bytes.Equal(push, appendFrame(nil, opText, []byte(want))) {
		t.Errorf("push = %q; want a frame of %s", push, want)
	}
}

func TestLeaveKeepsTheOthers(t *testing.T) {
	h := &house{rooms: make(map[string]*room)}
	a := &thread{house: h, peers: make([]peer, 8)}
	h.threads = []*thread{a}
	for fd := 1; fd <= 4; fd++ {
		a.join(fd, &a.peers[fd], []byte("r"))
	}
	a.leave(&a.peers[2])
	a.leave(&a.peers[4])
	a.leave(&a.peers[4])
	here := &h.rooms["r"].rosters[0]
	if len(here.fds) != 2 || here.members.Load() != 2 {
		t.Fatalf("%v are left, %d counted; want 1 and 3", here.fds, here.members.Load())
	}
	for place, fd := range here.fds {
		if p := a.peers[fd]; p.place != uint32(place) || fd != 1 && fd != 3 {
			t.Errorf("descriptor %d is at %d and believes %d", fd, place, p.place)
		}
	}
}

package main

import "testing"

func TestCommandsInOneMessage(t *testing.T) {
	var pushed []string
	h := newHall(func(members map[int]struct{}, push []byte) {
		if _, ok := members[7]; ok {
			pushed = append(pushed, string(push))
		}
	})
	var at place[int]
	for _, row := range []struct{ message, want string }{
		{
			`{"id":1,"connect":{"name":"flood"}}` + "\n" + `{"id":2,"subscribe":{"channel":"r"}}`,
			`{"id":1,"connect":{"client":"` + client + `","version":"peer"}}` + "\n" + `{"id":2,"subscribe":{}}`,
		},
		{`{"id":3,"publish":{"channel":"r","data":"a}}"}}`, `{"id":3,"publish":{}}`},
		{`{}`, ``},
		{`{"id":4,"history":{}}`, `{"id":4,"error":{"code":108,"message":"not available"}}`},
		{`{"id":5,"subscribe":{"channel":"s"}}`, `{"id":5,"subscribe":{}}`},
		{`{"id":6,"publish":{"channel":"r","data":1}}`, `{"id":6,"publish":{}}`}, // 7 has left r
	} {
		if got := string(h.obey(7, &at, []byte(row.message), nil)); got != row.want {
			t.Errorf("obey(%s) = %s; want %s", row.message, got, row.want)
		}
	}
	want := `{"push":{"channel":"r","pub":{"data":"a}}","info":{"user":"","client":"` + client + `"}}}}`
	if len(pushed) != 1 || pushed[0] != want {
		t.Errorf("pushed %q; want %s", pushed, want)
	}
}

package protocol

import "testing"

func TestCommandCheck(t *testing.T) {
	tests := []struct {
		line string
		want error
	}{
		{`{}`, nil},
		{`{"send":{}}`, nil},
		{`{"id":1,"send":{}}`, nil},
		{`{"id":1,"connect":{}}`, nil},
		{`{"id":1,"ping":{},"rpc":{}}`, nil},
		{`{"connect":{}}`, FaultID},
		{`{"id":0,"subscribe":{}}`, FaultID},
		{`{"sub_refresh":{}}`, FaultID},
		{`{"id":1}`, FaultMethod},
		{`{"id":1,"unknown":{}}`, FaultMethod},
		{`{"ping":{}}`, FaultMethod},
		{`{"id":1,"ping":{}}`, FaultMethod},
	}
	for _, test := range tests {
		c, err := decodeCommand(test.line)
		if err != nil {
			t.Errorf("DecodeCommand(%s) = %v", test.line, err)
		}
		if got := c.Check(); got != test.want {
			t.Errorf("Check of %s = %v; want %v", test.line, got, test.want)
		}
	}
}

func TestMethodString(t *testing.T) {
	for m, want := range map[Method]string{MethodNone: "none", MethodPresenceStats: "presence_stats", MethodPong: "pong", MethodPong + 1: "unknown"} {
		if got := m.String(); got != want {
			t.Errorf("Method(%d).String() = %s; want %s", m, got, want)
		}
	}
}

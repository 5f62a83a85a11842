package api

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What client libraries of others send, byte for byte save for the host, and what they look for in the answers.
var foreignRequests = []struct {
	what, raw, status, body string
}{
	{
		"gocent 3: publish",
		"POST /api HTTP/1.1\r\nHost: HOST\r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: LENGTH\r\n" +
			"Authorization: apikey KEY\r\nContent-Type: application/json\r\nAccept-Encoding: gzip\r\n\r\n" +
			`{"method":"publish","params":{"channel":"chat:1","data":{"text":"hi"}}}`,
		"200 OK", `{"result":{"offset":42,"epoch":"Zk3xQw8b"}}`,
	},
	{
		"gocent 3: a pipe, whose encoder ends each command with a newline",
		"POST /api HTTP/1.1\r\nHost: HOST\r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: LENGTH\r\n" +
			"Authorization: apikey KEY\r\nContent-Type: application/json\r\nAccept-Encoding: gzip\r\n\r\n" +
			`{"method":"broadcast","params":{"channels":["chat:1","news"],"data":1}}` + "\n" +
			`{"method":"presence_stats","params":{"channel":"off"}}` + "\n" +
			`{"method":"info","params":{}}` + "\n",
		"200 OK", `{"result":{"responses":[{"result":{"offset":42,"epoch":"Zk3xQw8b"}},{"result":{}}]}}` + "\n" +
			`{"error":{"code":108,"message":"not available"}}` + "\n" +
			`{"result":{"nodes":[{"uid":"5d0e","name":"host_9000","version":"1.0.0","num_clients":6,"num_users":4,"num_channels":3,"num_subs":6,"uptime":77}]}}`,
	},
	{
		"gocent 3: a key that is wrong",
		"POST /api HTTP/1.1\r\nHost: HOST\r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: LENGTH\r\n" +
			"Authorization: apikey other\r\nContent-Type: application/json\r\n\r\n" + `{"method":"info","params":{}}`,
		"401 Unauthorized", "",
	},
	{
		"pycent 5: publish with all options, through requests",
		"POST /api/publish HTTP/1.1\r\nHost: HOST\r\nUser-Agent: centrifugal/pycent\r\nAccept-Encoding: gzip, deflate\r\nAccept: */*\r\n" +
			"Connection: keep-alive\r\nX-API-Key: KEY\r\nContent-Length: LENGTH\r\nContent-Type: application/json\r\n\r\n" +
			`{"channel": "chat:1", "data": {"text": "hi"}, "skip_history": false, "tags": {"lang": "en"}, "b64data": "", "idempotency_key": "k"}`,
		"200 OK", `{"result":{"offset":42,"epoch":"Zk3xQw8b"}}`,
	},
	{
		"pycent 5: a batch, each command below its method",
		"POST /api/batch HTTP/1.1\r\nHost: HOST\r\nAccept: */*\r\nX-API-Key: KEY\r\nContent-Length: LENGTH\r\nContent-Type: application/json\r\n\r\n" +
			`{"commands": [{"publish": {"channel": "chat:1", "data": 1}}, {"presence_stats": {"channel": "a"}}, {"channels": {}}]}`,
		"200 OK", `{"replies":[{"publish":{"offset":42,"epoch":"Zk3xQw8b"}},{"presence_stats":{"num_clients":2,"num_users":1}},` +
			`{"channels":{"channels":{"chat:1":{"num_clients":3},"chat:2":{"num_clients":1},"news":{"num_clients":2}}}}]}`,
	},
	{
		"errors as statuses, as the header asks",
		"POST /api/presence HTTP/1.1\r\nHost: HOST\r\nX-API-Key: KEY\r\nX-Centrifugo-Error-Mode: transport\r\nContent-Length: LENGTH\r\n" +
			"Content-Type: application/json\r\n\r\n" + `{"channel": "off"}`,
		"400 Bad Request", `{"code":108,"message":"not available"}`,
	},
	{
		"a body in chunks",
		"POST /api/info HTTP/1.1\r\nHost: HOST\r\nX-API-Key: KEY\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n" +
			"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
		"200 OK", `{"result":{"nodes":[{"uid":"5d0e","name":"host_9000","version":"1.0.0","num_clients":6,"num_users":4,"num_channels":3,"num_subs":6,"uptime":77}]}}`,
	},
}

func TestForeignClients(t *testing.T) {
	s := httptest.NewServer(newDesk(nil))
	defer s.Close()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	answers := bufio.NewReader(conn)
	for _, r := range foreignRequests { // all on one conn: each leaves it ready for the next
		_, body, _ := strings.Cut(r.raw, "\r\n\r\n")
		raw := strings.NewReplacer("HOST", s.Listener.Addr().String(), "KEY", key, "LENGTH", strconv.Itoa(len(body))).Replace(r.raw)
		if _, err := io.WriteString(conn, raw); err != nil {
			t.Fatal(err)
		}
		w, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatalf("%s: %v", r.what, err)
		}
		got, err := io.ReadAll(w.Body)
		if err != nil || w.Status != r.status || string(got) != r.body {
			t.Errorf("%s: %s %s, %v\nwant %s %s", r.what, w.Status, got, err, r.status, r.body)
		}
	}
}

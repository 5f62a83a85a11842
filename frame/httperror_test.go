package frame

import (
	"bufio"
	"bytes"
	"net/http"
	"net/textproto"
	"slices"
	"testing"
)

func TestAppendHTTPError(t *testing.T) {
	for _, row := range []struct {
		err    *HTTPError
		status string
		header string
		value  string
	}{
		{errMethod, "400 Bad Request", "", ""},
		{ErrEarlyData, "400 Bad Request", "", ""},
		{ErrForbidden, "403 Forbidden", "", ""},
		{ErrNotFound, "404 Not Found", "", ""},
		{errNotGet, "405 Method Not Allowed", "Allow", "GET"},
		{ErrTimeout, "408 Request Timeout", "", ""},
		{errTargetTooBig, "414 Request URI Too Long", "", ""},
		{errVersion, "426 Upgrade Required", "Sec-WebSocket-Version", "13"},
		{errVersion, "426 Upgrade Required", "Upgrade", "websocket"},
		{errHeadTooBig, "431 Request Header Fields Too Large", "", ""},
		{ErrUnavailable, "503 Service Unavailable", "Retry-After", "5"},
		{errHTTPVersion, "505 HTTP Version Not Supported", "", ""},
	} {
		t.Run(row.err.Reason, func(t *testing.T) {
			br := bufio.NewReader(bytes.NewReader(AppendHTTPError(nil, row.err)))
			resp, err := http.ReadResponse(br, nil)
			if err != nil {
				t.Fatal(err)
			}
			var body bytes.Buffer
			if _, err := body.ReadFrom(resp.Body); err != nil || resp.Body.Close() != nil || body.String() != row.err.Reason+"\n" || br.Buffered() != 0 {
				t.Errorf("body %q, %v, %d bytes behind it", &body, err, br.Buffered())
			}
			if resp.Status != row.status || !resp.Close || row.header != "" && resp.Header.Get(row.header) != row.value {
				t.Errorf("answer %q, close %t, %v", resp.Status, resp.Close, resp.Header)
			}
			if want := "http: " + row.err.Reason; row.err.Error() != want {
				t.Errorf("Error() = %q; want %q", row.err, want)
			}
		})
	}
}

// An answer with an Upgrade field names it in Connection, beside the close (RFC 9110 section 7.8).
func TestUpgradeRequired(t *testing.T) {
	for _, e := range []*HTTPError{errPlain, errVersion} {
		_, fields, _ := bytes.Cut(AppendHTTPError(nil, e), []byte("\r\n"))
		header, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(fields))).ReadMIMEHeader()
		if got := header["Connection"]; err != nil || !slices.Equal(got, []string{"close", "Upgrade"}) {
			t.Errorf("%v: Connection %q, %v; want close and Upgrade", e, got, err)
		}
	}
}

// The answer to a HEAD is the same without a body and the length of one.
func TestAppendHTTPErrorHead(t *testing.T) {
	for e, want := range map[*HTTPError]string{
		errNotGet:     "HTTP/1.1 405 Method Not Allowed\r\nConnection: close\r\nAllow: GET\r\nX: y\r\n\r\n",
		ErrBodyTooBig: "HTTP/1.1 413 Request Entity Too Large\r\nConnection: close\r\nX: y\r\n\r\n",
	} {
		if got := string(AppendHTTPErrorHead(nil, e, []byte("X: y\r\n")...)); got != want {
			t.Errorf("%v: %q; want %q", e, got, want)
		}
	}
}

package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// knownStatuses is all that somebody who has the key can get.
var knownStatuses = []int{200, 400, 404, 409, 413, 416, 429, 500}

// Whatever a body has in it, the answer has a status of ours, and with 200 it is JSON: one value, or one for each line.
func FuzzBody(f *testing.F) {
	paths := []string{Prefix, Prefix + "/" + batchName}
	for _, m := range methods {
		paths = append(paths, Prefix+"/"+m.name)
	}
	for i, body := range []string{
		`{"id":1,"method":"publish","params":{"channel":"a","data":1}}` + "\n" + `{"method":9}`,
		`{"commands":[{"publish":{"channel":"a","data":{}}},{"info":{}},null,{}],"parallel":true}`,
		`{"channel":"a","data":{"x":[1,"é\u0000"]},"tags":{"a":"b"},"version":18446744073709551615}`,
		`{"channels":["a","b"],"b64data":"AP8="}`,
		`{"user":"7","channel":"a"}`,
		`{"user":"7","disconnect":{"code":4001,"reason":"moved"},"whitelist":["c"]}`,
		`{"channel":"a"}`, `{"channel":"panic"}`,
		`{"channel":"a","limit":-1,"since":{"offset":1,"epoch":"e"},"reverse":true}`,
		`{"channel":"what:a"}`, `{"pattern":"{a,[!b]*}?"}`, `{}`, `{"method":"sum","params":[1,2]}`,
		`{"user":"7","channel":"a","info":1,"b64data":"ZA==","override":{"presence":{"value":true}},"recover_since":{}}`,
		`{"user":"7","expire_at":9}`, `{"jti":"t"}`,
	} {
		f.Add(uint8(i), []byte(body))
	}
	d := newDesk(nil)
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		path := paths[int(which)%len(paths)]
		for _, mode := range []string{"", "transport"} {
			w := d.post(path, string(body), "X-Centrifugo-Error-Mode", mode)
			d.done()
			if !slices.Contains(knownStatuses, w.Code) {
				t.Errorf("%s %q: status %d", path, body, w.Code)
			}
			if w.Code == http.StatusOK && !isAnswer(path, w.Body.String()) {
				t.Errorf("%s %q: answer %q", path, body, w.Body)
			}
		}
	})
}

// isAnswer reports whether body is what path may answer with.
func isAnswer(path, body string) bool {
	if path != Prefix {
		return json.Valid([]byte(body))
	}
	for line := range strings.SplitSeq(body, "\n") {
		if !json.Valid([]byte(line)) {
			return false
		}
	}
	return true
}

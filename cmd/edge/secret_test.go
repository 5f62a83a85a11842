package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/auth"
)

// secretText is fit for every key that takes a secret.
const secretText = "0123456789abcdef0123456789abcdef"

// A reload reads a secret's file again: from then on tokens under the new secret are good, and those under the old one only if
// it is named as the previous one.
func TestReloadOfSecrets(t *testing.T) {
	const was, now = "first-" + secretText, "second-" + secretText
	secret := filepath.Join(t.TempDir(), "hmac")
	writeFile(t, secret, was+"\n")
	config := "client: {allowed_origins: [\"*\"], token: {hmac_secret_key_file: " + secret + "%s}}"
	file := configFile(t, fmt.Sprintf(config, ""))
	s := start(t, "--config", file)
	tokens := map[string]string{was: signed(t, was), now: signed(t, now)}
	check := func(under string, want bool) {
		t.Helper()
		c := s.open(t)
		defer c.close()
		if err := c.say(`{"id":1,"connect":{"token":"` + tokens[under] + `"}}`); err != nil {
			t.Fatal(err)
		}
		if reply, err := c.hear(); (err == nil && strings.Contains(reply, `"connect":{`)) != want {
			t.Errorf("a token under the secret %s… gets %q, %v; want it accepted: %v", under[:6], reply, err, want)
		}
	}
	check(was, true)
	check(now, false)
	writeFile(t, secret, now+"\n")
	if line := s.reload(t, "reloaded"); len(line.Changed) != 1 || !strings.HasPrefix(line.Changed[0], "client.token.hmac_secret_key_file: ") {
		t.Errorf("changed %q", line.Changed)
	}
	check(was, false)
	check(now, true)
	writeFile(t, file, fmt.Sprintf(config, ", hmac_previous_secret_key: "+was+", hmac_previous_until: 2999-01-01T00:00:00Z"))
	s.reload(t, "reloaded")
	check(was, true)
	check(now, true)
	if err := os.Remove(secret); err != nil {
		t.Fatal(err)
	}
	line := s.reload(t, "reload changes nothing")
	if want := `client.token.hmac_secret_key_file: "` + secret + `": no such file or directory; write the path of a file that has it`; line.Error != want {
		t.Errorf("the log says %q; want %q", line.Error, want)
	}
	check(now, true)
	const failed = `edge_config_reloads_total{result="failed"} 1`
	if figures := s.get(t, "/metrics"); !strings.Contains(figures, failed) {
		t.Errorf("/metrics lacks %s", failed)
	}
	s.term(t)
}

// signed returns a connection token under a secret.
func signed(t *testing.T, secret string) string {
	t.Helper()
	token, err := (&auth.Signer{Secret: secret}).Connect(auth.ConnectClaims{Identity: auth.Identity{User: "alice", Expiry: time.Now().Add(time.Hour)}})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// get returns what the internal address answers.
func (s *serving) get(t *testing.T, path string) string {
	t.Helper()
	answer, err := http.Get("http://" + s.Internal + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	defer http.DefaultClient.CloseIdleConnections()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// said returns all that a command prints.
func said(t *testing.T, args ...string) string {
	t.Helper()
	_, out, complaint := run(t, args...)
	return out + complaint
}

// A19: a secret stands nowhere but in its own place, whatever the log level: not in arguments, log, metrics, debugging pages,
// profiles, or what commands print.
func TestSecretsAppearNowhere(t *testing.T) {
	const marker = "mArKeR-" + secretText
	other := filepath.Join(t.TempDir(), "hmac")
	writeFile(t, other, marker+"-file")
	config := "log: {level: debug}\n" +
		"client:\n  allowed_origins: [\"*\"]\n" +
		"  token: {hmac_secret_key_file: " + other + ", hmac_previous_secret_key: " + marker + "-previous, hmac_previous_until: 2999-01-01T00:00:00Z}\n" +
		"hooks: {rpc: {url: 'http://127.0.0.1:1/rpc?key=" + marker + "', secret: " + marker + ", headers: {Authorization: " + marker + "}}}\n" +
		"api: {key: "
	file := configFile(t, config+marker+"}\n")
	s := start(t, "--config", file)
	token := signed(t, marker+"-file")
	c := s.open(t)
	if err := c.say(`{"id":1,"connect":{"token":"` + token + `"}}`); err != nil {
		t.Fatal(err)
	}
	if reply, err := c.hear(); !strings.Contains(reply, `"connect":{`) {
		t.Fatalf("connect: %q, %v", reply, err)
	}
	answer := c.ask(`{"id":2,"rpc":{"method":"any"}}`) // no backend is there: the node has something to say
	c.close()
	bad := s.open(t)
	if err := bad.say(`{"id":1,"connect":{"token":"` + token + `x"}}`); err != nil {
		t.Fatal(err)
	}
	farewell, _ := bad.hear() // closed
	bad.close()
	seen := map[string]string{
		"an answer": answer, "a farewell": farewell,
		"arguments": readFile(t, fmt.Sprintf("/proc/%d/cmdline", s.cmd.Process.Pid)),
	}
	for _, path := range []string{"/metrics", "/health", "/debug/slow", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=2", "/debug/pprof/heap?debug=1", "/"} {
		seen[path] = s.get(t, path)
	}
	seen["checkconfig"] = said(t, "checkconfig", file)
	seen["configdoc --effective"] = said(t, "configdoc", "--effective", "--config", file)
	for _, r := range []struct{ content, message string }{
		{config + marker + "-2}\n", "reloaded"},
		{config + marker + " " + marker + "}\n", "reload changes nothing"},
		{"api: " + marker, "reload changes nothing"},
	} {
		writeFile(t, file, r.content)
		s.reload(t, r.message)
		seen["checkconfig of "+r.message] += said(t, "checkconfig", file)
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_, rest := s.end(t)
	seen["the log"] = s.past.String() + rest
	for where, text := range seen {
		if strings.Contains(text, "mArKeR") || strings.Contains(text, token) {
			t.Errorf("%s has a secret: %s", where, text)
		}
	}
}

// readFile returns what is in a file.
func readFile(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

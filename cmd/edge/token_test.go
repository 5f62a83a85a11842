package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/auth"
)

// tokenConfig writes a configuration with tokens of both kinds.
func tokenConfig(t *testing.T) string {
	t.Helper()
	return configFile(t, "client:\n"+
		"  token: {hmac_secret_key: connection-"+secretText+", issuer: test, audience: edge}\n"+
		"  subscription_token: {enabled: true, hmac_secret_key: subscription-"+secretText+"}\n")
}

// Tokens of both kinds say what the flags do, and the commands that check them believe them.
func TestTokens(t *testing.T) {
	file := tokenConfig(t)
	for _, r := range []struct{ make, check, claims string }{
		{"gentoken --user alice --ttl 1h", "checktoken", `"sub":"alice"`},
		{"gentoken --ttl 0", "checktoken", `"aud":["edge"]`},
		{`gentoken --info {"name":"Alice"} --channel news --channel chat:1`, "checktoken", `"subs":{"chat:1":{},"news":{}}`},
		{"gensubtoken --channel news --user alice --client 1234", "checksubtoken", `"client":"1234"`},
	} {
		code, token, complaint := run(t, append(strings.Fields(r.make), "--config", file)...)
		if code != 0 || complaint != "" || strings.Count(token, "\n") != 1 {
			t.Errorf("edge %s = %d, %q, %q", r.make, code, token, complaint)
			continue
		}
		code, out, complaint := run(t, r.check, strings.TrimSpace(token), "--config", file)
		if code != 0 || complaint != "" || !strings.Contains(out, r.claims) || !strings.HasSuffix(out, "\ngood\n") || strings.Contains(out, strings.TrimSpace(token)) {
			t.Errorf("edge %s of what %s made = %d, %q, %q; want it good, with %s", r.check, r.make, code, out, complaint, r.claims)
		}
	}
}

// With --json a token comes with what a revocation needs, and a verdict with what is in the token.
func TestTokensAsJSON(t *testing.T) {
	file := tokenConfig(t)
	_, out, _ := run(t, "gentoken", "--user=alice", "--json", "--config", file)
	var m made
	if err := json.Unmarshal([]byte(out), &m); err != nil || m.User != "alice" || m.ID == "" || time.Until(m.Expires) > time.Hour {
		t.Fatalf("gentoken --json prints %q, %v", out, err)
	}
	cmd := edge("checktoken", "--json", "--config", file)
	cmd.Stdin = strings.NewReader(m.Token + "\n")
	answer, err := cmd.Output()
	var v verdict
	if err != nil || json.Unmarshal(answer, &v) != nil || !v.Good || v.Token.Algorithm != "HS256" || !strings.Contains(string(v.Token.Claims), m.ID) {
		t.Errorf("checktoken --json prints %q, %v", answer, err)
	}
}

// What a node would refuse is refused with status 1, and one line says why.
func TestRefusedTokens(t *testing.T) {
	file := tokenConfig(t)
	expired, err := (&auth.Signer{Secret: "connection-" + secretText, Issuer: "test", Audience: "edge"}).
		Connect(auth.ConnectClaims{Identity: auth.Identity{User: "alice", Expiry: time.Now().Add(-time.Minute)}})
	if err != nil {
		t.Fatal(err)
	}
	_, subscription, _ := run(t, "gensubtoken", "--channel=news", "--config", file)
	for _, r := range []struct{ name, token, why string }{
		{"rubbish", "rubbish", "edge: auth: invalid token: not three parts\n"},
		{"an expired token", expired, "edge: auth: token expired: its time is over\n"},
		{"a subscription token", strings.TrimSpace(subscription), "edge: auth: invalid token: its signature is wrong\n"},
	} {
		code, out, complaint := run(t, "checktoken", r.token, "--config", file)
		if code != exitNo || complaint != r.why || !strings.HasSuffix(out, "refused\n") {
			t.Errorf("checktoken of %s = %d, %q, %q; want %d and %q", r.name, code, out, complaint, exitNo, r.why)
		}
	}
}

func TestWrongUseOfTokens(t *testing.T) {
	file := tokenConfig(t)
	keyless := configFile(t, "client: {token: {jwks_public_endpoint: 'https://keys.example'}}")
	for _, r := range []struct{ args, want string }{
		{"gentoken", "client.token.hmac_secret_key: missing; name a file that has it by --config, or make one by edge genconfig"},
		{"gentoken --config " + keyless, "client.token.hmac_secret_key: missing; name a file that has it by --config, or make one by edge genconfig"},
		{"gentoken --ttl -1s --config " + file, "--ttl: -1s has passed; write a time such as 1h, or 0 for ever"},
		{"gentoken --info {name} --config " + file, `--info: not JSON; write as '{"name":"Alice"}'`},
		{"gentoken --channel a --channel a --config " + file, `auth: configuration: subscription to "a"; name each channel once`},
		{"gensubtoken --config " + file, "--channel: missing; write the room that the token is for"},
		{"checktoken token", "client.token: no key in it could check a token; name a file that has one by --config"},
		{"checktoken --config " + file, "no token; write it as an argument, or to standard input"},
	} {
		code, out, complaint := run(t, strings.Fields(r.args)...)
		if code != exitUsage || out != "" || complaint != "edge: "+r.want+"\n" {
			t.Errorf("edge %s = %d, %q, %q; want %d and %q", r.args, code, out, complaint, exitUsage, r.want)
		}
	}
}

// What genconfig makes is fine, differs each time, is for its owner's eyes only, and is never written over.
func TestGenConfig(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one.yaml"), filepath.Join(dir, "two.yml")
	for _, name := range []string{one, two} {
		if code, _, complaint := run(t, "genconfig", name); code != 0 || complaint != "" {
			t.Fatalf("genconfig %s = %d, %q", name, code, complaint)
		}
		if info, err := os.Stat(name); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s is made with %v, %v; want 0600", name, info.Mode(), err)
		}
		if code, _, complaint := run(t, "checkconfig", name); code != 0 {
			t.Errorf("what genconfig makes is not fine: %s", complaint)
		}
	}
	first := readFile(t, one)
	if first == readFile(t, two) {
		t.Error("genconfig makes the same secrets twice")
	}
	for name, want := range map[string]string{
		one:                     "exists, and is not written over; write another name",
		dir + "/edge.json":      "what is made is YAML; write a name that ends in .yaml",
		dir + "/none/edge.yaml": "no such file or directory",
		"/dev/null/a/edge.yaml": "not a directory",
	} {
		code, out, complaint := run(t, "genconfig", name)
		if code != exitUsage || out != "" || complaint != "edge: "+name+": "+want+"\n" {
			t.Errorf("genconfig %s = %d, %q, %q; want %d and %q", name, code, out, complaint, exitUsage, want)
		}
	}
	if readFile(t, one) != first {
		t.Error("genconfig has written over a file")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("genconfig leaves %v, %v; want its two files", left, err)
	}
	code, token, complaint := run(t, "gentoken", "--config", one)
	if code != 0 {
		t.Fatalf("gentoken with a made configuration: %s", complaint)
	}
	if code, _, _ := run(t, "checktoken", strings.TrimSpace(token), "--config", two); code != exitNo {
		t.Errorf("another configuration believes its token: %d", code)
	}
}

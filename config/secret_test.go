package config

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed4ac54ce5/edge/auth"
	"golang.org/x/sys/unix"
)

// marker is in each secret of these tests, and in nothing that anybody may see.
const marker = "mArKeR"

// long returns a secret that is long enough for every key.
func long(name string) string { return marker + "-" + name + strings.Repeat("x", 32) }

// publicKey returns a public key in PEM.
func publicKey(t testing.TB, public any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// Each secret is the same written out and in a file, save for the end of its last line.
func TestSecretsFromFiles(t *testing.T) {
	rsaKey, errRSA := rsa.GenerateKey(rand.Reader, 2048)
	ecdsaKey, errECDSA := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ed25519Key, _, errEd := ed25519.GenerateKey(rand.Reader)
	if errRSA != nil || errECDSA != nil || errEd != nil {
		t.Fatal(errRSA, errECDSA, errEd)
	}
	tokens := func(c *Config) auth.Config { return c.Server().Access.Tokens }
	for _, r := range []struct {
		path, value string
		got         func(*Config) string
	}{
		{"api.key", long("api"), func(c *Config) string { return c.Server().API.Key }},
		{"client.token.hmac_secret_key", long("hmac"), func(c *Config) string { return tokens(c).HMACSecret }},
		{"client.token.rsa_public_key", publicKey(t, &rsaKey.PublicKey), func(c *Config) string { return tokens(c).RSAPublicKey }},
		{"client.token.ecdsa_public_key", publicKey(t, &ecdsaKey.PublicKey), func(c *Config) string { return tokens(c).ECDSAPublicKey }},
		{"client.token.ed25519_public_key", publicKey(t, ed25519Key), func(c *Config) string { return tokens(c).Ed25519PublicKey }},
		{"client.subscription_token.hmac_secret_key", long("sub"), func(c *Config) string { return c.settings.subTokens.config().HMACSecret }},
		{"hooks.connect.secret", long("hook"), func(c *Config) string { return c.Hooks().Connect.Secret }},
		{"hooks.connect.previous_secret", "", func(c *Config) string { return c.Hooks().Connect.PreviousSecret }},
	} {
		if got := r.got(loadFrom(t, Sources{Environ: []string{variable(r.path) + "=" + r.value}})); got != r.value {
			t.Errorf("%s = %q; want %q", r.path, got, r.value)
		}
		for _, end := range []string{"\n", "\r\n", "\n\n"} {
			name := file(t, "secret", r.value+end)
			if r.value == "" {
				name = ""
			}
			want := strings.TrimRight(r.value, "\n")
			if got := r.got(loadFrom(t, Sources{Environ: []string{variable(r.path) + "_FILE=" + name}})); got != want {
				t.Errorf("%s in a file that ends in %q is %q; want %q", r.path, end, got, want)
			}
		}
	}
}

// What is wrong with a file is said with its name, and not with what is in it.
func TestBadSecretFiles(t *testing.T) {
	dir := t.TempDir()
	short, empty, large, pipe := filepath.Join(dir, "short"), filepath.Join(dir, "empty"), filepath.Join(dir, "large"), filepath.Join(dir, "pipe")
	for name, content := range map[string]string{short: marker, empty: "\n\n", large: strings.Repeat(marker, maxSecret)} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	const key = "client.token.hmac_secret_key"
	for name, want := range map[string]string{
		short:         "what NAME holds is too short; write " + secretHint,
		empty:         "NAME: empty; write the path of a file that has it",
		large:         "NAME: larger than 64KiB; write the path of a file that has it",
		pipe:          "NAME: not a regular file; write the path of a file that has it",
		dir:           "NAME: not a regular file; write the path of a file that has it",
		dir + "/none": "NAME: no such file or directory; write the path of a file that has it",
	} {
		got := complaints(t, Sources{Environ: []string{variable(key) + "_FILE=" + name}})
		line := key + "_file (" + variable(key) + "_FILE): " + strings.Replace(want, "NAME", `"`+name+`"`, 1)
		if !slices.Equal(got, []string{line}) {
			t.Errorf("a secret in %s: %q; want %q", name, got, line)
		}
	}
	both := Sources{File: file(t, "edge.yaml", "api: {key: "+marker+", key_file: "+short+"}")}
	if got := complaints(t, both); !slices.Equal(got, []string{"api.key_file: stands beside key; write one of them"}) {
		t.Errorf("a secret given twice: %q", got)
	}
}

// A19: whatever is wrong with a secret, no complaint quotes it.
func TestComplaintsQuoteNoSecret(t *testing.T) {
	for _, content := range []string{
		"client: {token: {hmac_secret_key: " + marker + "}}",
		"client: {token: {hmac_secret_key: [" + marker + "]}}",
		"client: {token: {hmac_secret_key: {" + marker + ": 1}}}",
		"client: {token: {rsa_public_key: " + marker + "}}",
		"client: {token: " + marker + "}",
		"client: " + marker,
		"api: " + marker,
		"api: {key: '" + marker + " " + marker + "'}",
		`api: {key: "` + marker + `\xff\0"}`,
		"hooks: " + marker,
		"hooks: {connect: " + marker + "}",
		"hooks: {connect: {secret: " + marker + "}}",
		"hooks: {connect: {headers: " + marker + "}}",
		"hooks: {connect: {headers: [" + marker + "]}}",
		"hooks: {connect: {headers: {Authorization: [" + marker + "]}}}",
		"hooks: {connect: {headers: {Authorization: \"" + marker + "\\r\\n\"}}}",
		"hooks: {connect: {url: 'https://user:" + marker + "@app.example'}}",
		"hooks: {connect: {url: 'ftp://app.example?key=" + marker + "'}}",
		"client: {token: {jwks_public_endpoint: 'http://issuer.example/keys?key=" + marker + "'}}",
		"client: {token: {jwks_public_endpoint: 'https://user:" + marker + "@issuer.example/keys'}}",
		"client: {token: {jwks_public_endpoint: 'https://issuer.example/%?key=" + marker + "'}}",
		"client: {token: {jwks: [{endpoint: 'http://issuer.example/keys?key=" + marker + "'}]}}",
		"client: {token: {jwks: [{endpoint: 'https://user:" + marker + "@issuer.example/keys'}]}}",
		"client: {token: {jwks: [{issuer: a, endpoint: 'https://user:" + marker + "#@issuer.example/keys'}]}}",
		"client: {token: {jwks: [{issuer: a, endpoint: 'user:" + marker + "@issuer.example/keys'}]}}",
		"client: {token: {jwks: [{endpoint: 'https://issuer.example/keys?key=" + marker + "'}, {issuer: b, endpoint: 'https://b.example'}]}}",
	} {
		got := complaints(t, Sources{File: file(t, "edge.yaml", content)})
		if len(got) == 0 || strings.Contains(strings.Join(got, "\n"), marker) {
			t.Errorf("%s: %q; want complaints without the secret", content, got)
		}
	}
	for _, name := range []string{"EDGE_API_KEY", "EDGE_CLIENT_TOKEN_HMAC_SECRET_KEY", "EDGE_HOOKS_RPC_SECRET", "EDGE_HOOKS_RPC_HEADERS", "EDGE_HOOKS_RPC_URL", "EDGE_CLIENT_TOKEN_JWKS_PUBLIC_ENDPOINT"} {
		got := complaints(t, Sources{Environ: []string{name + "=" + marker + "\xff "}})
		if len(got) == 0 || strings.Contains(strings.Join(got, "\n"), marker) {
			t.Errorf("%s: %q; want complaints without the secret", name, got)
		}
	}
}

// secretConfig has a secret wherever there may be one.
func secretConfig(t testing.TB, of string) string {
	return "api: {key: " + long(of) + "}\n" +
		"client:\n" +
		"  token: {hmac_secret_key_file: " + file(t, "hmac", long(of)) + ", hmac_previous_secret_key: " + long(of) + ", hmac_previous_until: 2030-01-31T12:00:00Z}\n" +
		"  subscription_token: {enabled: true, hmac_secret_key: " + long(of) + ", jwks: [{issuer: a, endpoint: 'https://a.example/keys?key=" + marker + of + "'}]}\n" +
		"hooks:\n" +
		"  connect: {url: 'https://app.example/connect?key=" + marker + of + "', secret: " + long(of) + ", headers: {Authorization: Bearer " + long(of) + "}}\n"
}

// A19: neither what holds nor what a reload changes shows a secret, but whether there is one.
func TestSecretsAreNotShown(t *testing.T) {
	was, now := load(t, secretConfig(t, "a")), load(t, secretConfig(t, "b"))
	var b bytes.Buffer
	if err := was.WriteEffective(&b); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(b.String(), "(set)"); got != 7 || strings.Contains(b.String(), marker) {
		t.Errorf("configdoc --effective shows %d secrets as set; want 7:\n%s", got, b.String())
	}
	_, changes, err := was.Reloaded(now)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range changes {
		if strings.Contains(c.What+c.From+c.To, marker) {
			t.Errorf("a change of a secret reads %+v", c)
		}
	}
	if len(changes) != 8 {
		t.Errorf("%d changes; want all 8 secrets: %+v", len(changes), changes)
	}
}

// A file whose name stays and whose content changes is a change.
func TestReloadedSecretFile(t *testing.T) {
	name := file(t, "key", "first")
	from := Sources{File: file(t, "edge.yaml", "api: {key_file: "+name+"}")}
	was := loadFrom(t, from)
	if err := os.WriteFile(name, []byte("second\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	merged, changes, err := was.Reloaded(loadFrom(t, from))
	want := `api.key_file: "` + name + `", now another`
	if err != nil || len(changes) != 1 || changes[0].What != want || !changes[0].Live {
		t.Fatalf("changes %+v, %v; want %s", changes, err, want)
	}
	if key := merged.Server().API.Key; key != "second" {
		t.Errorf("the key is %q; want second", key)
	}
}

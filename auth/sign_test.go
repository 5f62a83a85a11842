package auth

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestSignedTokensComeBack(t *testing.T) {
	s := Signer{Secret: testSecret, Issuer: "cli", Audience: "chat"}
	v := newVerifier(t, Config{HMACSecret: testSecret, Issuer: "cli", Audience: "chat"})
	caps, err := ParseCapabilities(`[{"channels":["a"],"allow":["pub"]}]`)
	if err != nil {
		t.Fatal(err)
	}
	id := Identity{User: "ada", ID: "t1", Issued: testNow, Expiry: testNow.Add(time.Hour)}
	for _, c := range []ConnectClaims{
		{},
		{Identity: id},
		{Identity: id, Info: []byte(`{"a":1}`), Meta: []byte(`[]`), Capabilities: caps},
		{Info: []byte("[]"), Subs: []Sub{
			{Channel: "a", Info: []byte("1"), Data: []byte("{"), Override: Override{On, Off, AsRoom, On, Off}},
			{Channel: "b", Info: []byte("{}"), Data: []byte("2")},
		}},
	} {
		token, err := s.Connect(c)
		if err != nil {
			t.Errorf("Signer.Connect(%+v) = %v", c, err)
			continue
		}
		if got, err := v.Connect([]byte(token), testNow); err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("Connect of what was signed = %+v, %v; want %+v", got, err, c)
		}
	}
	sub := SubscribeClaims{Identity: id, Client: "c1", Sub: Sub{Channel: "$a", Info: []byte("1"), Data: []byte("x"), Override: Override{ForceRecovery: On}}}
	token, err := s.Subscribe(sub)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := v.Subscribe([]byte(token), testNow); err != nil || !reflect.DeepEqual(got, sub) {
		t.Errorf("Subscribe of what was signed = %+v, %v; want %+v", got, err, sub)
	}
}

func TestSignerRefuses(t *testing.T) {
	s := Signer{Secret: testSecret}
	for name, sign := range map[string]func() (string, error){
		"no secret":      func() (string, error) { return (&Signer{}).Connect(ConnectClaims{}) },
		"a short secret": func() (string, error) { return (&Signer{Secret: "x"}).Connect(ConnectClaims{}) },
		"no channel":     func() (string, error) { return s.Subscribe(SubscribeClaims{}) },
		"a channel twice": func() (string, error) {
			return s.Connect(ConnectClaims{Subs: []Sub{{Channel: "a"}, {Channel: "a"}}})
		},
		"a channel without a name": func() (string, error) { return s.Connect(ConnectClaims{Subs: []Sub{{}}}) },
		"info that is not JSON":    func() (string, error) { return s.Connect(ConnectClaims{Info: []byte{0xff, 0}}) },
		"meta that is not JSON":    func() (string, error) { return s.Connect(ConnectClaims{Meta: []byte("{")}) },
		"more than a token holds": func() (string, error) {
			return s.Connect(ConnectClaims{Meta: []byte(`"` + strings.Repeat("x", MaxToken) + `"`)})
		},
	} {
		if token, err := sign(); token != "" || !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %q, %v; want ErrConfig", name, token, err)
		}
	}
}

func TestExplain(t *testing.T) {
	token := mint(t, "HS256", []byte(otherSecret), object{"alg": "none", "kid": "k1"}, object{
		"sub": "ada", "channel": "news", "iat": after(0), "nbf": after(time.Second), "exp": after(time.Minute), "expire_at": after(time.Hour),
	})
	got, err := Explain([]byte(token))
	if err != nil {
		t.Fatal(err)
	}
	want := Explanation{
		Header: []byte(`{"alg":"none","kid":"k1"}`), Claims: got.Claims,
		Algorithm: "none", KeyID: "k1", Subscription: true,
		Issued: testNow, NotBefore: testNow.Add(time.Second), Expires: testNow.Add(time.Minute), Ends: testNow.Add(time.Hour),
	}
	if !reflect.DeepEqual(got, want) || !strings.Contains(string(got.Claims), `"sub":"ada"`) {
		t.Errorf("Explain = %+v; want %+v", got, want)
	}
	lines := "subscription token\nheader  " + string(got.Header) + "\nclaims  " + string(got.Claims) + `
issued  2027-01-15T08:00:00Z
from    2027-01-15T08:00:01Z
until   2027-01-15T08:01:00Z
grants  2027-01-15T09:00:00Z
`
	if got.String() != lines {
		t.Errorf("String() = %s\nwant %s", got, lines)
	}
}

func TestExplainWithoutTimes(t *testing.T) {
	for _, payload := range []object{{}, {"exp": after(0), "expire_at": 0}} {
		e, err := Explain([]byte(mintHS(t, payload)))
		if err != nil || !e.Ends.IsZero() || !strings.Contains(e.String(), "connection token\n") || !strings.Contains(e.String(), "grants  without end\n") {
			t.Errorf("Explain(%v) = %s, %v; want no end", payload, e, err)
		}
	}
}

func TestExplainRefusesWhatIsNoToken(t *testing.T) {
	for _, token := range []string{
		"", "a.b", "!.e30.", encode("x") + ".e30.", encode("[]") + ".e30.", "e30.!.", "e30." + encode("[]") + ".",
		"e30." + encode(`{"exp":"x"}`) + ".", "e30." + encode(`{"expire_at":"x"}`) + ".", strings.Repeat(".", MaxToken+1),
	} {
		if e, err := Explain([]byte(token)); !errors.Is(err, ErrInvalid) {
			t.Errorf("Explain(%.40q) = %+v, %v; want ErrInvalid", token, e, err)
		}
	}
}

package auth

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestAttacks has a row for each way to get in without a right to.
func TestAttacks(t *testing.T) {
	public := pemOf(rsaKey().Public())
	v := newVerifier(t, Config{
		HMACSecret: testSecret, RSAPublicKey: public, ECDSAPublicKey: pemOf(curveKey().Public()),
		Audience: "chat", Issuer: "https://issuer.example",
	})
	good := object{"sub": "ada", "exp": after(time.Hour), "aud": "chat", "iss": "https://issuer.example"}
	secret := []byte(testSecret)
	hs := func(header, payload object) string {
		return mint(t, "HS256", secret, with(object{"alg": "HS256"}, header), payload)
	}
	claim := func(changes object) string { return hs(nil, with(good, changes)) }
	valid := hs(nil, good)
	unsigned := func(alg any) string {
		return encode(text(object{"alg": alg, "typ": "JWT"})) + "." + encode(text(good)) + "."
	}
	// broken has another letter near the end of the signature than token.
	broken := func(token string) string {
		return token[:len(token)-2] + flip(token[len(token)-2]) + token[len(token)-1:]
	}

	for _, row := range []struct {
		name, token string
		want        error
	}{
		{"a good one", valid, nil},
		{"a good one without exp", claim(object{"exp": nil}), nil},
		{"a good one with typ", hs(object{"typ": "jwt"}, good), nil},
		{"a good one by RSA", mint(t, "RS384", rsaKey(), object{"alg": "RS384"}, good), nil},
		{"a good one by ECDSA", mint(t, "ES256", curveKey(), object{"alg": "ES256"}, good), nil},

		{"A05 alg none", unsigned("none"), errAlgorithm},
		{"A05 alg None", unsigned("None"), errAlgorithm},
		{"A05 alg empty", unsigned(""), errAlgorithm},
		{"A05 alg null", unsigned(nil), errAlgorithm},
		{"A05 alg list", unsigned([]string{"HS256"}), errAlgorithm},
		{"A05 alg number", unsigned(256), errAlgorithm},
		{"A05 no alg", mint(t, "HS256", secret, object{"typ": "JWT"}, good), errAlgorithm},
		{"A05 alg hs256", hs(object{"alg": "hs256"}, good), errAlgorithm},
		{"A05 name ALG", mint(t, "HS256", secret, object{"ALG": "HS256"}, good), errAlgorithm},
		{"A05 alg with a space", hs(object{"alg": "HS256 "}, good), errAlgorithm},
		{"A05 alg escaped", mintText(t, "HS256", secret, `{"alg":"\u0048S256"}`, `{}`), errAlgorithm},
		{"A05 alg twice", mintText(t, "HS256", secret, `{"alg":"none","alg":"HS256"}`, `{}`), errTwice},
		{"A05 alg twice, once escaped", mintText(t, "HS256", secret, `{"alg":"HS256","\u0061lg":"none"}`, `{}`), errTwice},
		{"A05 alg without a key", mint(t, "EdDSA", edwardsKey(), object{"alg": "EdDSA"}, good), errKey},
		{"A05 empty signature", valid[:strings.LastIndexByte(valid, '.')+1], errSignature},
		{"A05 critical extension", hs(object{"crit": []string{"exp"}}, good), errCrit},
		{"A05 unencoded payload", hs(object{"b64": false, "crit": []string{"b64"}}, good), errCrit},

		{"A06 RSA key as HMAC secret, PEM", mint(t, "HS256", []byte(public), object{"alg": "HS256"}, good), errSignature},
		{"A06 RSA key as HMAC secret, bytes", mint(t, "HS256", rsaKey().N.Bytes(), object{"alg": "HS256"}, good), errSignature},
		{"A06 RSA signature as HMAC", mint(t, "RS256", rsaKey(), object{"alg": "HS256"}, good), errSignature},
		{"A06 HMAC as RSA signature", hs(object{"alg": "RS256"}, good), errSignature},
		{"A06 RSA signature as ECDSA", mint(t, "RS256", rsaKey(), object{"alg": "ES256"}, good), errSignature},
		{"A06 ECDSA on another curve", mint(t, "ES384", wideKey(), object{"alg": "ES384"}, good), errKey},
		{"A06 another hash than said", mint(t, "RS256", rsaKey(), object{"alg": "RS512"}, good), errSignature},

		{"A07 kid is a path", mint(t, "HS256", []byte{}, object{"alg": "HS256", "kid": "../../dev/null"}, good), errSignature},
		{"A07 kid is SQL", mint(t, "HS256", []byte("x"), object{"alg": "HS256", "kid": "' UNION SELECT 'x"}, good), errSignature},
		{"A07 kid of 1 MB", hs(object{"kid": strings.Repeat("k", 1<<20)}, good), errSize},
		{"A07 jwk in the header", mint(t, "HS256", []byte(otherSecret), object{"alg": "HS256", "jwk": object{"kty": "oct", "k": encode(otherSecret)}}, good), errSignature},
		{"A07 jku in the header", mint(t, "HS256", []byte(otherSecret), object{"alg": "HS256", "jku": "http://127.0.0.1:1/"}, good), errSignature},
		{"A07 x5u in the header", mint(t, "HS256", []byte(otherSecret), object{"alg": "HS256", "x5u": "http://127.0.0.1:1/"}, good), errSignature},

		{"A10 expired", claim(object{"exp": after(-time.Second)}), ErrExpired},
		{"A10 expired now", claim(object{"exp": after(0)}), ErrExpired},
		{"A10 expires in a second", claim(object{"exp": after(time.Second)}), nil},
		{"A10 exp 0", claim(object{"exp": 0}), ErrExpired},
		{"A10 exp before all time", claim(object{"exp": -1e300}), ErrExpired},
		{"A10 exp beyond all time", claim(object{"exp": 1e300}), nil},
		{"A10 exp a fraction", claim(object{"exp": float64(after(0)) + 0.5}), ErrExpired},
		{"A10 exp a string", claim(object{"exp": "1900000000"}), ErrInvalid},
		{"A10 not yet valid", claim(object{"nbf": after(time.Second)}), ErrExpired},
		{"A10 valid from now", claim(object{"nbf": after(0)}), nil},
		{"A10 nbf a list", claim(object{"nbf": []int{1}}), ErrInvalid},
		{"A10 issued by a clock a minute ahead", claim(object{"iat": after(time.Minute)}), nil},
		{"A10 issued in the future", claim(object{"iat": after(time.Minute + time.Second)}), nil},
		{"A10 issued in milliseconds", claim(object{"iat": 1000 * after(0)}), nil},
		{"A10 issued beyond all time", claim(object{"iat": 1e300}), nil},
		{"A10 expire_at in the past", claim(object{"expire_at": after(-time.Second)}), ErrExpired},
		{"A10 expire_at instead of exp", claim(object{"exp": after(-1), "expire_at": after(time.Hour)}), ErrExpired},
		{"A10 no aud", claim(object{"aud": nil}), errAudience},
		{"A10 other aud", claim(object{"aud": "chat2"}), errAudience},
		{"A10 other case of aud", claim(object{"aud": "Chat"}), errAudience},
		{"A10 aud a number", claim(object{"aud": 7}), ErrInvalid},
		{"A10 aud in a list", claim(object{"aud": []any{"x", "chat"}}), nil},
		{"A10 aud not in a list", claim(object{"aud": []any{"x", 1, nil, []string{"chat"}}}), errAudience},
		{"A10 aud an empty list", claim(object{"aud": []any{}}), errAudience},
		{"A10 no iss", claim(object{"iss": nil}), errIssuer},
		{"A10 other iss", claim(object{"iss": "https://issuer.example/"}), errIssuer},
		{"A10 iss with more", claim(object{"iss": "https://issuer.example.evil"}), errIssuer},
		{"A10 iss where a point was", claim(object{"iss": "https://issuerxexample"}), errIssuer},
		{"A10 iss a list", claim(object{"iss": []string{"https://issuer.example"}}), ErrInvalid},
		{"A10 typ of another kind", hs(object{"typ": "at+jwt"}, good), errTyp},
		{"A10 typ a number", hs(object{"typ": 1}, good), errTyp},
		{"A10 for a subscription", claim(object{"channel": "news"}), errKind},
		{"A10 expired and of another issuer", claim(object{"exp": 1, "iss": "x"}), errIssuer},
		{"A10 sub a number", claim(object{"sub": 7}), ErrInvalid},
		{"A10 sub twice", mintText(t, "HS256", secret, `{"alg":"HS256"}`, `{"sub":"eve","sub":"ada"}`), errTwice},

		{"A11 expired and badly signed", broken(claim(object{"exp": 1})), errSignature},
		{"A11 not yet valid and badly signed", broken(claim(object{"nbf": after(time.Hour)})), errSignature},
		{"A11 expired, by another secret", mint(t, "HS256", []byte(otherSecret), object{"alg": "HS256"}, with(good, object{"exp": 1})), errSignature},
		{"A11 expired, by another RSA key", broken(mint(t, "RS256", rsaKey(), object{"alg": "RS256"}, with(good, object{"exp": 1}))), errSignature},
		{"A11 payload of another token", graft(valid, claim(object{"sub": "eve"})), errSignature},

		{"A12 a million dots", strings.Repeat(".", 1e6), errSize},
		{"A12 dots up to the limit", strings.Repeat(".", MaxToken), errParts},
		{"A12 huge header", hs(object{"pad": strings.Repeat("x", MaxToken)}, good), errSize},
		{"A12 deep header", encode(strings.Repeat("[", 6000)) + ".e30.", errHeader},
		{"A12 deep payload", mintText(t, "HS256", secret, `{"alg":"HS256"}`, strings.Repeat("[", 5000)), errPayload},
		{"A12 wide header", encode("{"+strings.Repeat(`"a":0,`, 1000)+`"a":0}`) + ".e30.", errAlgorithm},
		{"A12 nothing", "", errParts},
		{"A12 two parts", "e30.e30", errParts},
		{"A12 four parts", valid + ".", errParts},
		{"A12 five parts", valid + ".e30.e30", errParts},
		{"A12 padding", strings.Replace(valid, ".", "=.", 1), errBase64},
		{"A12 line end in the header", "\n" + valid, errBase64},
		{"A12 line end after the signature", valid + "\n", errSignature},
		{"A12 header a list", encode(`["alg"]`) + ".e30.", errHeader},
		{"A12 header a string", encode(`"alg"`) + ".e30.", errHeader},
		{"A12 header and more", encode(`{"alg":"HS256"} x`) + ".e30.", errHeader},
		{"A12 payload a list", mintText(t, "HS256", secret, `{"alg":"HS256"}`, `[]`), errPayload},
		{"A12 payload not text", mintText(t, "HS256", secret, `{"alg":"HS256"}`, "{\"sub\":\"\xff\"}"), errPayload},
		{"A12 payload empty", mintText(t, "HS256", secret, `{"alg":"HS256"}`, ""), errPayload},
	} {
		t.Run(row.name, func(t *testing.T) {
			claims, err := v.Connect([]byte(row.token), testNow)
			if !errors.Is(err, row.want) || (err == nil) != (row.want == nil) {
				t.Fatalf("Connect = %v; want %v", err, row.want)
			}
			if err == nil && claims.User != "ada" || err != nil && claims.User != "" {
				t.Errorf("Connect = user %q with error %v", claims.User, err)
			}
			if err != nil && errors.Is(err, ErrInvalid) == errors.Is(err, ErrExpired) {
				t.Errorf("Connect = %v; want either ErrInvalid or ErrExpired", err)
			}
		})
	}
}

// TestAnyChangeIsSeen replaces each byte of a token by every other one.
func TestAnyChangeIsSeen(t *testing.T) {
	v := newVerifier(t, Config{HMACSecret: testSecret})
	token := []byte(mintHS(t, object{"sub": "ada", "channels": []string{"news"}}))
	for i := range token {
		for c := range 256 {
			changed := bytes.Clone(token)
			changed[i] = byte(c)
			if _, err := v.Connect(changed, testNow); (err == nil) != bytes.Equal(changed, token) {
				t.Fatalf("Connect with byte %d as %#x = %v", i, c, err)
			}
		}
	}
}

// Errors go to logs; what a peer has sent does not.
func TestErrorsQuoteNothing(t *testing.T) {
	v := newVerifier(t, Config{HMACSecret: testSecret})
	for _, token := range []string{
		"sesame", "sesame.e30.", encode(`{"alg":"sesame"}`) + ".e30.", encode(`{"typ":"sesame"}`) + ".e30.",
		mintHS(t, object{"sub": []string{"sesame"}}), mintHS(t, object{"exp": "sesame"}), mintHS(t, object{"subs": "sesame"}),
		mintHS(t, object{"caps": "sesame"}), mintHS(t, object{"b64info": "sesame!"}),
	} {
		_, err := v.Connect([]byte(token), testNow)
		if !errors.Is(err, ErrInvalid) || strings.Contains(fmt.Sprintf("%+v", err), "sesame") {
			t.Errorf("Connect(%s) = %+v", token, err)
		}
	}
}

// graft returns the token with the payload of another.
func graft(token, other string) string {
	parts, from := strings.Split(token, "."), strings.Split(other, ".")
	return parts[0] + "." + from[1] + "." + parts[2]
}

// flip returns another letter of the base64 alphabet than c.
func flip(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}

// Package auth decides who may connect, subscribe and publish: tokens, the keys that check them, capabilities,
// revocations, and the origins of web pages. Its only I/O is the fetching of key sets, within the call that asks for it.
//
// Tokens are JWTs in compact form (RFC 7519, RFC 7515 section 7.1), signed with an HMAC secret, a public key pair, or
// a key that a JWKS endpoint publishes:
//
//	v, err := auth.New(auth.Config{HMACSecret: secret, Audience: "chat"})
//	claims, err := v.Connect(token, time.Now()) // ErrInvalid, ErrExpired or ErrUnavailable
//
// A Verifier never changes: a reload makes another one and swaps the pointer. Checking an HMAC takes microseconds, and
// is fit for a loop; [Verifier.Blocking] tells before which tokens belong on a worker, because they need a public key,
// which takes tens of microseconds, or a look at a JWKS endpoint, which may take seconds.
//
// # What is believed when
//
// A token's size is checked first, then its form, then the signature, then what it claims, and its times last. So
// ErrExpired is the word about a token that is right in every other respect, and worth a new one. Of what is not yet
// verified only three things are read: alg, which must be of the family of the key; kid, which looks a key up in a map;
// iss, which chooses among the endpoints that were configured. Keys and addresses in a header are not read at all.
//
// # Claims
//
// Both kinds of token have sub (the user), exp, nbf, iat, jti, aud, iss, info or b64info (base64, preferred), and
// expire_at, which replaces exp as the end of what the token grants: 0 is never. No end is further away than a
// year. A connection token may have channels (a list of names) or subs (an object of names, preferred), meta, and caps; a
// subscription token has channel, and may have client, data or b64data, and override.
//
// Names are matched exactly, and one that comes twice makes the token invalid. A claim that is null is absent.
//
// # Capabilities
//
// The claim caps of a connection token grants rights in rooms beyond what their options allow:
//
//	"caps": [{"channels": ["news", "job:7"], "allow": ["sub", "hst"]},
//	         {"channels": ["chat:*", "doc:*:edits"], "match": "wildcard", "allow": ["sub", "pub", "prs"]}]
//
// The rights are sub (subscribe), pub (publish), prs (presence) and hst (history). Without match, or with "exact",
// channels are names. With "wildcard", a star at the end stands for one or more bytes of any kind, and a star between
// colons for one whole segment; it may be nowhere else. No star stands for a '#' or for a '$' at the front of a name, so
// that personal and private rooms are granted only by a pattern that spells these, such as "$*" or "chat:#*".
package auth

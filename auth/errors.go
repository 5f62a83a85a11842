package auth

import (
	"errors"
	"fmt"
)

// What a token that is not accepted is refused with. Errors say what is wrong, for logs, and quote nothing of the token.
var (
	// ErrInvalid is a token that never was and never will be good here.
	ErrInvalid = errors.New("auth: invalid token")

	// ErrExpired is an authentic token outside its times, by exp, expire_at or nbf: the client is to get another.
	ErrExpired = errors.New("auth: token expired")

	// ErrUnavailable is a token of which nothing can be said now, as the key that it names is unknown and its endpoint
	// cannot be asked, or not yet again: the client is to come back.
	ErrUnavailable = errors.New("auth: keys not available")
)

// ErrConfig is what every error in a Config, an origin or the input of a Signer wraps.
var ErrConfig = errors.New("auth: configuration")

var (
	errSize      = refuse("larger than 8 KiB")
	errParts     = refuse("not three parts")
	errBase64    = refuse("not base64")
	errHeader    = refuse("its header is not a JSON object")
	errTyp       = refuse("its typ is not JWT")
	errCrit      = refuse("it has critical extensions")
	errAlgorithm = refuse("its alg is not one that is known")
	errKey       = refuse("no key for its alg and iss")
	errNoKid     = refuse("it names no key")
	errKid       = refuse("its key is not in the key set")
	errSignature = refuse("its signature is wrong")
	errPayload   = refuse("its payload is not a JSON object")
	errTwice     = refuse("a name comes twice in it")
	errAudience  = refuse("it is for another audience")
	errIssuer    = refuse("it is of another issuer")
	errKind      = refuse("it is for a subscription")
	errChannel   = refuse("it names no channel")

	errOver  = fmt.Errorf("%w: its time is over", ErrExpired)
	errEarly = fmt.Errorf("%w: its time has not come", ErrExpired)

	errUnknown = fmt.Errorf("%w: a key that is not known yet", ErrUnavailable)
)

func refuse(why string) error { return fmt.Errorf("%w: %s", ErrInvalid, why) }

func refuseClaim(name string) error {
	return fmt.Errorf("%w: its claim %s is malformed", ErrInvalid, name)
}

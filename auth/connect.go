package auth

import "time"

// ConnectClaims is what a connection token says. Byte slices in it are its own.
type ConnectClaims struct {
	Identity
	Info []byte // conn_info, seen by others in a room: JSON; nil if none
	Meta []byte // for the application alone: JSON; nil if none
	Subs []Sub  // what the connection is subscribed to from the start, each channel once

	Capabilities Capabilities
}

// Connect checks a connection token. Without an error it is authentic, meant for us and within its times at now; the
// revocation list is for the caller to ask. It may block for seconds if Blocking says so of the token.
func (v *Verifier) Connect(token []byte, now time.Time) (ConnectClaims, error) {
	c, err := v.open(token, now)
	if err != nil {
		return ConnectClaims{}, err
	}
	k, err := c.connect(now)
	if err == nil {
		err = c.current(k.Expiry, now)
	}
	if err != nil {
		return ConnectClaims{}, err
	}
	return k, nil
}

func (c *claims) connect(now time.Time) (k ConnectClaims, err error) {
	if c[claimChannel] != nil {
		return k, errKind
	}
	if k.Identity, err = c.identity(now); err != nil {
		return k, err
	}
	if k.Info, err = c.shown(claimInfo, claimB64Info); err != nil {
		return k, err
	}
	k.Meta = c[claimMeta]
	if k.Subs, err = c.subs(); err != nil || c[claimCaps] == nil {
		return k, err
	}
	var ok bool
	if k.Capabilities, ok = parseCapabilities(c[claimCaps]); !ok {
		return k, refuseClaim(claimNames[claimCaps])
	}
	return k, nil
}

// subs returns what the claim subs says or, without it, the claim channels.
func (c *claims) subs() ([]Sub, error) {
	i, parse := claimSubs, parseSubs
	switch {
	case c[claimSubs] != nil:
	case c[claimChannels] != nil:
		i, parse = claimChannels, parseChannels
	default:
		return nil, nil
	}
	all, ok := parse(c[i])
	if !ok {
		return nil, refuseClaim(claimNames[i])
	}
	return all, nil
}

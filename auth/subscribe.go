package auth

import "time"

// A Sub is one subscription that a token grants. Byte slices in it are its own.
type Sub struct {
	Channel  string
	Info     []byte // chan_info, seen by others in the room: JSON; nil if none
	Data     []byte // given to the subscriber with the reply: JSON or any bytes; nil if none
	Override Override
}

// SubscribeClaims is what a subscription token says.
type SubscribeClaims struct {
	Identity
	Sub
	Client string // the only connection that may use it; "" if any of the user may
}

// Subscribe checks a subscription token as Connect does a connection token. Whether it is for this connection is still
// to be asked, of For.
func (v *Verifier) Subscribe(token []byte, now time.Time) (SubscribeClaims, error) {
	c, err := v.open(token, now)
	if err != nil {
		return SubscribeClaims{}, err
	}
	k, err := c.subscribe(now)
	if err == nil {
		err = c.current(k.Expiry, now)
	}
	if err != nil {
		return SubscribeClaims{}, err
	}
	return k, nil
}

// For reports whether k is for the channel and this connection: the id of its user, "" if that is anonymous, and its own.
func (k *SubscribeClaims) For(channel, user, client string) bool {
	return k.Channel == channel && k.User == user && (k.Client == "" || k.Client == client)
}

func (c *claims) subscribe(now time.Time) (k SubscribeClaims, err error) {
	if k.Identity, err = c.identity(now); err != nil {
		return k, err
	}
	if k.Channel, err = c.text(claimChannel); err != nil {
		return k, err
	}
	if k.Channel == "" {
		return k, errChannel
	}
	if k.Client, err = c.text(claimClient); err != nil {
		return k, err
	}
	if k.Info, err = c.shown(claimInfo, claimB64Info); err != nil {
		return k, err
	}
	if k.Data, err = c.bytes(claimData, claimB64Data); err != nil || c[claimOverride] == nil {
		return k, err
	}
	var ok bool
	if k.Override, ok = parseOverride(c[claimOverride]); !ok {
		return k, refuseClaim(claimNames[claimOverride])
	}
	return k, nil
}

// parseChannels returns the subscriptions for a list of names; of a name that comes again, the first.
func parseChannels(text []byte) (all []Sub, ok bool) {
	list, ok := enter(text, '[')
	if !ok {
		return nil, false
	}
	for seen := make(map[string]bool); list.element(); {
		channel, ok := unquote(list.value)
		if !ok || channel == "" {
			return nil, false
		}
		if !seen[channel] {
			seen[channel] = true
			all = append(all, Sub{Channel: channel})
		}
	}
	return all, true
}

// parseSubs returns the subscriptions for an object of names.
func parseSubs(text []byte) (all []Sub, ok bool) {
	object, ok := enter(text, '{')
	if !ok {
		return nil, false
	}
	for seen := make(map[string]bool); object.member(); {
		channel, ok := unquote(object.name)
		if !ok || channel == "" || seen[channel] {
			return nil, false
		}
		seen[channel] = true
		s, ok := parseSub(channel, object.value)
		if !ok {
			return nil, false
		}
		all = append(all, s)
	}
	return all, true
}

var subNames = []string{"info", "b64info", "data", "b64data", "override"}

func parseSub(channel string, text []byte) (s Sub, ok bool) {
	var v [5][]byte
	if collect(text, subNames, v[:], errPayload) != nil {
		return s, false
	}
	s.Channel = channel
	if s.Info, ok = eitherJSON(v[0], v[1]); !ok {
		return s, false
	}
	if s.Data, ok = either(v[2], v[3]); !ok || v[4] == nil {
		return s, ok
	}
	s.Override, ok = parseOverride(v[4])
	return s, ok
}

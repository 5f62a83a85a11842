package api

import (
	"context"
	"encoding/json"
	"time"
	"unicode/utf8"

	"github.com/seed4ac54ce5/edge/protocol"
)

func (h *Handler) subscribe(ctx context.Context, r *SubscribeRequest) (any, error) {
	s, err := r.subscription()
	if err != nil {
		return nil, err
	}
	return done(h.node.Subscribe(ctx, r.Target, s))
}

func (r *SubscribeRequest) subscription() (s Subscription, err error) {
	if r.Channel == "" {
		return s, protocol.ErrBadRequest
	}
	s = Subscription{
		Room:         r.Channel,
		ExpireAt:     timeOf(r.ExpireAt),
		RecoverSince: r.RecoverSince,
		Override:     r.Override.override(),
	}
	if s.Info, err = valueOf(r.Info, r.B64Info); err != nil {
		return s, err
	}
	if len(s.Info) > 0 && !protocol.ValidJSON(s.Info) { // others see it, whatever they speak
		return s, protocol.ErrBadRequest
	}
	s.Data, err = valueOf(r.Data, r.B64Data)
	return s, err
}

func (o *OptionOverride) override() Override {
	if o == nil {
		return Override{}
	}
	return Override{
		Presence:           o.Presence.pointer(),
		JoinLeave:          o.JoinLeave.pointer(),
		ForcePushJoinLeave: o.ForcePushJoinLeave.pointer(),
		ForcePositioning:   o.ForcePositioning.pointer(),
		ForceRecovery:      o.ForceRecovery.pointer(),
	}
}

func (v *BoolValue) pointer() *bool {
	if v == nil {
		return nil
	}
	return &v.Value
}

func (h *Handler) unsubscribe(ctx context.Context, r *UnsubscribeRequest) (any, error) {
	if r.Channel == "" { // a push that names no room stops official SDKs from hearing anything
		return nil, protocol.ErrBadRequest
	}
	return done(h.node.Unsubscribe(ctx, r.Target, r.Channel))
}

func (h *Handler) disconnect(ctx context.Context, r *DisconnectRequest) (any, error) {
	why, err := r.Disconnect.reason()
	if err != nil {
		return nil, err
	}
	return done(h.node.Disconnect(ctx, r.Target, r.Whitelist, why))
}

const (
	firstCloseCode = 3000 // those below are the WebSocket's own
	lastCloseCode  = 4999
	maxReason      = 123 // bytes in a close frame (RFC 6455 section 5.5)
)

// reason returns d as it can stand in a close frame. One without a reason gets the default's: SDKs come back for
// ever after an empty one, and mistake one in JSON for advice.
func (d *Disconnect) reason() (protocol.Disconnect, error) {
	if d == nil || *d == (Disconnect{}) {
		return protocol.DisconnectForceDisconnect, nil
	}
	if d.Code < firstCloseCode || d.Code > lastCloseCode || len(d.Reason) > maxReason ||
		!utf8.ValidString(d.Reason) || json.Valid([]byte(d.Reason)) {
		return protocol.Disconnect{}, protocol.ErrBadRequest
	}
	why := protocol.Disconnect{Code: uint16(d.Code), Reason: d.Reason}
	if why.Reason == "" {
		why.Reason = protocol.DisconnectForceDisconnect.Reason
	}
	return why, nil
}

func (h *Handler) refresh(ctx context.Context, r *RefreshRequest) (any, error) {
	info, err := valueOf(r.Info, "")
	if err != nil {
		return nil, err
	}
	return done(h.node.Refresh(ctx, r.Target, Refresh{r.Expired, timeOf(r.ExpireAt), info}))
}

func (h *Handler) revoke(ctx context.Context, r *RevokeRequest) (any, error) {
	if r.User == "" && r.JTI == "" {
		return nil, protocol.ErrBadRequest
	}
	v := Revocation{User: r.User, TokenID: r.JTI, IssuedBefore: timeOf(r.IssuedBefore), ExpireAt: timeOf(r.ExpireAt)}
	if v.IssuedBefore.IsZero() {
		v.IssuedBefore = time.Now()
	}
	return done(h.node.Revoke(ctx, v))
}

// timeOf returns the time of Unix seconds; zero stands for none.
func timeOf(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}

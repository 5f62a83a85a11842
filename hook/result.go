package hook

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/seed4ac54ce5/edge/auth"
)

// ConnectResult lets a client in.
type ConnectResult struct {
	User     string
	ExpireAt int64  // Unix seconds; 0 is never
	Info     []byte // JSON, shown to others as conn_info
	Data     []byte // for the client
	Meta     []byte // JSON, for later requests about the client
	Subs     []Subscription
	Caps     auth.Capabilities
}

// Subscription is a room that a client is put into.
type Subscription struct {
	Room string
	SubscribeResult
}

// RefreshResult lets a client stay, or not.
type RefreshResult struct {
	Expired  bool
	ExpireAt int64              // Unix seconds; 0 is never
	Info     []byte             // nil leaves what it is
	Meta     []byte             // likewise
	Caps     *auth.Capabilities // likewise
}

// SubscribeResult lets a client into a room.
type SubscribeResult struct {
	ExpireAt int64         // Unix seconds; 0 is never
	Info     []byte        // JSON, shown to others as chan_info
	Data     []byte        // for the client
	Override auth.Override // in place of the room's options
}

// PublishResult takes a publication.
type PublishResult struct {
	Data           []byte // in place of the client's; nil leaves that
	SkipHistory    bool
	Tags           map[string]string
	IdempotencyKey string
	Delta          bool
	Version        uint64
	VersionEpoch   string
}

// RPCResult is the answer to a call.
type RPCResult struct {
	Data []byte
}

// SubRefreshResult lets a subscriber stay, or not.
type SubRefreshResult struct {
	Expired  bool
	ExpireAt int64  // Unix seconds; 0 is never
	Info     []byte // nil leaves what it is
}

// wireConnect and the types after it are results as they are sent.
type wireConnect struct {
	User     string                   `json:"user"`
	ExpireAt int64                    `json:"expire_at"`
	Info     json.RawMessage          `json:"info"`
	B64Info  string                   `json:"b64info"`
	Data     json.RawMessage          `json:"data"`
	B64Data  string                   `json:"b64data"`
	Channels []string                 `json:"channels"`
	Subs     map[string]wireSubscribe `json:"subs"`
	Meta     json.RawMessage          `json:"meta"`
	Caps     json.RawMessage          `json:"caps"`
}

type wireRefresh struct {
	Expired  bool            `json:"expired"`
	ExpireAt int64           `json:"expire_at"`
	Info     json.RawMessage `json:"info"`
	B64Info  string          `json:"b64info"`
	Meta     json.RawMessage `json:"meta"`
	Caps     json.RawMessage `json:"caps"`
}

type wireSubscribe struct {
	ExpireAt int64           `json:"expire_at"`
	Info     json.RawMessage `json:"info"`
	B64Info  string          `json:"b64info"`
	Data     json.RawMessage `json:"data"`
	B64Data  string          `json:"b64data"`
	Override struct {
		Presence           *wireBool `json:"presence"`
		JoinLeave          *wireBool `json:"join_leave"`
		ForcePushJoinLeave *wireBool `json:"force_push_join_leave"`
		ForcePositioning   *wireBool `json:"force_positioning"`
		ForceRecovery      *wireBool `json:"force_recovery"`
	} `json:"override"`
}

type wirePublish struct {
	Data           json.RawMessage   `json:"data"`
	B64Data        string            `json:"b64data"`
	SkipHistory    bool              `json:"skip_history"`
	Tags           map[string]string `json:"tags"`
	IdempotencyKey string            `json:"idempotency_key"`
	Delta          bool              `json:"delta"`
	Version        uint64            `json:"version"`
	VersionEpoch   string            `json:"version_epoch"`
}

type wireRPC struct {
	Data    json.RawMessage `json:"data"`
	B64Data string          `json:"b64data"`
}

type wireBool struct {
	Value bool `json:"value"`
}

func (b *wireBool) choice() auth.Choice {
	switch {
	case b == nil:
		return auth.AsRoom
	case b.Value:
		return auth.On
	}
	return auth.Off
}

// capsOf returns rights; nil for a field that is not there or null.
func capsOf(raw json.RawMessage) (*auth.Capabilities, error) {
	text := compact(raw)
	if text == nil {
		return nil, nil
	}
	caps, err := auth.ParseCapabilities(string(text))
	if err != nil {
		return nil, errCaps
	}
	return &caps, nil
}

func (w *wireConnect) result() (*ConnectResult, error) {
	info, err := infoOf(w.Info, w.B64Info)
	if err != nil {
		return nil, err
	}
	data, err := dataOf(w.Data, w.B64Data)
	if err != nil {
		return nil, err
	}
	r := &ConnectResult{User: w.User, ExpireAt: w.ExpireAt, Info: info, Data: data, Meta: compact(w.Meta)}
	caps, err := capsOf(w.Caps)
	if caps != nil {
		r.Caps = *caps
	}
	if err == nil {
		r.Subs, err = w.subs()
	}
	return r, err
}

// subs returns the rooms of subs and channels, each once, by name.
func (w *wireConnect) subs() ([]Subscription, error) {
	all := w.Subs
	if all == nil {
		all = make(map[string]wireSubscribe)
	}
	for _, room := range w.Channels {
		if _, ok := all[room]; !ok {
			all[room] = wireSubscribe{}
		}
	}
	var subs []Subscription
	for _, room := range slices.Sorted(maps.Keys(all)) {
		sub := all[room]
		r, err := sub.result()
		if err != nil {
			return nil, err
		}
		subs = append(subs, Subscription{Room: room, SubscribeResult: *r})
	}
	return subs, nil
}

func (w *wireRefresh) result() (*RefreshResult, error) {
	info, err := infoOf(w.Info, w.B64Info)
	if err != nil {
		return nil, err
	}
	caps, err := capsOf(w.Caps)
	return &RefreshResult{Expired: w.Expired, ExpireAt: w.ExpireAt, Info: info, Meta: compact(w.Meta), Caps: caps}, err
}

func (w *wireRefresh) subResult() (*SubRefreshResult, error) {
	info, err := infoOf(w.Info, w.B64Info)
	return &SubRefreshResult{Expired: w.Expired, ExpireAt: w.ExpireAt, Info: info}, err
}

func (w *wireSubscribe) result() (*SubscribeResult, error) {
	info, err := infoOf(w.Info, w.B64Info)
	if err != nil {
		return nil, err
	}
	data, err := dataOf(w.Data, w.B64Data)
	o := &w.Override
	return &SubscribeResult{ExpireAt: w.ExpireAt, Info: info, Data: data, Override: auth.Override{
		Presence:           o.Presence.choice(),
		JoinLeave:          o.JoinLeave.choice(),
		ForcePushJoinLeave: o.ForcePushJoinLeave.choice(),
		ForcePositioning:   o.ForcePositioning.choice(),
		ForceRecovery:      o.ForceRecovery.choice(),
	}}, err
}

func (w *wirePublish) result() (*PublishResult, error) {
	data, err := dataOf(w.Data, w.B64Data)
	return &PublishResult{
		Data: data, SkipHistory: w.SkipHistory, Tags: w.Tags, IdempotencyKey: w.IdempotencyKey,
		Delta: w.Delta, Version: w.Version, VersionEpoch: w.VersionEpoch,
	}, err
}

func (w *wireRPC) result() (*RPCResult, error) {
	if string(w.Data) == "null" && w.B64Data == "" {
		return &RPCResult{Data: w.Data}, nil // an answer like any other
	}
	data, err := dataOf(w.Data, w.B64Data)
	return &RPCResult{Data: data}, err
}

var (
	errBase64 = errors.New("a field of base64 that is not")
	errInfo   = errors.New("an info that is not JSON")
	errCaps   = errors.New("caps that are not of their form")
)

// dataOf returns a field that has a form in base64, which wins; nil for none.
func dataOf(raw json.RawMessage, b64 string) ([]byte, error) {
	if b64 == "" {
		return compact(raw), nil
	}
	data, err := base64.StdEncoding.DecodeString(b64)
	if err != nil {
		return nil, errBase64
	}
	return data, nil
}

// infoOf is dataOf for what is shown to others, which is JSON in either form.
func infoOf(raw json.RawMessage, b64 string) ([]byte, error) {
	info, err := dataOf(raw, b64)
	switch {
	case err != nil:
		return nil, err
	case info != nil && !(json.Valid(info) && utf8.Valid(info)):
		return nil, errInfo
	}
	return compact(info), nil
}

// compact returns a JSON value on one line, nil for null, which is what libraries write for a field that is not there.
func compact(raw json.RawMessage) []byte {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	var b bytes.Buffer
	_ = json.Compact(&b, raw) // it is JSON: the caller has seen to that
	return b.Bytes()
}

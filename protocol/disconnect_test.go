package protocol

import (
	"encoding/json"
	"testing"
)

func TestDisconnects(t *testing.T) {
	tests := []struct {
		disconnect Disconnect
		code       uint16
		reason     string
		reconnect  bool
	}{
		{DisconnectConnectionClosed, 3000, "connection closed", true},
		{DisconnectShutdown, 3001, "shutdown", true},
		{DisconnectInternalError, 3004, "internal server error", true},
		{DisconnectExpired, 3005, "connection expired", true},
		{DisconnectSubscriptionExpired, 3006, "subscription expired", true},
		{DisconnectSlow, 3008, "slow", true},
		{DisconnectWriteError, 3009, "write error", true},
		{DisconnectInsufficientState, 3010, "insufficient state", true},
		{DisconnectForceReconnect, 3011, "force reconnect", true},
		{DisconnectNoPong, 3012, "no pong", true},
		{DisconnectTooManyRequests, 3013, "too many requests", true},
		{DisconnectStateInvalidated, 3014, "state invalidated", true},
		{DisconnectInvalidToken, 3500, "invalid token", false},
		{DisconnectBadRequest, 3501, "bad request", false},
		{DisconnectStale, 3502, "stale", false},
		{DisconnectForceDisconnect, 3503, "force disconnect", false},
		{DisconnectConnectionLimit, 3504, "connection limit", false},
		{DisconnectChannelLimit, 3505, "channel limit", false},
		{DisconnectInappropriateProtocol, 3506, "inappropriate protocol", false},
		{DisconnectPermissionDenied, 3507, "permission denied", false},
		{DisconnectNotAvailable, 3508, "not available", false},
		{DisconnectTooManyErrors, 3509, "too many errors", false},
	}
	for _, test := range tests {
		d := test.disconnect
		if d.Code != test.code || d.Reason != test.reason || d.Reconnect() != test.reconnect {
			t.Errorf("disconnect = %+v, reconnect %v; want %+v", d, d.Reconnect(), test)
		}
		if d.Reason == "" || len(d.Reason) > 123 || json.Valid([]byte(d.Reason)) {
			t.Errorf("reason of %d = %q; want 1 to 123 bytes that are not JSON", d.Code, d.Reason)
		}
	}
}

func TestReconnectRule(t *testing.T) {
	for code, want := range map[uint16]bool{1000: true, 3499: true, 3500: false, 3999: false, 4000: true, 4499: true, 4500: false, 4999: false, 5000: true} {
		if got := (Disconnect{Code: code}).Reconnect(); got != want {
			t.Errorf("Disconnect{%d}.Reconnect() = %v; want %v", code, got, want)
		}
	}
}

func TestUnsubscribed(t *testing.T) {
	tests := []struct {
		got         Unsubscribed
		want        Unsubscribed
		resubscribe bool
	}{
		{UnsubscribedByServer, Unsubscribed{2000, "server unsubscribe"}, false},
		{UnsubscribedInsufficientState, Unsubscribed{2500, "insufficient state"}, true},
		{UnsubscribedExpired, Unsubscribed{2501, "subscription expired"}, true},
		{UnsubscribedStateInvalidated, Unsubscribed{2502, "state invalidated"}, true},
		{Unsubscribed{2499, ""}, Unsubscribed{2499, ""}, false},
	}
	for _, test := range tests {
		if test.got != test.want || test.got.Resubscribe() != test.resubscribe {
			t.Errorf("unsubscribed = %+v, resubscribe %v; want %+v, %v", test.got, test.got.Resubscribe(), test.want, test.resubscribe)
		}
	}
}

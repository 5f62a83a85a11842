package protocol

import (
	"errors"
	"fmt"
	"testing"
)

func TestErrors(t *testing.T) {
	tests := []struct {
		err       *Error
		code      uint32
		message   string
		temporary bool
	}{
		{ErrInternal, 100, "internal server error", true},
		{ErrUnauthorized, 101, "unauthorized", false},
		{ErrUnknownChannel, 102, "unknown channel", false},
		{ErrPermissionDenied, 103, "permission denied", false},
		{ErrMethodNotFound, 104, "method not found", false},
		{ErrAlreadySubscribed, 105, "already subscribed", false},
		{ErrLimitExceeded, 106, "limit exceeded", false},
		{ErrBadRequest, 107, "bad request", false},
		{ErrNotAvailable, 108, "not available", false},
		{ErrTokenExpired, 109, "token expired", false},
		{ErrExpired, 110, "expired", false},
		{ErrTooManyRequests, 111, "too many requests", true},
		{ErrUnrecoverablePosition, 112, "unrecoverable position", false},
		{ErrConcurrentPagination, 113, "concurrent pagination", true},
	}
	for _, test := range tests {
		if want := (Error{test.code, test.message, test.temporary}); *test.err != want {
			t.Errorf("error = %+v; want %+v", *test.err, want)
		}
	}
}

func TestErrorText(t *testing.T) {
	err := fmt.Errorf("server: subscribe: %w", ErrLimitExceeded)
	if want := "server: subscribe: protocol: error 106: limit exceeded"; err.Error() != want || !errors.Is(err, ErrLimitExceeded) {
		t.Errorf("error = %q; want %q", err, want)
	}
}

func TestFaultText(t *testing.T) {
	for fault, want := range map[Fault]string{
		FaultSyntax: "protocol: not a well-formed message",
		FaultType:   "protocol: field of the wrong type",
		FaultDepth:  "protocol: nested too deeply",
		FaultMethod: "protocol: no known command",
		FaultID:     "protocol: command without id",
		FaultID + 1: "protocol: unknown fault",
	} {
		if got := fault.Error(); got != want {
			t.Errorf("Fault(%d).Error() = %q; want %q", fault, got, want)
		}
	}
}

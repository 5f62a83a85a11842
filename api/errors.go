package api

import (
	"fmt"
	"net/http"

	"github.com/seed4ac54ce5/edge/protocol"
)

// Error is a negative answer as it stands on the wire. Codes from 400 on are the application's.
type Error struct {
	Code    uint32 `json:"code"`
	Message string `json:"message"`
}

// Error returns code and message.
func (e *Error) Error() string { return fmt.Sprintf("api: error %d: %s", e.Code, e.Message) }

// Is reports whether target is the error of the protocol with the same code.
func (e *Error) Is(target error) bool {
	other, ok := target.(*protocol.Error)
	return ok && other.Code == e.Code
}

// Two codes have other words here than in the client protocol.
var apiTexts = map[uint32]string{
	protocol.ErrMethodNotFound.Code:       "not found",
	protocol.ErrConcurrentPagination.Code: "conflict",
}

// newError returns e as the wire has it.
func newError(e *protocol.Error) *Error {
	if text, ok := apiTexts[e.Code]; ok {
		return &Error{e.Code, text}
	}
	return &Error{e.Code, e.Message}
}

// statuses is the HTTP status of each error, for clients who want that.
var statuses = map[uint32]int{
	protocol.ErrInternal.Code:              http.StatusInternalServerError,
	protocol.ErrUnknownChannel.Code:        http.StatusNotFound,
	protocol.ErrPermissionDenied.Code:      http.StatusForbidden,
	protocol.ErrMethodNotFound.Code:        http.StatusNotFound,
	protocol.ErrLimitExceeded.Code:         http.StatusRequestEntityTooLarge,
	protocol.ErrBadRequest.Code:            http.StatusBadRequest,
	protocol.ErrNotAvailable.Code:          http.StatusBadRequest,
	protocol.ErrTooManyRequests.Code:       http.StatusTooManyRequests,
	protocol.ErrUnrecoverablePosition.Code: http.StatusRequestedRangeNotSatisfiable,
	protocol.ErrConcurrentPagination.Code:  http.StatusConflict,
}

// firstApplicationCode is the first code that is not the protocol's own.
const firstApplicationCode = 400

func (e *Error) status() int {
	if status, ok := statuses[e.Code]; ok {
		return status
	}
	if e.Code >= firstApplicationCode {
		return http.StatusBadRequest
	}
	return http.StatusInternalServerError
}

package hook

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/seed4ac54ce5/edge/server"
)

// envelope is an answer: the first that is there of disconnect, error and result counts.
type envelope[W any] struct {
	Result *W `json:"result"`
	Error  *struct {
		Code      uint32 `json:"code"`
		Message   string `json:"message"`
		Temporary bool   `json:"temporary"`
	} `json:"error"`
	Disconnect *struct {
		Code   uint32 `json:"code"`
		Reason string `json:"reason"`
	} `json:"disconnect"`
}

var (
	errUTF8  = errors.New("not UTF-8")
	errEmpty = errors.New("neither result nor error nor disconnect")
	errCode  = errors.New("an error without a code, or a disconnect whose code is not 3000 to 4999")
)

// decode reads an answer. An error is the application's, or a *Failure with Malformed.
func decode[W, R any](event Event, body []byte, result func(*W) (R, error)) (v R, err error) {
	var a envelope[W]
	switch err := unmarshal(body, &a); {
	case err != nil:
		return v, malformed(event, err)
	case a.Disconnect != nil:
		return v, disconnect(event, a.Disconnect.Code, a.Disconnect.Reason)
	case a.Error != nil && a.Error.Code == 0:
		return v, malformed(event, errCode)
	case a.Error != nil:
		return v, &server.Error{Code: a.Error.Code, Message: a.Error.Message, Temporary: a.Error.Temporary}
	case a.Result == nil:
		return v, malformed(event, errEmpty) // a page in JSON that knows nothing of us must not let anybody in
	}
	good, err := result(a.Result)
	if err != nil {
		return v, malformed(event, err)
	}
	return good, nil
}

func malformed(event Event, err error) *Failure {
	return &Failure{Event: event, Result: Malformed, Err: err}
}

// unmarshal reads body into v. Its error says where it is wrong, but nothing of what is there.
func unmarshal(body []byte, v any) error {
	if !utf8.Valid(body) { // it would end in text frames
		return errUTF8
	}
	var (
		syntax *json.SyntaxError
		typ    *json.UnmarshalTypeError
	)
	switch err := json.Unmarshal(body, v); {
	case errors.As(err, &syntax):
		return fmt.Errorf("not JSON at byte %d of %d", syntax.Offset, len(body))
	case errors.As(err, &typ):
		return fmt.Errorf("field %q has a value of the wrong type", typ.Field)
	case err != nil:
		return errors.New("not readable")
	}
	return nil
}

const (
	maxReason     = 123 // bytes that a close frame has for it (RFC 6455 section 5.5)
	defaultReason = "disconnected by the application"
)

// disconnect returns an application's wish as one that clients understand.
func disconnect(event Event, code uint32, reason string) error {
	if code < 3000 || code > 4999 {
		return malformed(event, errCode)
	}
	if reason == "" || json.Valid([]byte(reason)) {
		reason = defaultReason
	}
	for len(reason) > maxReason {
		_, size := utf8.DecodeLastRuneInString(reason)
		reason = reason[:len(reason)-size]
	}
	return server.Disconnect{Code: uint16(code), Reason: reason}
}

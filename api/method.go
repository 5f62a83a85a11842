package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/seed4ac54ce5/edge/protocol"
)

// method is one thing that the API does.
type method struct {
	name string
	// read makes a command of a request in JSON. An error says that it is none.
	read func(h *Handler, request []byte) (command, error)
}

// command is a request that has been read.
type command struct {
	method string
	run    func(context.Context) (result any, err error)
}

// batchName is the method that is made of others.
const batchName = "batch"

// methods is all but batch, in the order of the numbers that they have in the older form.
var methods = []*method{
	newMethod("publish", (*Handler).publish),
	newMethod("broadcast", (*Handler).broadcast),
	newMethod("unsubscribe", (*Handler).unsubscribe),
	newMethod("disconnect", (*Handler).disconnect),
	newMethod("presence", (*Handler).presence),
	newMethod("presence_stats", (*Handler).presenceStats),
	newMethod("history", (*Handler).history),
	newMethod("history_remove", (*Handler).historyRemove),
	newMethod("channels", (*Handler).channels),
	newMethod("info", (*Handler).info),
	newMethod("rpc", (*Handler).rpc),
	newMethod("subscribe", (*Handler).subscribe),
	newMethod("refresh", (*Handler).refresh),
	newMethod("revoke", (*Handler).revoke),
}

var methodsByName = func() map[string]*method {
	all := make(map[string]*method)
	for _, m := range methods {
		all[m.name] = m
	}
	return all
}()

// methodNamed returns a method, nil for none.
func methodNamed(name string) *method { return methodsByName[name] }

// newMethod returns the method whose requests are an R.
func newMethod[R any](name string, f func(*Handler, context.Context, *R) (any, error)) *method {
	return &method{name, func(h *Handler, request []byte) (command, error) {
		r := new(R)
		if err := json.Unmarshal(request, r); err != nil {
			return command{}, err
		}
		return command{name, func(ctx context.Context) (any, error) { return f(h, ctx, r) }}, nil
	}}
}

// empty is the result of what has none.
var empty = struct{}{}

// done is the result of an order.
func done(err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return empty, nil
}

// do runs a command and returns its result, or the error that is its answer.
func (h *Handler) do(ctx context.Context, c command) (result any, refusal *Error) {
	began := time.Now()
	err := guard(func() (err error) {
		result, err = c.run(ctx)
		return err
	})
	var code uint32
	if err != nil {
		result, refusal = nil, h.refusal(c.method, err)
		code = refusal.Code
	}
	h.options.Observe(c.method, code, time.Since(began))
	return result, refusal
}

// refusal returns err as an answer. What is no answer of anybody's is logged, unless it is that the asker has gone.
func (h *Handler) refusal(method string, err error) *Error {
	var known *protocol.Error
	if errors.As(err, &known) {
		return newError(known)
	}
	if !errors.Is(err, context.Canceled) {
		h.options.Log.Error("an API request has failed", "method", method, "error", err)
	}
	return newError(protocol.ErrInternal)
}

// fault is a panic of a node or an application.
type fault struct {
	value any
	stack []byte
}

func (f *fault) Error() string { return fmt.Sprintf("panic: %v\n%s", f.value, f.stack) }

// guard returns the error of f, a fault if f panics: on a goroutine that is not the HTTP server's it would end the process.
func guard(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &fault{v, debug.Stack()}
		}
	}()
	return f()
}

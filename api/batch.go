package api

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed4ac54ce5/edge/protocol"
)

// maxParallel is how many commands of one request run at once.
const maxParallel = 64

// step is one command of several, or why it is none.
type step struct {
	command
	refusal *Error // nil if it can run
}

// batch serves several commands in one object. All of them are read before the first one runs: a batch that cannot be
// read does nothing.
func (h *Handler) batch(ctx context.Context, q request) answer {
	began := time.Now()
	var r BatchRequest
	if err := json.Unmarshal(q.body, &r); err != nil {
		return answer{status: http.StatusBadRequest}
	}
	if len(r.Commands) > h.options.BatchLimit {
		return answer{status: http.StatusRequestEntityTooLarge}
	}
	steps := make([]step, len(r.Commands))
	for i, fields := range r.Commands {
		var err error
		if steps[i], err = h.readStep(fields); err != nil {
			return answer{status: http.StatusBadRequest}
		}
	}
	replies := h.runBatch(ctx, steps, r.Parallel)
	h.options.Observe(batchName, 0, time.Since(began))
	return answer{http.StatusOK, encode(map[string]any{"replies": replies})}
}

// readStep reads a command, which has the one field that is a method's name. An error says that what is in it is no
// request.
func (h *Handler) readStep(fields map[string]json.RawMessage) (step, error) {
	var named []*method
	for name := range fields {
		if m := methodNamed(name); m != nil {
			named = append(named, m)
		}
	}
	switch {
	case fields == nil || len(named) > 1:
		return step{refusal: newError(protocol.ErrBadRequest)}, nil
	case len(named) == 0:
		return step{refusal: newError(protocol.ErrMethodNotFound)}, nil
	}
	c, err := named[0].read(h, fields[named[0].name])
	return step{command: c}, err
}

// runBatch returns the replies to steps in their order: {<method>: result} or {"error": …}.
func (h *Handler) runBatch(ctx context.Context, steps []step, parallel bool) []map[string]any {
	replies := make([]map[string]any, len(steps))
	workers := 1
	if parallel {
		workers = maxParallel
	}
	each(len(steps), workers, func(i int) {
		result, refusal := h.take(ctx, &steps[i])
		if refusal != nil {
			replies[i] = map[string]any{"error": refusal}
		} else {
			replies[i] = map[string]any{steps[i].method: result}
		}
	})
	return replies
}

// take runs a step if it can.
func (h *Handler) take(ctx context.Context, s *step) (result any, refusal *Error) {
	if s.refusal != nil {
		return nil, s.refusal
	}
	return h.do(ctx, s.command)
}

// each calls f with 0 to n-1 and returns when all calls have: one after the other for one worker, or else on so many
// goroutines, in no order. There f must not panic.
func each(n, workers int, f func(i int)) {
	if workers == 1 {
		for i := range n {
			f(i)
		}
		return
	}
	var next atomic.Int64
	var running sync.WaitGroup
	for range min(workers, n) {
		running.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	running.Wait()
}

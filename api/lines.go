package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/seed4ac54ce5/edge/protocol"
)

// line is one command of the older form.
type line struct {
	ID     uint32          `json:"id"`
	Method lineMethod      `json:"method"`
	Params json.RawMessage `json:"params"`
}

// lineMethod is a method by its number or its name, in capitals or not. The zero value is publish.
type lineMethod int

// UnmarshalJSON implements [json.Unmarshaler]. Names that are unknown are errors, unknown numbers are not.
func (m *lineMethod) UnmarshalJSON(b []byte) error {
	if b[0] != '"' {
		return json.Unmarshal(b, (*int)(m))
	}
	var name string
	if err := json.Unmarshal(b, &name); err != nil {
		return err
	}
	for i, known := range methods {
		if strings.EqualFold(name, known.name) {
			*m = lineMethod(i)
			return nil
		}
	}
	return errors.New("api: unknown method")
}

// lines serves the older form, one command after the other. All of them are read before the first one runs.
func (h *Handler) lines(ctx context.Context, q request) answer {
	lines, status := h.readLines(q.body)
	if status != 0 {
		return answer{status: status}
	}
	var body []byte
	for i := range lines {
		if i > 0 {
			body = append(body, '\n')
		}
		step := h.readLine(&lines[i])
		result, refusal := h.take(ctx, &step)
		body = append(body, encode(reply{lines[i].ID, refusal, result})...)
	}
	return answer{http.StatusOK, body}
}

// readLines returns the commands in body, of which there is at least one, or the status that refuses them.
func (h *Handler) readLines(body []byte) (lines []line, status int) {
	d := json.NewDecoder(bytes.NewReader(body))
	for {
		var next line
		err := d.Decode(&next)
		switch {
		case err == io.EOF && len(lines) > 0:
			return lines, 0
		case err != nil:
			return nil, http.StatusBadRequest
		case len(lines) == h.options.BatchLimit:
			return nil, http.StatusRequestEntityTooLarge
		}
		lines = append(lines, next)
	}
}

// readLine reads a command's parameters; where there are none it takes them for empty.
func (h *Handler) readLine(l *line) step {
	if l.Method < 0 || int(l.Method) >= len(methods) {
		return step{refusal: newError(protocol.ErrMethodNotFound)}
	}
	if l.Params == nil {
		l.Params = json.RawMessage("{}")
	}
	c, err := methods[l.Method].read(h, l.Params)
	if err != nil {
		return step{refusal: newError(protocol.ErrBadRequest)}
	}
	return step{command: c}
}

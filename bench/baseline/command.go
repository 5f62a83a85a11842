package main

import "bytes"

// commands answers the commands of one message in one frame.
func (t *thread) commands(fd int, p *peer, b []byte) {
	t.answers = t.answers[:0]
	for len(b) > 0 {
		line, rest, _ := bytes.Cut(b, []byte{'\n'})
		t.answers = t.command(fd, p, line, t.answers)
		b = rest
	}
	if len(t.answers) > 0 {
		t.out = appendFrame(t.out, opText, t.answers[1:])
	}
}

// command obeys one command and appends a newline and its answer. A pong, {}, has none.
func (t *thread) command(fd int, p *peer, line, answers []byte) []byte {
	id, rest := cutID(line)
	if len(id) == 0 {
		return answers
	}
	answers = append(append(answers, "\n{\"id\":"...), id...)
	switch {
	case bytes.HasPrefix(rest, []byte(`"publish"`)):
		t.publish(t.house.room(cut(rest, `"channel":"`)), t.pushOf(rest))
		return append(answers, `,"publish":{}}`...)
	case bytes.HasPrefix(rest, []byte(`"subscribe"`)):
		t.join(fd, p, cut(rest, `"channel":"`))
		return append(answers, `,"subscribe":{}}`...)
	case bytes.HasPrefix(rest, []byte(`"connect"`)):
		return append(answers, `,"connect":{"client":"`+client+`","version":"raw"}}`...)
	}
	return append(answers, `,"error":{"code":108,"message":"not available"}}`...)
}

// cutID splits {"id":12,"publish":... into 12 and what follows the comma.
func cutID(line []byte) (id, rest []byte) {
	const start = `{"id":`
	if !bytes.HasPrefix(line, []byte(start)) {
		return nil, nil
	}
	id, rest, _ = bytes.Cut(line[len(start):], []byte{','})
	return id, rest
}

// cut returns what stands in b between the opening and the next quote.
func cut(b []byte, opening string) []byte {
	_, b, _ = bytes.Cut(b, []byte(opening))
	text, _, _ := bytes.Cut(b, []byte{'"'})
	return text
}

// pushOf makes the frame that brings a publication to the members, once for all of them.
func (t *thread) pushOf(publish []byte) []byte {
	const (
		a = `{"push":{"channel":"`
		b = `","pub":{"data":`
		c = `,"info":{"user":"","client":"` + client + `"}}}}`
	)
	_, data, _ := bytes.Cut(publish, []byte(`"data":`))
	data = data[:len(data)-len(`}}`)]
	channel := cut(publish, `"channel":"`)
	t.push = appendHeader(t.push[:0], opText, len(a)+len(channel)+len(b)+len(data)+len(c))
	t.push = append(append(t.push, a...), channel...)
	t.push = append(append(t.push, b...), data...)
	t.push = append(t.push, c...)
	return t.push
}

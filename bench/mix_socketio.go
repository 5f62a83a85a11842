package bench

import (
	"bytes"
	"time"
)

// callPatience is for how long a Socket.IO server may say nothing to a call: one that does not know an event answers nothing at all,
// which counts like a refusal. A publication is waited for.
const callPatience = 5 * time.Second

// mixDeadline is until when the answer to a call is waited for.
type mixDeadline struct {
	at int64
	id uint32
}

// runPatience gives up answers that are not coming.
func (m *mixPlay) runPatience(now int64) {
	n := 0
	for ; n < len(m.patient) && m.patient[n].at <= now; n++ {
		p, ok := m.pending[m.patient[n].id]
		if !ok {
			continue
		}
		delete(m.pending, m.patient[n].id)
		m.d.counters.answered.add(1)
		member := m.member(p.number)
		member.unanswered--
		m.classes[member.class].row.Refused++
	}
	m.patient = m.patient[n:]
}

// appendCall appends an event for an action: the one that an edge without an application knows, and for calls of the application the
// method itself.
func (m *mixPlay) appendCall(dst []byte, id, number uint32, action int, room []byte) []byte {
	form := callForms[action]
	if action == doRPC {
		form = eventForm{{text: "[" + quoted(m.classes[m.member(number).class].Method) + "]"}}
	}
	return m.d.run.dialect.appendEvent(dst, id, form, room, nil)
}

// callForms are the events of the other actions.
var callForms = [actions]eventForm{
	doTyping:   {{`["typing",{"room":`, roomHole}, {`}]`, ""}},
	doPresence: {{`["presence",{"room":`, roomHole}, {`}]`, ""}},
	doHistory:  {{`["history",{"room":`, roomHole}, {`,"limit":20,"reverse":true}]`, ""}},
}

var typingEvent = []byte(`["typing"`)

// other counts an event that is no publication of ours.
func (m *mixPlay) other(p *peer, b []byte) {
	if bytes.HasPrefix(b, typingEvent) {
		m.classes[m.member(p.number).class].row.TypingSeen++
		return
	}
	m.count.OtherPushes++
}

package server

import (
	"bytes"

	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/internal/poison"
	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// readCommands serves the commands of one message. Their replies share a frame with those of other messages of the
// same read. A command that is out at the pool holds back those behind it, and so do replies that the client does not take:
// a short command can have a long reply.
func (l *loop) readCommands(c *netpoll.Conn, s *session, payload []byte) {
	for rest := payload; ; {
		msg, left, err := s.encoding().Next(rest)
		if err == nil {
			err = s.encoding().DecodeCommand(&l.decoder, msg, &l.command)
		}
		if err == nil {
			err = l.command.Check()
		}
		if err != nil {
			l.disconnect(c, s, protocol.DisconnectBadRequest)
			return
		}
		rest = left
		l.spent++
		l.readCommand(c, s, &l.command)
		switch {
		case len(rest) == 0 || s.state == stateClosing:
			return
		case s.has(flagOffloaded):
			l.holdBack(c, rest)
			return
		case l.due() >= flushAt && l.flushOrWait(c):
			l.postponeCommands(c, s, rest)
			return
		}
	}
}

// readCommand serves one command. Before connect there is only connect, and only once.
func (l *loop) readCommand(c *netpoll.Conn, s *session, cmd *protocol.Command) {
	if (cmd.Method == protocol.MethodConnect) != (s.state == stateNew) || s.has(flagRefused) {
		l.disconnect(c, s, protocol.DisconnectBadRequest)
		return
	}
	switch cmd.Method {
	case protocol.MethodConnect:
		l.connect(c, s, cmd)
	case protocol.MethodSubscribe:
		l.subscribe(c, s, cmd)
	case protocol.MethodUnsubscribe:
		l.unsubscribe(c, s, cmd)
	case protocol.MethodPublish:
		l.publish(c, s, cmd)
	case protocol.MethodPresence, protocol.MethodPresenceStats:
		l.presence(c, s, cmd)
	case protocol.MethodHistory:
		l.history(c, s, cmd)
	case protocol.MethodRPC:
		l.rpc(c, s, cmd)
	case protocol.MethodSend:
		l.send(c, s, cmd)
	case protocol.MethodRefresh:
		l.refresh(c, s, cmd)
	case protocol.MethodSubRefresh:
		l.subRefresh(c, s, cmd)
	case protocol.MethodPong:
		l.pong(c, s)
	}
}

// postponeCommands keeps commands for when what is due to c has left.
func (l *loop) postponeCommands(c *netpoll.Conn, s *session, rest []byte) {
	s.set(flagOffloaded)
	l.unserved[l.net.ID(c)] = bytes.Clone(rest)
}

// goOn serves the commands that were held back, and goes on reading, unless something of the conn is out again.
func (l *loop) goOn(c *netpoll.Conn, s *session, rest []byte) {
	if len(rest) > 0 && s.state != stateClosing {
		l.readCommands(c, s, rest)
	}
	if s.has(flagPongDue) && s.state == stateReady {
		l.setHeartbeat(c, s, l.server.config.PongTimeout) // the answer may be among what has not been read
	}
	l.charge(c, s, 0)
	if s.has(flagPolling) || !l.flushOrWait(c) {
		l.readOn(c, s)
	}
}

// readOn reads c again, unless something stands against it.
func (l *loop) readOn(c *netpoll.Conn, s *session) {
	if s.has(flagPolling) {
		if !s.has(flagOffloaded | flagThrottled) {
			l.net.Resume(c) // a WebSocket's socket may come
			l.releasePost(s)
		}
		return
	}
	if l.mayRead(c, s) {
		if len(l.lines) > 0 {
			l.callNext(l.net.ID(c))
		}
		l.net.Resume(c)
		if t := l.securedOf(c); t != nil && len(t.plain) > 0 {
			l.again(c)
		}
	}
}

// mayRead reports whether nothing stands against reading c.
func (l *loop) mayRead(c *netpoll.Conn, s *session) bool {
	return !s.has(flagOffloaded|flagThrottled) && s.state != stateHeld && l.net.Backlog(c) == 0
}

// reply returns l.replies ready for one more reply or push to s.
func (l *loop) reply(s *session) []byte {
	l.counts.MessagesOut++
	return s.encoding().Join(l.replies)
}

// endReplies puts the replies that are waiting into one frame, or what a stream has for it.
func (l *loop) endReplies(s *session) {
	if len(l.replies) > 0 {
		l.counts.PayloadOut += uint64(len(l.replies))
		if stream := s.stream(); stream != nil {
			l.out = stream.replies(l, s, l.out, l.replies)
		} else {
			l.out = frame.AppendFrame(l.out, s.opcode(), l.replies, false)
		}
		poison.Bytes(l.replies)
		l.replies = trim(l.replies)
	}
}

// replyError answers a command with an error.
func (l *loop) replyError(s *session, id uint32, e *protocol.Error) {
	l.replies = s.encoding().AppendError(l.reply(s), id, e)
}

// disconnect ends a session for a reason of the protocol. Who knows no protocol has sent no command: those behind a connect that
// was refused are our own, and no more fault of its.
func (l *loop) disconnect(c *netpoll.Conn, s *session, d protocol.Disconnect) {
	if d == protocol.DisconnectBadRequest && s.state != stateClosing && s.wire != wireEvents {
		l.reject(c, metrics.RejectCommand)
	}
	l.end(c, s, d.Code, d.Reason)
}

// pong takes the answer to a ping; one that was not asked for breaks the protocol.
func (l *loop) pong(c *netpoll.Conn, s *session) {
	if !s.has(flagPongDue) || s.has(flagFramePing) {
		l.disconnect(c, s, protocol.DisconnectBadRequest)
		return
	}
	s.clear(flagPongDue)
}

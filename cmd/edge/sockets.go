package main

import (
	"slices"

	"github.com/seed4ac54ce5/edge/config"
	"github.com/seed4ac54ce5/edge/hook"
	"github.com/seed4ac54ce5/edge/server"
	"github.com/seed4ac54ce5/edge/socketio"
)

// serveSockets gives a node the application of Socket.IO's that a configuration describes, if it does: the built-in events, and
// backends that hear of the others.
func serveSockets(s *config.Sockets, node *server.Config, backends *hook.Hooks) {
	if s == nil {
		return
	}
	options := socketio.Options{Log: node.Log}
	if s.Recovery {
		options.Recovery = &socketio.Recovery{
			MaxDisconnection: s.MaxAbsence, LogBytes: s.RecoveryMemory, Sessions: s.RecoverySize,
			Middlewares: true, // a token may have been revoked meanwhile
		}
	}
	io := socketio.New(options)
	for _, n := range s.Namespaces {
		serveNamespace(io.Of(n.Name), &n, backends)
	}
	node.SocketIO = io.Server(*node.SocketIO)
	node.SocketIO.NoHandshakes = !asks(node, backends)
}

// serveNamespace gives one namespace what it is to have.
func serveNamespace(to *socketio.Namespace, n *config.SocketNamespace, backends *hook.Hooks) {
	if n.Hooks {
		backends.ServeSockets(to, func(event string) bool { return n.Builtin && slices.Contains(socketio.Builtin, event) })
	} else {
		to.UseTokens()
	}
	if n.Builtin {
		to.UseBuiltin()
	}
}

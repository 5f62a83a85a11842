// Peers serves what edge flood speaks with other people's WebSocket libraries, so that bench/compare can
// put edge beside them: each in the way that its documentation recommends, and tuned as far as that goes.
//
// At /echo a message comes back; elsewhere the JSON commands connect, subscribe and publish are obeyed, in the
// form in which the flooder writes them and answered with the same bytes as by bench/baseline. A server holds
// no user, no history and no limits, keeps one room for each connection, and sends no pings.
//
// The servers with net/http let its handler return and read in a goroutine of their own, so that the
// request, its buffers and its stack are garbage while the connection lives.
//
// It is a module of its own, so that edge does not depend on any of them; node/ has the servers for Node.
package main

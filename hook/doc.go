// Package hook lets an application in any language decide about clients: a [Hooks] turns what a [server.Handler] is
// asked into HTTP requests with JSON bodies, and the answers back. docs/hooks.md describes the bodies.
//
//	hooks, err := hook.New(hook.Config{
//		Connect:   hook.Endpoint{URL: "https://app.internal/hooks/connect", Secret: secret},
//		Subscribe: hook.Endpoint{URL: "https://app.internal/hooks/subscribe", Secret: secret},
//	})
//	hooks.Fill(&config.Handler)
//	node, err := server.Open(config)
//	err = node.Run(ctx)
//	err = hooks.Close(ctx)
//
// A backend that is slow, dead or wrong costs a bounded amount of everything: each [Endpoint] has its own limit of calls
// at a time, time limit, budget for tries, response limit, connections and circuit breaker. A question without a usable
// answer is answered no, with an error that makes clients try again later.
//
// # Goroutines
//
// The functions of a Hooks work on the goroutine that calls them, beside what net/http runs for its connections. Events
// of a Disconnect endpoint are delivered by [Config.DisconnectWorkers] goroutines from [New] to [Hooks.Close].
package hook

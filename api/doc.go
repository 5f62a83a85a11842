// Package api is the HTTP API through which backends talk to a node: they publish, look into rooms, and put clients in
// and out. It speaks to the node through [Node] and knows neither sockets nor sessions. It belongs on an internal
// listener:
//
//	mux.Handle("/api", handler)
//	mux.Handle("/api/", handler)
//
// A request is a POST to /api/<method> with a JSON object, whose answer is {"result":…} or {"error":{"code","message"}};
// or one to /api, the older form, with any number of {"id","method","params"} one behind the other. The words of the
// wire are its clients': a room is a channel there.
//
// Requests run on the goroutines of the HTTP server. A broadcast or a parallel batch starts up to 64 more, which end
// before the request does.
package api

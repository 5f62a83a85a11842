// Package config reads what an operator wrote and makes the configuration of a node from it.
//
//	c, err := config.Load(config.Sources{File: "edge.yaml", Environ: os.Environ(), Flags: given})
//	...
//	s, err := server.Open(c.Server())
//
// # Sources
//
// A key's value is that of the first of these that has it: a flag, an EDGE_ variable, the file, the default.
// All are read strictly. A name that does not exist, a value of another type or beyond its range, and keys that
// contradict each other are [Problems], and one load reports all of them.
//
// # One table
//
// Two slices hold all there is to know of each key: nodeKeys (table.go) and roomKeys (rooms.go), the options of
// rooms, which stand under room.without_namespace and in each entry of room.namespaces. Loader, reload, flags, the
// written defaults and docs/configuration.md come from them; a key exists once it has its row.
//
// A [Config] does not change once it is loaded: a reload makes another. Any goroutine may read it.
package config

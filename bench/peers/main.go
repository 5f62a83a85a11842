package main

import (
	"flag"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
)

// libraries serve a listener until it fails.
var libraries = map[string]func(net.Listener) error{
	"gorilla": serveGorilla,
	"coder":   serveCoder,
	"gws":     serveGWS,
	"gobwas":  serveGobwas,
}

func main() {
	names := strings.Join(slices.Sorted(maps.Keys(libraries)), ", ")
	library := flag.String("library", "", "one of "+names)
	address := flag.String("address", "127.0.0.1:8000", "address and port to listen on; port 0 is any")
	flag.Parse()
	serve := libraries[*library]
	if serve == nil {
		fmt.Fprintf(os.Stderr, "peers: --library %q: want one of %s\n", *library, names)
		os.Exit(2)
	}
	if err := run(*address, serve); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// run says on stdout where it listens, and serves.
func run(address string, serve func(net.Listener) error) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	fmt.Println("listening on", l.Addr())
	return serve(l)
}

// serveHTTP serves l with net/http. upgrade has the connection until it returns, and what it starts beyond that.
func serveHTTP(l net.Listener, upgrade func(w http.ResponseWriter, r *http.Request, echo bool)) error {
	return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		upgrade(w, r, isEcho(r.URL.Path))
	}))
}

// isEcho reports whether who asks for path wants its messages back.
func isEcho(path string) bool { return path == "/echo" }

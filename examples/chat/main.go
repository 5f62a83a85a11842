// Chat is a chat in a web page, with the official Socket.IO client and an application of package socketio: rooms, who is there,
// who types, what was said before, acknowledgements, and recovery of what was said while a page was cut off.
//
//	npm ci --prefix examples/chat --ignore-scripts
//	go run ./examples/chat
//
// The page shows how it works from the browser's side, and these few lines from the server's. Open it in two windows.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/seed4ac54ce5/edge/server"
	"github.com/seed4ac54ce5/edge/socketio"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// clientFile is the browser's client, in the folder that npm has made.
const clientFile = "socket.io-client/dist/socket.io.min.js"

// options are the program's flags.
type options struct {
	address  string        // of the node
	page     string        // of the page
	internal string        // of health and metrics
	modules  string        // what npm has made
	absence  time.Duration // how long a page may be cut off and lose nothing
	log      *slog.Logger
}

// site is a node and the page that talks to it.
type site struct {
	node *server.Server
	web  *http.Server
	at   net.Listener
}

// open opens the node with the chat, and the page.
func open(o options) (*site, error) {
	client := filepath.Join(o.modules, filepath.FromSlash(clientFile))
	if _, err := os.Stat(client); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is not there: npm ci --prefix examples/chat --ignore-scripts makes it, and --modules says where it is", client)
	}
	at, err := net.Listen("tcp", o.page)
	if err != nil {
		return nil, err
	}
	node, err := openNode(&o, "http://"+at.Addr().String())
	if err != nil {
		return nil, errors.Join(err, at.Close())
	}
	s := &site{node: node, at: at, web: &http.Server{ReadHeaderTimeout: 5 * time.Second}}
	s.web.Handler = pages(node.Addresses()[0], client)
	return s, nil
}

// openNode opens a node for pages of one origin.
func openNode(o *options, origin string) (*server.Server, error) {
	chat := newChat(socketio.New(socketio.Options{
		Recovery: &socketio.Recovery{MaxDisconnection: o.absence},
		Log:      o.log,
	}))
	return server.Open(server.Config{
		Addresses:       []string{o.address},
		InternalAddress: o.internal,
		Access:          server.Access{Origins: []string{origin}},
		SocketIO:        chat.io.Server(server.SocketIO{}),
		Log:             o.log,
	})
}

// pages serves the page of a node, and the client's file.
func pages(node, client string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = page.Execute(w, struct{ Node string }{"http://" + node}) // the asker may have gone
	})
	mux.HandleFunc("GET /socket.io.min.js", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, client) })
	return mux
}

// run serves until ctx is done.
func (s *site) run(ctx context.Context) error {
	ended := make(chan error, 1)
	go func() { ended <- s.web.Serve(s.at) }()
	err := s.node.Run(ctx)
	err = errors.Join(err, s.web.Close())
	if web := <-ended; !errors.Is(web, http.ErrServerClosed) {
		err = errors.Join(err, web)
	}
	return err
}

func main() {
	o := options{log: slog.Default()}
	flag.StringVar(&o.address, "address", "127.0.0.1:8000", "host:port of the node")
	flag.StringVar(&o.page, "page", "127.0.0.1:8080", "host:port of the page")
	flag.StringVar(&o.internal, "internal-address", "127.0.0.1:9000", "host:port of health and metrics")
	flag.StringVar(&o.modules, "modules", "examples/chat/node_modules", "folder in which npm has put socket.io-client")
	flag.DurationVar(&o.absence, "absence", 2*time.Minute, "how long a page may be cut off and lose nothing")
	flag.Parse()
	s, err := open(o)
	if err != nil {
		fmt.Fprintln(os.Stderr, strings.TrimSpace(err.Error()))
		os.Exit(1)
	}
	fmt.Printf("open http://%s/ in two windows\n", s.at.Addr())
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := s.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

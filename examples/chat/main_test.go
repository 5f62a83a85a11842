package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/seed4ac54ce5/edge/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

// patience is how long anything may take.
const patience = 2 * time.Minute

// anywhere are options of a site on free ports, with a client's file that is not npm's.
func anywhere(t *testing.T) options {
	t.Helper()
	modules := t.TempDir()
	file := filepath.Join(modules, filepath.FromSlash(clientFile))
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("// the client"), 0o600); err != nil {
		t.Fatal(err)
	}
	return options{
		address: "127.0.0.1:0", page: "127.0.0.1:0", internal: "127.0.0.1:0", modules: modules,
		absence: patience, log: slog.New(slog.DiscardHandler),
	}
}

// openSite opens a site that serves until the test ends.
func openSite(t *testing.T) *site {
	t.Helper()
	s, err := open(anywhere(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx) }()
	t.Cleanup(func() {
		stop()
		s.node.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s
}

// get returns what a page's address has.
func (s *site) get(t *testing.T, path string) string {
	t.Helper()
	answer, err := http.Get("http://" + s.at.Addr().String() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %d, %v", path, answer.StatusCode, err)
	}
	http.DefaultClient.CloseIdleConnections()
	return string(text)
}

func TestPageAndClient(t *testing.T) {
	s := openSite(t)
	if page := s.get(t, "/"); !strings.Contains(page, `"http://`+s.node.Addresses()[0]+`"`) {
		t.Errorf("the page does not name its node: %s", page)
	}
	if client := s.get(t, "/socket.io.min.js"); client != "// the client" {
		t.Errorf("the client is %q", client)
	}
}

func TestWithoutTheClientItSaysHowToGetIt(t *testing.T) {
	o := anywhere(t)
	o.modules = t.TempDir()
	if _, err := open(o); err == nil || !strings.Contains(err.Error(), "npm ci --prefix examples/chat") {
		t.Errorf("open = %v; want how to get the client", err)
	}
}

// person is somebody in the chat.
type person struct {
	t    *testing.T
	conn io.ReadWriter
	past []string // packets that have come and not been looked at
	pid  string   // what it comes back with
}

// dial opens a session for somebody with what its CONNECT says, and cuts it when cut is called.
func (s *site) dial(t *testing.T, connect string) (p *person, cut func()) {
	t.Helper()
	conn, early, _, err := ws.Dial(t.Context(), "ws://"+s.node.Addresses()[0]+"/socket.io/?EIO=4&transport=websocket")
	if err != nil {
		t.Fatal(err)
	}
	cut = func() { _ = conn.Close() } // twice is fine
	t.Cleanup(cut)
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	p = &person{t: t, conn: conn}
	if early != nil { // the server speaks first
		p.conn = struct {
			io.Reader
			io.Writer
		}{early, conn}
	}
	p.say("40" + connect)
	return p, cut
}

// enter brings somebody with a name into the lobby.
func (s *site) enter(t *testing.T, name string) (p *person, cut func()) {
	t.Helper()
	p, cut = s.dial(t, `{"name":"`+name+`"}`)
	if pid := regexp.MustCompile(`"pid":"([^"]+)"`).FindStringSubmatch(p.expect(`^40\{"sid":"`)); pid != nil {
		p.pid = pid[1]
	}
	p.say(`421["join","lobby"]`)
	p.expect(`^431\[`)
	return p, cut
}

func (p *person) say(packet string) {
	p.t.Helper()
	if err := wsutil.WriteClientText(p.conn, []byte(packet)); err != nil {
		p.t.Fatal(err)
	}
}

// expect reads on until a packet matches, and returns it.
func (p *person) expect(pattern string) string {
	p.t.Helper()
	is := regexp.MustCompile(pattern).MatchString
	for {
		if i := slices.IndexFunc(p.past, is); i >= 0 {
			found := p.past[i]
			p.past = slices.Delete(p.past, i, i+1)
			return found
		}
		text, err := wsutil.ReadServerText(p.conn)
		switch {
		case err != nil:
			p.t.Fatalf("%v before %s; heard %q", err, pattern, p.past)
		case string(text) == "2":
			p.say("3")
		default:
			p.past = append(p.past, string(text))
		}
	}
}

func TestPeopleTalk(t *testing.T) {
	s := openSite(t)
	ann, _ := s.enter(t, "ann")
	bob, leave := s.enter(t, "bob")
	ann.expect(`^42\["joined","bob"`)
	bob.say(`422["message","Hello!"]`)
	bob.expect(`^432\[\{"number":1\}\]$`)
	ann.expect(`^42\["message",\{"number":1,"from":"bob","text":"Hello!","time":"`)
	bob.say(`42["typing",true]`)
	ann.expect(`^42\["typing","bob",true`)
	ann.say(`422["presence"]`)
	ann.expect(`^432\[\["ann","bob"\]\]$`)

	carol, _ := s.dial(t, `{"name":"carol"}`)
	carol.expect(`^40\{`)
	carol.say(`421["join","lobby"]`)
	carol.expect(`^431\[\{"history":\[\{"number":1,"from":"bob","text":"Hello!","time":"[^"]*"\}\],"present":\["ann","bob","carol"\],"room":"lobby"\}\]$`)
	leave()
	ann.expect(`^42\["left","bob"`)
}

func TestRules(t *testing.T) {
	s := openSite(t)
	for _, connect := range []string{``, `{"name":""}`, `{"name":7}`, `{"name":"` + strings.Repeat("n", 21) + `"}`} {
		p, _ := s.dial(t, connect)
		p.expect(`^44\{"message":"a name has 1 to 20 characters"\}$`)
	}
	p, _ := s.dial(t, `{"name":"ann"}`)
	p.expect(`^40\{`)
	for i, row := range []struct{ event, want string }{
		{`["message","too early"]`, "you are in no room"},
		{`["presence"]`, "you are in no room"},
		{`["join",""]`, "a room's name has 1 to 20 characters"},
		{`["join",{}]`, "a room's name has 1 to 20 characters"},
		{`["join","lobby"]`, ""},
		{`["message"," "]`, "a message has 1 to 1000 characters"},
		{`["message",{}]`, "a message has 1 to 1000 characters"},
	} {
		p.say(fmt.Sprintf("42%d%s", i, row.event))
		got := p.expect(fmt.Sprintf(`^43%d\[`, i))
		if want := `{"error":{"message":"` + row.want + `"}}`; (row.want != "") != strings.Contains(got, want) {
			t.Errorf("%s is answered %s; want %s", row.event, got, row.want)
		}
	}
}

// Who is cut off and comes back is who it was, where it was, and has what was said meanwhile.
func TestWhoComesBackHasMissedNothing(t *testing.T) {
	s := openSite(t)
	ann, cut := s.enter(t, "ann")
	bob, _ := s.enter(t, "bob")
	bob.say(`422["message","one"]`)
	one := ann.expect(`^42\["message",\{"number":1,`)
	offset := regexp.MustCompile(`"([^"]+)"\]$`).FindStringSubmatch(one)
	if offset == nil {
		t.Fatalf("a message without an offset: %s", one)
	}
	cut()
	bob.expect(`^42\["left","ann"`)
	bob.say(`423["message","two"]`)
	bob.expect(`^433\[`)

	back, _ := s.dial(t, `{"name":"ann","pid":"`+ann.pid+`","offset":"`+offset[1]+`"}`)
	back.expect(`^42\["message",\{"number":2,"from":"bob","text":"two"`)
	back.expect(`^40\{"sid":"[^"]+","pid":"` + regexp.QuoteMeta(ann.pid) + `"\}$`)
	back.say(`421["message","three"]`)
	bob.expect(`^42\["message",\{"number":3,"from":"ann","text":"three"`)
}

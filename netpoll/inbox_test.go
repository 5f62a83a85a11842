package netpoll

import (
	"sync"
	"testing"

	"github.com/seed4ac54ce5/edge/internal/sys"
	"github.com/seed4ac54ce5/edge/internal/testutil"
	"golang.org/x/sys/unix"
)

// logger keeps the posts it gets until enough have come.
type logger struct {
	actor
	want  int
	posts []Post
	all   chan bool
}

func (g *logger) Posted(p Post) {
	g.posts = append(g.posts, p)
	if len(g.posts) == g.want {
		close(g.all)
	}
}

// openLogger starts a loop that waits for want posts.
func openLogger(t testing.TB, want int) (*Loop, *logger, *Reactor) {
	t.Helper()
	g := &logger{want: want, all: make(chan bool)}
	r, err := Open(Config{Loops: 1, NewHandler: func(*Loop) Handler { return g }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r.Loops()[0], g, r
}

// asleep waits until l has said that it needs its bell, and nothing is left to do.
func asleep(t testing.TB, l *Loop) {
	t.Helper()
	testutil.Eventually(t, patience, func() bool { return l.inbox.asleep.Load() && l.inbox.waiting.Load() == 0 }, "the loop sleeps")
}

// Posts of one goroutine arrive in their order, and all of them, however many goroutines post.
func TestPostsKeepTheirOrder(t *testing.T) {
	const posters, each = 8, 20_000
	l, g, _ := openLogger(t, posters*each)
	var all sync.WaitGroup
	for poster := range uint32(posters) {
		all.Go(func() {
			for i := range uint64(each) {
				l.Send(Post{A: i, B: poster})
			}
		})
	}
	all.Wait()
	await(t, g.all, "all posts")
	var next [posters]uint64
	for _, p := range g.posts {
		if p.A != next[p.B] {
			t.Fatalf("poster %d: post %d came after %d", p.B, p.A, next[p.B]-1)
		}
		next[p.B]++
	}
	if n := l.inbox.waiting.Load(); n != 0 {
		t.Errorf("%d posts are said to wait in an empty inbox", n)
	}
}

// A burst rings a sleeping loop's bell once, and that of one that is awake not at all.
func TestOneWakePerBurst(t *testing.T) {
	l, g, _ := openLogger(t, 300)
	for range 3 {
		asleep(t, l)
		wakes := 0
		for range 100 {
			if l.Post(Post{}) {
				wakes++
			}
		}
		if wakes != 1 {
			t.Errorf("a burst asks for %d wakes; want 1", wakes)
		}
		l.Wake()
		testutil.Eventually(t, patience, func() bool { return l.inbox.waiting.Load() == 0 }, "the posts are taken")
	}
	await(t, g.all, "all posts")
}

func TestNoWakeForALoopAtWork(t *testing.T) {
	st := open(t, Config{}, script{})
	release := st.hold(0)
	for range 100 {
		if st.Loops()[0].Post(Post{Item: func(*Loop) {}}) {
			t.Error("a loop that is awake asks for its bell")
		}
	}
	release()
	st.do(0, func(*Loop) {})
}

// What a loop posts to itself is handled without a bell, in the next turn.
func TestPostToOneself(t *testing.T) {
	st := open(t, Config{}, script{})
	done := make(chan bool)
	st.do(0, func(l *Loop) {
		if l.Post(Post{Item: func(*Loop) { close(done) }}) {
			t.Error("a loop asks itself for its bell")
		}
	})
	await(t, done, "a post to oneself")
}

func TestPostsAfterCloseAreDropped(t *testing.T) {
	l, g, r := openLogger(t, 1)
	r.Close()
	l.Send(Post{})
	if l.Post(Post{}) || len(g.posts) != 0 || len(l.inbox.posts) != 0 {
		t.Errorf("after Close %d posts were handled and %d are kept; want none", len(g.posts), len(l.inbox.posts))
	}
}

// A wake that comes after the loop's end reaches nobody, whoever has the bell's number then.
func TestWakeAfterCloseReachesNobody(t *testing.T) {
	l, _, r := openLogger(t, 1)
	asleep(t, l)
	if !l.Post(Post{}) {
		t.Fatal("a sleeping loop does not ask for its bell")
	}
	bell := l.inbox.bell
	l.Wake() // as another would, while the one who has to is late
	r.Close()
	stranger, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer sys.Close(stranger)
	if stranger != bell {
		if err := unix.Dup3(stranger, bell, unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		defer sys.Close(bell)
	}
	l.Wake()
	var b [8]byte
	if n, err := unix.Read(stranger, b[:]); err == nil {
		t.Errorf("Wake after Close wrote %d bytes to a stranger's descriptor", n)
	}
}

// Goroutines that post while the reactor closes meet neither a panic nor a race.
func TestPostWhileClosing(t *testing.T) {
	forTables(t, func(t *testing.T, tables Tables) {
		for range 5 {
			st := open(t, Config{Loops: 2, Tables: tables}, script{})
			stop := make(chan struct{})
			var posters sync.WaitGroup
			for i := range 4 {
				posters.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
							st.Loops()[i%2].Send(Post{Item: func(*Loop) {}})
						}
					}
				})
			}
			st.Close()
			close(stop)
			posters.Wait()
		}
	})
}

// The memory of one large burst is not kept.
func TestBurstMemoryIsNotKept(t *testing.T) {
	st := open(t, Config{}, script{})
	l := st.Loops()[0]
	release := st.hold(0)
	for range 4 * maxSparePosts {
		l.Post(Post{Item: func(*Loop) {}})
	}
	release()
	for range 3 {
		st.do(0, func(*Loop) {})
	}
	st.do(0, func(l *Loop) {
		if cap(l.spare) > maxSparePosts || cap(l.inbox.posts) > maxSparePosts {
			t.Errorf("the inbox keeps room for %d and %d posts", cap(l.spare), cap(l.inbox.posts))
		}
	})
}

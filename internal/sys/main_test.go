package sys

import (
	"fmt"
	"os"
	"runtime"
	"testing"

	"github.com/seed4ac54ce5/edge/internal/testutil"
	"golang.org/x/sys/unix"
)

// mainThreadEnv makes the test binary see what OnOwnThread does when the scheduler offers the
// process's first thread, which the tests' own set-up otherwise keeps busy.
const mainThreadEnv = "EDGE_SYS_OFFER_MAIN_THREAD"

func TestMain(m *testing.M) {
	if os.Getenv(mainThreadEnv) != "" {
		os.Exit(offerMainThread())
	}
	testutil.Main(m)
}

// offerMainThread runs functions on their own threads while the first one is idle, and returns 0 if
// none of them got it.
func offerMainThread() int {
	runtime.UnlockOSThread()
	runtime.GOMAXPROCS(1) // the first thread runs what it has just started
	threads := make(chan int)
	for range 100 {
		OnOwnThread(func() { threads <- unix.Gettid() })
		if tid := <-threads; tid == unix.Getpid() {
			fmt.Println("OnOwnThread ran a function on the process's first thread")
			return 1
		}
	}
	return 0
}

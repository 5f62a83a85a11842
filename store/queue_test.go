package store

import (
	"testing"

	"github.com/seed4ac54ce5/edge/hub"
)

func sized(n int) *hub.Record { return &hub.Record{Entry: make([]byte, n-recordOverhead)} }

func TestQueueIsBoundedByBytes(t *testing.T) {
	q := newQueue(1000, 100)
	for _, row := range []struct {
		size int
		want bool
	}{{600, true}, {401, false}, {400, true}, {recordOverhead, false}} {
		if got := q.put(sized(row.size)); got != row.want {
			t.Errorf("put of %d bytes = %v", row.size, got)
		}
	}
}

// What the writer has taken counts until it is done, or a slow disk would have the whole process's memory.
func TestQueueCountsWhatIsBeingWritten(t *testing.T) {
	q := newQueue(1<<20, 2)
	a, b := sized(200), sized(300)
	if !q.put(a) || !q.put(b) || q.put(a) {
		t.Error("a queue for two records took another number")
	}
	taken := q.take(nil)
	if len(taken) != 2 || taken[0] != a || taken[1] != b {
		t.Fatalf("take = %v", taken)
	}
	if q.put(a) {
		t.Error("put while two records are being written = true")
	}
	q.release(taken[:1])
	if bytes, count := q.load(); bytes != 300 || count != 1 {
		t.Errorf("load = %d, %d", bytes, count)
	}
	if !q.put(a) || q.put(a) {
		t.Error("one record was released; not one was taken for it")
	}
}

// One token announces a burst, however long, and the next burst has its own.
func TestQueueRingsOncePerBurst(t *testing.T) {
	q := newQueue(1<<20, 100)
	for range 2 {
		for range 10 {
			q.put(sized(200))
		}
		<-q.wake
		select {
		case <-q.wake:
			t.Error("two tokens for a burst")
		default:
		}
		q.take(nil)
	}
}

func TestBatchOf(t *testing.T) {
	many := make([]*hub.Record, 2*maxBatchRecords)
	for i := range many {
		many[i] = sized(recordOverhead)
	}
	for _, row := range []struct {
		name    string
		records []*hub.Record
		want    int
	}{
		{"one", many[:1], 1},
		{"many", many, maxBatchRecords},
		{"one that is too large", []*hub.Record{sized(2 * maxBatchBytes), many[0]}, 1},
		{"large", []*hub.Record{sized(maxBatchBytes / 2), sized(maxBatchBytes / 2), many[0]}, 2},
	} {
		if got := batchOf(row.records); got != row.want {
			t.Errorf("batchOf(%s) = %d; want %d", row.name, got, row.want)
		}
	}
}

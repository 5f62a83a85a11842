package store

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/seed4ac54ce5/edge/hub"
)

// Config says where histories are kept, and how safely. Zero values stand for the defaults named here.
type Config struct {
	Path         string        // of the file; its folder must exist
	Policy       Policy        // Always
	SyncInterval time.Duration // between two syncs under Interval; 1 s
	QueueBytes   int           // rooms and entries that may wait; 16 MiB
	QueueRecords int           // records that may wait; 65536
	Log          *slog.Logger

	now    func() time.Time       // for names and the pace of log lines
	bootID func() (string, error) // of the machine
}

const (
	defaultSyncInterval = time.Second
	defaultQueueBytes   = 16 << 20
	defaultQueueRecords = 1 << 16
)

func (c Config) withDefaults() Config {
	orElse(&c.SyncInterval, defaultSyncInterval)
	orElse(&c.QueueBytes, defaultQueueBytes)
	orElse(&c.QueueRecords, defaultQueueRecords)
	orElse(&c.Log, slog.Default())
	if c.now == nil {
		c.now = time.Now
	}
	if c.bootID == nil {
		c.bootID = readBootID
	}
	return c
}

func orElse[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// check returns what is wrong with a filled-in c.
func (c *Config) check() error {
	switch {
	case c.Path == "":
		return fmt.Errorf("store: no path for the file")
	case c.Policy > Interval:
		return fmt.Errorf("store: no such policy: %v", c.Policy)
	case c.SyncInterval < time.Millisecond:
		return fmt.Errorf("store: sync interval of %v; it must be at least 1ms", c.SyncInterval)
	case c.QueueBytes < 0 || c.QueueRecords < 0:
		return fmt.Errorf("store: queue of %d bytes and %d records; they must be positive", c.QueueBytes, c.QueueRecords)
	}
	return nil
}

// Store is an open file of histories. It is a [hub.Store].
type Store struct {
	// Set by Open.
	config Config
	queue  *queue
	db     *database // the writer's from the first Put on
	quit   chan struct{}
	done   chan struct{} // closed when the writer has ended

	counts counts // any goroutine (atomic)

	closing sync.Once
	closed  error // set before done is closed
}

var _ hub.Store = (*Store)(nil)

// Open opens the file at c.Path, or makes it, and holds it locked until Close; while another process does so it
// returns ErrLocked. Damage is no error: what is whole stays, a file without anything whole is set aside, and
// both are logged. A file of a newer program is left alone, with ErrVersion.
func Open(c Config) (*Store, error) {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return nil, err
	}
	db, err := openDatabase(&c)
	if err != nil {
		return nil, err
	}
	s := &Store{
		config: c,
		queue:  newQueue(c.QueueBytes, c.QueueRecords),
		db:     db,
		quit:   make(chan struct{}),
		done:   make(chan struct{}),
	}
	go s.write()
	return s, nil
}

// write is the writer goroutine.
func (s *Store) write() {
	defer close(s.done)
	due := time.NewTimer(time.Hour)
	due.Stop()
	w := &writer{config: &s.config, queue: s.queue, counts: &s.counts, db: s.db, due: due}
	s.closed = w.run(s.quit)
}

// Load calls each for every room in the file, with its position and its entries, oldest first: they have the
// offsets up to the room's, without a hole. room and entries belong to each; an error of each ends Load, which returns
// it. Load must have returned before the first Put.
func (s *Store) Load(each func(room []byte, epoch, offset uint64, entries [][]byte) error) error {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	l := &loader{each: each}
	err := s.db.view(l.load)
	l.report(s.config.Log, s.config.Path)
	return err
}

// Put queues r and reports whether there was room for it: not if the queue is full, the name longer than 32 KiB or the
// store closed. It takes a lock for the time of an append, and allocates only when the queue grows. Records of one
// room must come in the order of their offsets; one that leaves out an offset drops the entries before the hole.
// Any goroutine.
func (s *Store) Put(r *hub.Record) bool {
	if len(r.Room) > maxName || !s.queue.put(r) {
		s.counts.refused.Add(1)
		return false
	}
	return true
}

// Close writes what is queued, syncs the file, marks it as whole and lets go of it. Put refuses from then on. The
// error says what could not be brought to the disk; another call returns it again.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.queue.close()
		close(s.quit)
	})
	<-s.done
	return s.closed
}

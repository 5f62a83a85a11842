package store

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"

	"go.etcd.io/bbolt"

	"github.com/seed4ac54ce5/edge/hub"
)

// schema is the version of the layout. A program refuses a file with a higher one.
const schema = 1

var marksKey = []byte("marks")

// bootIDFile has a different text each time the machine starts.
const bootIDFile = "/proc/sys/kernel/random/boot_id"

// marks says who used the file last, and how that ended.
type marks struct {
	schema uint32
	policy Policy
	open   bool   // it did not end with Close
	boot   string // of the machine, when the file was opened
}

// currentMarks are those of a file opened now.
func currentMarks(c *Config) (marks, error) {
	boot, err := c.bootID()
	return marks{schema: schema, policy: c.Policy, open: true, boot: boot}, err
}

func readBootID() (string, error) {
	b, err := os.ReadFile(bootIDFile)
	return strings.TrimSpace(string(b)), err
}

// lossy reports whether what the kernel had been given when m was written may not have reached the disk,
// seen from now.
func (m marks) lossy(now marks) bool {
	return m.open && m.policy != Always && m.boot != now.boot
}

func (m marks) seal() []byte {
	b := binary.BigEndian.AppendUint32(nil, m.schema)
	b = append(b, byte(m.policy), 0)
	if m.open {
		b[5] = 1
	}
	return seal(marksKey, append(b, m.boot...))
}

// parseMarks reads what seal made. Damaged marks are those of the worst case.
func parseMarks(value []byte) marks {
	b, ok := unseal(marksKey, value)
	if !ok || len(b) < 6 {
		return marks{schema: schema, policy: Interval, open: true}
	}
	return marks{
		schema: binary.BigEndian.Uint32(b),
		policy: Policy(b[4]),
		open:   b[5] != 0,
		boot:   string(b[6:]),
	}
}

// readMarks returns the marks of tx's file, and not ok if the file is new.
func readMarks(tx *bbolt.Tx) (m marks, ok bool, err error) {
	if name, _ := tx.Cursor().First(); name == nil {
		return marks{}, false, nil
	}
	b := tx.Bucket(marksBucket)
	if b == nil {
		return marks{}, false, fmt.Errorf("store: a bbolt file of another program")
	}
	m = parseMarks(b.Get(marksKey))
	if m.schema > schema {
		return marks{}, false, fmt.Errorf("%w: schema %d; this program knows %d", ErrVersion, m.schema, schema)
	}
	return m, true, nil
}

// writeMarks makes the buckets where they are missing, and sets the marks.
func writeMarks(tx *bbolt.Tx, m marks) error {
	for _, name := range [][]byte{roomsBucket, entriesBucket, marksBucket} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	return tx.Bucket(marksBucket).Put(marksKey, m.seal())
}

// renewEpochs gives every room a new epoch, in which its position and entries go on. It returns how many there were.
func renewEpochs(tx *bbolt.Tx) (int, error) {
	rooms := tx.Bucket(roomsBucket)
	renewed := make(map[string]roomState) // apart, for a bucket must not change under its own iteration
	_ = rooms.ForEach(func(key, value []byte) error {
		if s, ok := parseRoomState(key, value); ok {
			s.epoch = otherEpoch(s.epoch)
			renewed[string(key)] = s
		}
		return nil
	})
	for key, s := range renewed {
		if err := rooms.Put([]byte(key), s.seal([]byte(key))); err != nil {
			return 0, err
		}
	}
	return len(renewed), nil
}

// otherEpoch returns an epoch that is not old.
func otherEpoch(old uint64) uint64 {
	for {
		if e := hub.NewEpoch(); e != old {
			return e
		}
	}
}

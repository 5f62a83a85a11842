package bench

import (
	"encoding/json"
	"fmt"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// part is what one process has found out of something that the report has for all of them. It travels as JSON.
type part[T any] interface {
	*T
	add(other *T)
}

// addParts adds to the coordinator's part what its workers give at a step; one that is lost gives nothing. In any other
// process mine stays its own.
func addParts[T any, P part[T]](r *run, step string, mine P) {
	if r.crew == nil {
		return
	}
	text, err := json.Marshal(mine)
	if err != nil {
		panic("bench: a part has no form: " + err.Error()) // it holds numbers and names
	}
	r.crew.meet(step, &message{Part: text}, func(given []*message) *message {
		for i, m := range given {
			if m == nil {
				continue
			}
			var theirs T
			if err := json.Unmarshal(m.Part, &theirs); err != nil {
				if c, ok := r.crew.(*coordinator); ok {
					c.leave(c.mates[i], fmt.Errorf("gives at %q what has another form: %w", step, err))
				}
				continue
			}
			mine.add(&theirs)
		}
		return new(message)
	})
}

// count is a part that is a number.
type count uint64

func (c *count) add(o *count) { *c += *o }

// samples is a histogram that travels, with all that was recorded.
type samples struct{ *hdrhistogram.Histogram }

func newSamples() samples { return samples{newHistogram()} }

// add enters what another process has recorded, if it has.
func (s samples) add(o samples) {
	if o.Histogram != nil {
		s.Merge(o.Histogram)
	}
}

// MarshalJSON writes s as hdrhistogram encodes it.
func (s samples) MarshalJSON() ([]byte, error) {
	form, err := s.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return nil, err
	}
	return json.Marshal(form)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *samples) UnmarshalJSON(b []byte) error {
	var form []byte
	err := json.Unmarshal(b, &form)
	if err == nil {
		s.Histogram, err = hdrhistogram.Decode(form)
	}
	return err
}

// addCounts adds counts by label.
func addCounts(to, from map[string]uint64) {
	for label, n := range from {
		to[label] += n
	}
}

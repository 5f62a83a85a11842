package bench

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/seed4ac54ce5/edge/internal/near"
	"go.yaml.in/yaml/v3"
)

// Mix says who the connections of the scenarios mix and soak are and what they do. Rates are a second and for each
// connection while it is connected, at an activity of 1.
type Mix struct {
	Rooms      int       `yaml:"rooms"`      // in all; rounded up so that each loop of a process has as many
	Popularity float64   `yaml:"popularity"` // Zipf's exponent: the k-th room is joined as if weighed 1/k^popularity; 0 for all alike
	Day        []float64 `yaml:"day"`        // activity by hour, 24 of them; with --day
	Classes    []Class   `yaml:"classes"`
}

// Class is a kind of connection.
type Class struct {
	Name     string        `yaml:"name"`
	Share    float64       `yaml:"share"` // of all connections, relative to the other classes' shares
	Rooms    Range         `yaml:"rooms"` // how many each is in
	Session  time.Duration `yaml:"session"`
	Away     time.Duration `yaml:"away"`
	Publish  float64       `yaml:"publish"`
	Payload  []Size        `yaml:"payload"`
	Typing   float64       `yaml:"typing"`   // calls of edge.typing
	Presence float64       `yaml:"presence"` // calls of presence_stats
	History  float64       `yaml:"history"`  // calls of history, for up to 20 publications
	RPC      float64       `yaml:"rpc"`
	Method   string        `yaml:"rpc_method"`
	Slow     float64       `yaml:"slow"`  // share of its connections that do not read now and then, 0 to 1
	Stall    time.Duration `yaml:"stall"` // for how long they do not, and then do, on average
}

// Range is a whole number that is drawn evenly, both ends included.
type Range struct {
	Min int `yaml:"min"`
	Max int `yaml:"max"`
}

// Size is a size of payloads.
type Size struct {
	Share float64 `yaml:"share"` // relative to the other sizes'
	Bytes int     `yaml:"bytes"`
}

// maxMixRooms keeps a connection's rooms within what servers allow by default.
const maxMixRooms = 100

//go:embed mix.yaml
var builtInMix []byte

// BuiltInMix returns the file that mix and soak use if they are given none: a day of a chat service.
func BuiltInMix() []byte { return slices.Clone(builtInMix) }

// ParseMix reads the YAML of a mix, all of which must be known. An error wraps ErrUsage and names the place.
func ParseMix(data []byte) (*Mix, error) {
	d := yaml.NewDecoder(bytes.NewReader(data))
	var document yaml.Node
	if err := d.Decode(&document); err != nil {
		return nil, mixError("%s", strings.Join(strings.Fields(err.Error()), " "))
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, mixError("more than one document")
	}
	m := new(Mix)
	if err := checkKeys(document.Content[0], reflect.TypeFor[Mix](), ""); err != nil {
		return nil, err
	}
	if err := document.Decode(m); err != nil {
		return nil, mixError("%s", strings.Join(strings.Fields(err.Error()), " "))
	}
	return m, m.check()
}

func mixError(format string, a ...any) error {
	return fmt.Errorf("%w: --mix: %s", ErrUsage, fmt.Sprintf(format, a...))
}

// checkKeys complains of the first key under n that a value of type t does not have.
func checkKeys(n *yaml.Node, t reflect.Type, path string) error {
	switch {
	case n.Kind == yaml.AliasNode:
		return checkKeys(n.Alias, t, path)
	case n.Kind == yaml.SequenceNode && t.Kind() == reflect.Slice:
		for i, item := range n.Content {
			if err := checkKeys(item, t.Elem(), fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
	case n.Kind == yaml.MappingNode && t.Kind() == reflect.Struct:
		return checkFields(n, t, path)
	case t.Kind() == reflect.Struct:
		return mixError("line %d: %s: want keys with values", n.Line, orTop(path))
	}
	return nil
}

func checkFields(n *yaml.Node, t reflect.Type, path string) error {
	known := make(map[string]reflect.Type)
	var names []string
	for f := range t.Fields() {
		known[f.Tag.Get("yaml")] = f.Type
		names = append(names, f.Tag.Get("yaml"))
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		of, ok := known[key.Value]
		if !ok {
			return mixError("line %d: %s: unknown key; did you mean %s?", key.Line, strings.TrimPrefix(path+"."+key.Value, "."), nearestName(key.Value, names))
		}
		if err := checkKeys(n.Content[i+1], of, strings.TrimPrefix(path+"."+key.Value, ".")); err != nil {
			return err
		}
	}
	return nil
}

func orTop(path string) string {
	if path == "" {
		return "the file"
	}
	return path
}

// nearestName returns which of names is the nearest to name.
func nearestName(name string, names []string) string {
	return slices.MinFunc(names, func(a, b string) int { return near.Distance(name, a) - near.Distance(name, b) })
}

// check returns the first thing that is wrong with m, and fills in what is left out.
func (m *Mix) check() error {
	switch {
	case m.Rooms < 1 || m.Rooms > maxConnections:
		return mixError("rooms: %d: want 1 to %d", m.Rooms, maxConnections)
	case !within(m.Popularity, 0, 10):
		return mixError("popularity: %g: want 0 to 10", m.Popularity)
	case len(m.Day) != 0 && len(m.Day) != 24:
		return mixError("day: %d numbers: want 24, one for each hour", len(m.Day))
	case len(m.Classes) == 0 || len(m.Classes) > 64:
		return mixError("classes: %d: want 1 to 64", len(m.Classes))
	}
	for i, v := range m.Day {
		if !within(v, 0, 1000) {
			return mixError("day[%d]: %g: want 0 to 1000", i, v)
		}
	}
	var shares float64
	for i := range m.Classes {
		if err := m.Classes[i].check(i); err != nil {
			return err
		}
		shares += m.Classes[i].Share
	}
	if shares == 0 {
		return mixError("classes: all shares are 0: want one that is more")
	}
	return nil
}

// within reports whether v is a number from low to high.
func within(v, low, high float64) bool { return v >= low && v <= high && !math.IsNaN(v) }

func (c *Class) check(i int) error {
	at := fmt.Sprintf("classes[%d]", i)
	if c.Name == "" {
		return mixError("%s.name: missing: want a word", at)
	}
	if len(c.Payload) == 0 {
		c.Payload = []Size{{Share: 1, Bytes: 64}}
	}
	orElse(&c.Method, "flood")
	orElse(&c.Stall, 5*time.Second)
	for _, v := range []struct {
		name     string
		is, most float64
	}{
		{"share", c.Share, 1e9}, {"publish", c.Publish, 1e6}, {"typing", c.Typing, 1e6}, {"presence", c.Presence, 1e6},
		{"history", c.History, 1e6}, {"rpc", c.RPC, 1e6}, {"slow", c.Slow, 1},
	} {
		if !within(v.is, 0, v.most) {
			return mixError("%s.%s: %g: want 0 to %g", at, v.name, v.is, v.most)
		}
	}
	switch {
	case c.Rooms.Min < 0 || c.Rooms.Max < c.Rooms.Min || c.Rooms.Max > maxMixRooms:
		return mixError("%s.rooms: min %d, max %d: want 0 to %d, the smaller first", at, c.Rooms.Min, c.Rooms.Max, maxMixRooms)
	case c.Session < 0 || c.Away < 0 || c.Stall < 0:
		return mixError("%s: session %v, away %v, stall %v: want times that are not negative", at, c.Session, c.Away, c.Stall)
	}
	return c.checkPayload(at)
}

func (c *Class) checkPayload(at string) error {
	var shares float64
	for i, s := range c.Payload {
		if s.Bytes < minStamp || s.Bytes > maxStamp || !within(s.Share, 0, 1e9) {
			return mixError("%s.payload[%d]: share %g, bytes %d: want a share that is not negative, and %d to %d bytes", at, i, s.Share, s.Bytes, minStamp, maxStamp)
		}
		shares += s.Share
	}
	if shares == 0 {
		return mixError("%s.payload: all shares are 0: want one that is more", at)
	}
	return nil
}

// activity returns how much is going on when so much of a day has passed, from 0 to 1: between the hours it goes
// straight from one to the next.
func (m *Mix) activity(passed float64) float64 {
	if len(m.Day) == 0 {
		return 1
	}
	hour := (passed - math.Floor(passed)) * 24
	from := int(hour) % 24
	part := hour - math.Floor(hour)
	return m.Day[from]*(1-part) + m.Day[(from+1)%24]*part
}

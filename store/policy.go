package store

import "fmt"

// Policy says when a record counts as kept.
type Policy uint8

const (
	Always   Policy = iota // when the disk has it
	Interval               // when the kernel has it; the disk follows every SyncInterval
)

// ParsePolicy returns the policy of that name, as options spell it: always or interval.
func ParsePolicy(name string) (Policy, error) {
	for _, p := range []Policy{Always, Interval} {
		if name == p.String() {
			return p, nil
		}
	}
	return 0, fmt.Errorf("store: sync policy %q; it may be always or interval", name)
}

// String returns the name that [ParsePolicy] knows.
func (p Policy) String() string {
	switch p {
	case Always:
		return "always"
	case Interval:
		return "interval"
	}
	return fmt.Sprintf("Policy(%d)", uint8(p))
}

package admission

import "time"

// Limits say how many conns may come, and how fast. A limit of 0 or less is none.
type Limits struct {
	Connections int  // on the node
	Rate        Rate // of new ones on the node

	AddressConnections int  // from one address
	AddressRate        Rate // of new ones from one address
	IPv6Prefix         int  // the bits of an IPv6 address that tell one client's from another's; 64 unless 1 to 128

	UserConnections int // of one user
}

// Rate is how often something may happen: PerSecond in the long run, and Burst, at least 1, at once.
type Rate struct {
	PerSecond float64
	Burst     int
}

// A pace is a Rate as a bucket needs it. Each token is worth spacing nanoseconds, and a full bucket span. With a spacing
// of 0 there is no limit.
type pace struct {
	spacing, span int64
}

// The slowest rate is one in an hour, the largest burst what a day has saved up.
const (
	maxSpacing = int64(time.Hour)
	maxSpan    = int64(24 * time.Hour)
)

func (r Rate) pace() pace {
	if !(r.PerSecond > 0) || r.PerSecond > float64(time.Second) {
		return pace{}
	}
	spacing := int64(min(float64(time.Second)/r.PerSecond, float64(maxSpacing)))
	burst := min(int64(max(r.Burst, 1)), maxSpan/spacing)
	return pace{spacing, burst * spacing}
}

// rules are Limits as Admit needs them.
type rules struct {
	Limits
	node, address pace
}

const defaultIPv6Prefix = 64

func (l Limits) rules() *rules {
	if l.IPv6Prefix < 1 || l.IPv6Prefix > 128 {
		l.IPv6Prefix = defaultIPv6Prefix
	}
	return &rules{l, l.Rate.pace(), l.AddressRate.pace()}
}

// countsAddresses reports whether there is anything to know of an address.
func (r *rules) countsAddresses() bool { return r.AddressConnections > 0 || r.address.spacing > 0 }

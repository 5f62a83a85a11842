package admission

import (
	"math/rand/v2"
	"time"
)

// Reason is why somebody is not let in.
type Reason uint8

// The reasons, in the order in which they are looked for.
const (
	None               Reason = iota // admitted
	NodeConnections                  // the node has as many conns as it may
	NodeRate                         // conns come too fast
	Memory                           // the node's memory is nearly used up
	AddressConnections               // the address has as many conns as it may
	AddressRate                      // its conns come too fast
	UserConnections                  // the user has as many conns as they may

	Reasons // how many there are
)

// String returns r as a label of a counter.
func (r Reason) String() string {
	return [...]string{
		"none", "node_connections", "node_rate", "memory",
		"address_connections", "address_rate", "user_connections", "unknown",
	}[min(r, Reasons)]
}

// A Verdict is the answer to somebody who wants in.
type Verdict struct {
	Reason     Reason // None: come in
	RetryAfter uint16 // whole seconds after which to try again; 0 if admitted
}

// Admitted reports whether the answer is yes.
func (v Verdict) Admitted() bool { return v.Reason == None }

// patience is how many seconds to stay away for a reason, at the least and at the most. What takes long to change has
// the larger figures. The range is wide, as those refused together should not come back together.
var patience = [Reasons]struct{ least, most int }{
	NodeConnections:    {5, 20},
	NodeRate:           {1, 10},
	Memory:             {10, 30},
	AddressConnections: {5, 20},
	AddressRate:        {1, 5},
	UserConnections:    {5, 20},
}

// maxWait bounds what a slow rate would ask for.
const maxWait = time.Hour

// refuse returns the refusal for r. wait is how long nothing can have changed.
func refuse(r Reason, wait time.Duration) Verdict {
	p := patience[r]
	seconds := int((min(wait, maxWait) + time.Second - 1) / time.Second)
	return Verdict{r, uint16(seconds + p.least + rand.IntN(p.most-p.least+1))}
}

package bench

import "container/heap"

// calendar holds connections that are due at a time, the earliest first. An entry is the time in milliseconds on the run's
// clock above 32 bits of the connection's number.
type calendar struct{ entries entries }

// add enters that number is due at a time in nanoseconds.
func (c *calendar) add(at int64, number uint32) {
	const millisecond = 1e6
	heap.Push(&c.entries, uint64((at+millisecond-1)/millisecond)<<32|uint64(number))
}

// take returns one that is due, if there is one.
func (c *calendar) take(now int64) (number uint32, ok bool) {
	if len(c.entries) == 0 || int64(c.entries[0]>>32)*1e6 > now {
		return 0, false
	}
	return uint32(heap.Pop(&c.entries).(uint64)), true
}

// entries is a heap.
type entries []uint64

func (e entries) Len() int           { return len(e) }
func (e entries) Less(i, j int) bool { return e[i] < e[j] }
func (e entries) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *entries) Push(v any)        { *e = append(*e, v.(uint64)) }

func (e *entries) Pop() any {
	last := len(*e) - 1
	v := (*e)[last]
	*e = (*e)[:last]
	return v
}

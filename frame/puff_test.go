package frame

import "errors"

// puff inflates a DEFLATE stream as slowly and plainly as RFC 1951 tells it, in the manner of the program of that
// name. It is the oracle for what no ordinary decoder tells: how far back the stream refers. It stops when the
// stream does.
type puff struct {
	in       []byte
	bit      int // of in, the next to read
	out      []byte
	farthest int // of all distances
}

var errPuff = errors.New("not a DEFLATE stream")

// puffStream inflates src; it returns what came out and the largest distance in it.
func puffStream(src []byte) (out []byte, farthest int, err error) {
	defer func() {
		if recover() != nil { // read past the end
			err = errPuff
		}
	}()
	p := puff{in: src}
	for final := 0; final == 0 && err == nil; {
		final = p.bits(1)
		switch p.bits(2) {
		case 0:
			p.stored()
		case 1:
			err = p.codes(fixedCodes())
		case 2:
			err = p.codes(p.dynamicCodes())
		default:
			err = errPuff
		}
	}
	return p.out, p.farthest, err
}

// bits takes n bits, the first the least.
func (p *puff) bits(n int) int {
	v := 0
	for i := range n {
		v |= int(p.in[p.bit/8]>>(p.bit%8)&1) << i
		p.bit++
	}
	return v
}

func (p *puff) stored() {
	at := (p.bit + 7) / 8
	size := int(p.in[at]) | int(p.in[at+1])<<8
	p.out = append(p.out, p.in[at+4:at+4+size]...)
	p.bit = (at + 4 + size) * 8
}

// huffman maps a code, with a one before its first bit, to its symbol.
type huffman map[int]int

func newHuffman(lengths []int) huffman {
	h, code := huffman{}, 0
	for length := 1; length <= 15; length++ {
		for symbol, l := range lengths {
			if l == length {
				h[1<<length|code] = symbol
				code++
			}
		}
		code <<= 1
	}
	return h
}

func (p *puff) symbol(h huffman) int {
	for code := 1; ; {
		code = code<<1 | p.bits(1)
		if symbol, ok := h[code]; ok {
			return symbol
		}
	}
}

func fixedCodes() (literals, distances huffman) {
	var lengths [288]int
	for i := range lengths {
		switch {
		case i < 144, i >= 280:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		default:
			lengths[i] = 7
		}
	}
	return newHuffman(lengths[:]), newHuffman([]int{5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5})
}

func (p *puff) dynamicCodes() (literals, distances huffman) {
	nlit, ndist, ncode := p.bits(5)+257, p.bits(5)+1, p.bits(4)+4
	var order [19]int
	for _, i := range []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}[:ncode] {
		order[i] = p.bits(3)
	}
	h, lengths := newHuffman(order[:]), []int{}
	for len(lengths) < nlit+ndist {
		value, times := p.symbol(h), 1
		switch value {
		case 16:
			value, times = lengths[len(lengths)-1], 3+p.bits(2)
		case 17:
			value, times = 0, 3+p.bits(3)
		case 18:
			value, times = 0, 11+p.bits(7)
		}
		for range times {
			lengths = append(lengths, value)
		}
	}
	return newHuffman(lengths[:nlit]), newHuffman(lengths[nlit:])
}

var (
	lengthBase    = []int{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthExtra   = []int{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distanceBase  = []int{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	distanceExtra = []int{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
)

func (p *puff) codes(literals, distances huffman) error {
	for {
		symbol := p.symbol(literals)
		if symbol < 256 {
			p.out = append(p.out, byte(symbol))
			continue
		}
		if symbol == 256 {
			return nil
		}
		length := lengthBase[symbol-257] + p.bits(lengthExtra[symbol-257])
		symbol = p.symbol(distances)
		distance := distanceBase[symbol] + p.bits(distanceExtra[symbol])
		if p.farthest = max(p.farthest, distance); distance > len(p.out) {
			return errPuff
		}
		for range length {
			p.out = append(p.out, p.out[len(p.out)-distance])
		}
	}
}

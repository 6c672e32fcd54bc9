package stock

var index [][]byte

func fill(n int) { index = append(index, make([]byte, n)) }

// Load fills the index through a closure.
//
//go:noinline
func Load(times, n int) {
	add := func() { fill(n) }
	for i := 0; i < times; i++ {
		add()
	}
}

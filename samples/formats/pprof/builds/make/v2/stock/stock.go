package stock

var (
	index [][]byte
	hooks []func(int)
)

//go:noinline
func fill(n int) { index = append(index, make([]byte, n)) }

// Load fills the index; another closure now stands before the one that does it.
//
//go:noinline
func Load(times, n int) {
	hooks = append(hooks, func(k int) { _ = k + times })
	add := func() { fill(n) }
	for i := 0; i < times; i++ {
		add()
	}
}

// Package noise is what a service does beside leaking.
package noise

import "math/rand"

var (
	warm  [][]byte
	plat  = make([][]byte, 0, 4096)
	saw   [][]byte
	burst [][]byte
	turn  = make([][]byte, 600)
	sink  any
	lru   = map[int]*entry{}
	order []int
	Rnd   = rand.New(rand.NewSource(7))
)

type entry struct {
	key  int
	body []byte
}

func LoadTables(step int) { // warm-up: first two steps only
	if step < 2 {
		for i := 0; i < 900; i++ {
			warm = append(warm, make([]byte, 24<<10))
		}
	}
}

func FillCache(step int) { // fills until 3000 entries, then replaces
	for i := 0; i < 900; i++ {
		b := make([]byte, 6000+Rnd.Intn(4000))
		if len(plat) < 3000 {
			plat = append(plat, b)
		} else {
			plat[Rnd.Intn(len(plat))] = b
		}
	}
}

func Batch(step int) { // sawtooth
	saw = nil
	if step%2 == 0 {
		for i := 0; i < 700; i++ {
			saw = append(saw, make([]byte, 32<<10))
		}
	}
}

func Report(step, at int) { // a burst at one step
	burst = nil
	if step == at {
		for i := 0; i < 400; i++ {
			burst = append(burst, make([]byte, 48<<10))
		}
	}
}

func Turnover() { // constant set, replaced: sampling noise
	for i := range turn {
		turn[i] = make([]byte, 20<<10+Rnd.Intn(60<<10))
	}
}

func Parse(n int) { // garbage
	for i := 0; i < n; i++ {
		b := make([]byte, 64+Rnd.Intn(2000))
		sink = b
	}
}

func Remember(n int) { // bounded LRU
	for i := 0; i < n; i++ {
		k := Rnd.Int()
		lru[k] = &entry{k, make([]byte, 1500)}
		order = append(order, k)
		if len(order) > 5000 {
			delete(lru, order[0])
			order = order[1:]
		}
	}
}

package price

var history []*[256]int64

// Note keeps a price.
//
//go:noinline
func Note(times int) {
	check := func(i int) bool { defer func() {}(); return i >= 0 }
	keep := func() { history = append(history, new([256]int64)) }
	for i := 0; i < times; i++ {
		if check(i) {
			func() { defer func() {}(); keep() }()
		}
	}
}

package cart

type Store struct{ lines [][]byte }

// Put keeps every line for ever.
//
//go:noinline
func (s *Store) Put(n int) { s.lines = append(s.lines, make([]byte, n)) }

var All = &Store{}

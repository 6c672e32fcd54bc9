package cart

import "bytes"

// Shelf was called Store, in a package that lay elsewhere.
type Shelf struct{ lines [][]byte }

func (s *Shelf) Len() int { return len(bytes.Join(s.lines, nil)) }

// Put keeps every line for ever.
//
//go:noinline
func (s *Shelf) Put(n int) { s.lines = append(s.lines, make([]byte, n)) }

var All = &Shelf{}

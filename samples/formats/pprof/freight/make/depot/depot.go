// Package depot is a library called from several places.
package depot

type Slot struct {
	id  int
	buf []byte
}

type Depot struct{ slots []*Slot }

//go:noinline
func (d *Depot) Acquire(n int) *Slot { return &Slot{n, make([]byte, 8<<10)} }

func (d *Depot) Keep(s *Slot) { d.slots = append(d.slots, s) }
func (d *Depot) Drop()        { d.slots = nil }

// Ring is generic.
type Ring[T any] struct {
	items []T
	max   int
}

func NewRing[T any](max int) *Ring[T] { return &Ring[T]{max: max} }

//go:noinline
func (r *Ring[T]) Push(mk func() T) {
	r.items = append(r.items, mk())
	if r.max > 0 && len(r.items) > r.max {
		r.items = append([]T(nil), r.items[1:]...)
	}
}

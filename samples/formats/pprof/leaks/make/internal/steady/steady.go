// Package steady holds what looks like growth and is none: a warm-up, a pool, a bounded LRU, a batch that comes and goes.
package steady

import (
	"container/list"
	"strconv"
	"sync"
)

var warm = map[int][]byte{}

// WarmUp fills a cache up to its bound.
func WarmUp(n, bound int) {
	for i := 0; i < n && len(warm) < bound; i++ {
		warm[len(warm)] = make([]byte, 24<<10)
	}
}

type entry struct {
	key string
	val []byte
}

// LRU is bounded.
type LRU struct {
	max   int
	order *list.List
	at    map[string]*list.Element
}

func NewLRU(max int) *LRU { return &LRU{max, list.New(), map[string]*list.Element{}} }

func (l *LRU) Put(i int) {
	k := "key-" + strconv.Itoa(i)
	l.at[k] = l.order.PushFront(&entry{k, make([]byte, 4<<10)})
	if l.order.Len() > l.max {
		old := l.order.Remove(l.order.Back()).(*entry)
		delete(l.at, old.key)
	}
}

var pool = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}

// Pooled borrows and gives back.
func Pooled(n int) {
	for i := 0; i < n; i++ {
		b := pool.Get().(*[]byte)
		(*b)[0] = byte(i)
		pool.Put(b)
	}
}

var batch [][]byte

// Batch grows and is dropped every other time.
func Batch(step, n int) {
	if step%2 == 1 {
		batch = nil
		return
	}
	for i := 0; i < n; i++ {
		batch = append(batch, make([]byte, 16<<10))
	}
}

var sink []byte

// Garbage is made and thrown away.
func Garbage(n int) {
	for i := 0; i < n; i++ {
		sink = make([]byte, 8<<10)
	}
}

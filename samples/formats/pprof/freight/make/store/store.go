// Package store leaks, one way per function.
package store

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"time"

	"example.com/freight/depot"
)

type node struct {
	next *node
	id   [4]int64
}

var (
	chain   *node
	ledger  [][]byte
	jobs    []func()
	hooks   []func(int) int
	audits  []*audit
	heads   [][]byte
	ctx     = context.Background()
	entries []*entry
	index   = map[string]*entry{}
	smap    sync.Map
	d1      depot.Depot
	d2      depot.Depot
	d3      depot.Depot
	ringA   = depot.NewRing[trip](0)
	ringB   = depot.NewRing[stop](50)
	srv     *httptest.Server
	buf     bytes.Buffer
	n       int
)

type trip struct{ legs *[512]int64 }
type stop struct{ at *[512]int64 }
type entry struct {
	name string
	pad  [6]int64
}
type audit struct{ data [300]byte }
type session struct{ state [2048]byte }

func (s *session) onEvent(x int) int { return x + len(s.state) }

var Scenarios = map[string]func(step, scale int){
	"control": func(int, int) {},
	"tinylist": func(_, k int) {
		for i := 0; i < 200*k; i++ {
			linkNode()
		}
	},
	"ledger": func(_, k int) {
		for i := 0; i < k; i++ {
			appendLedger()
		}
	},
	"library": func(_, k int) { bookOrders(k); quoteOrders(k); printOrders(k) },
	"generic": func(_, k int) {
		for i := 0; i < k; i++ {
			planTrip()
			visitStop()
		}
	},
	"closure": func(_, k int) {
		for i := 0; i < k; i++ {
			scheduleJob()
		}
	},
	"methodvalue": func(_, k int) {
		for i := 0; i < k; i++ {
			subscribe()
		}
	},
	"inlined": func(_, k int) {
		for i := 0; i < 40*k; i++ {
			recordAudit()
		}
	},
	"ticker": func(_, k int) {
		for i := 0; i < k; i++ {
			openSession()
		}
	},
	"deferloop": func(_, k int) {
		if n == 0 {
			n = 1
			go importAll(k)
		}
		tick <- k
		<-done
	},
	"bodies": func(_, k int) {
		for i := 0; i < k/4; i++ {
			fetchRate()
		}
	},
	"sender": func(_, k int) {
		for i := 0; i < k; i++ {
			askCarriers()
		}
	},
	"timeafter": func(_, k int) {
		for i := 0; i < 4*k; i++ {
			awaitAck()
		}
	},
	"ctxchain": func(_, k int) {
		for i := 0; i < 20*k; i++ {
			nextStep()
		}
	},
	"subslice": func(_, k int) {
		for i := 0; i < k; i++ {
			readHeader()
		}
	},
	"index": func(_, k int) {
		for i := 0; i < 60*k; i++ {
			intern()
		}
	},
	"syncmap": func(_, k int) {
		for i := 0; i < 60*k; i++ {
			dedupe()
		}
	},
	"late": func(s, k int) {
		if s >= 2 {
			for i := 0; i < k; i++ {
				archive()
			}
		}
	},
	"buffer": func(_, k int) {
		for i := 0; i < k; i++ {
			trace()
		}
	},
	"cancel": func(_, k int) {
		for i := 0; i < k; i++ {
			serveRequest()
		}
	},
	"waitlock": func(_, k int) {
		for i := 0; i < k; i++ {
			updateStock()
		}
	},
}

//go:noinline
func linkNode() { chain = &node{next: chain} }

//go:noinline
func appendLedger() { ledger = append(ledger, make([]byte, 16<<10)) }

//go:noinline
func bookOrders(k int) {
	for i := 0; i < k; i++ {
		d1.Keep(d1.Acquire(i))
	}
}

//go:noinline
func quoteOrders(k int) {
	d2.Drop()
	for i := 0; i < k; i++ {
		d2.Keep(d2.Acquire(i))
	}
}

//go:noinline
func printOrders(k int) {
	for i := 0; i < 3*k; i++ {
		d3.Acquire(i)
	}
}

//go:noinline
func planTrip() { ringA.Push(func() trip { return trip{new([512]int64)} }) }

//go:noinline
func visitStop() { ringB.Push(func() stop { return stop{new([512]int64)} }) }

//go:noinline
func scheduleJob() {
	p := make([]byte, 5000)
	jobs = append(jobs, func() { p[0]++ })
}

//go:noinline
func subscribe() { s := &session{}; hooks = append(hooks, s.onEvent) }

func mk() *audit { return &audit{} } // inlined

//go:noinline
func recordAudit() { audits = append(audits, mk()) }

//go:noinline
func openSession() {
	t := time.NewTicker(time.Hour)
	state := make([]byte, 3000)
	go watchSession(t, state)
}

//go:noinline
func watchSession(t *time.Ticker, state []byte) {
	for range t.C {
		state[0]++
	}
}

var tick, done = make(chan int), make(chan int)

func importAll(int) {
	for k := range tick {
		for i := 0; i < k; i++ {
			f, _ := os.Open("/dev/null")
			b := make([]byte, 4096)
			defer func() { f.Close(); b[0]++ }()
			if i > 300 {
				f.Close()
			}
		}
		done <- 1
	}
}

//go:noinline
func fetchRate() {
	if srv == nil {
		srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Write(bytes.Repeat([]byte("x"), 100000))
		}))
	}
	resp, err := srv.Client().Get(srv.URL)
	if err != nil {
		panic(err)
	}
	io.ReadFull(resp.Body, make([]byte, 10)) // never closed
}

//go:noinline
func askCarriers() {
	c := make(chan []byte)
	for i := 0; i < 2; i++ {
		go quoteCarrier(c)
	}
	<-c
}

//go:noinline
func quoteCarrier(c chan []byte) { c <- make([]byte, 7000) }

//go:noinline
func awaitAck() {
	ack := make(chan int)
	go func() {
		pad := make([]byte, 2500)
		select {
		case <-ack:
		case <-time.After(2 * time.Hour):
		}
		pad[0]++
	}()
}

type key int

//go:noinline
func nextStep() { ctx = context.WithValue(ctx, key(1), 7) }

//go:noinline
func readHeader() {
	b := make([]byte, 40<<10)
	b[0] = 1
	heads = append(heads, b[:16])
}

//go:noinline
func intern() {
	n++
	k := fmt.Sprintf("shipment-%012d", n)
	index[k] = &entry{name: k}
}

//go:noinline
func dedupe() {
	n++
	smap.Store(strings.Repeat("k", 8)+fmt.Sprint(n), n)
}

//go:noinline
func archive() { ledger = append(ledger, make([]byte, 12<<10)) }

//go:noinline
func trace() { buf.Write(make([]byte, 9000)) }

//go:noinline
func serveRequest() {
	c, cancel := context.WithCancel(context.Background())
	_ = cancel
	pad := make([]byte, 4000)
	go func() {
		<-c.Done()
		pad[0]++
	}()
}

var mu sync.Mutex

//go:noinline
func updateStock() {
	if n == 0 {
		n = 1
		mu.Lock()
	}
	pad := make([]byte, 3500)
	go func() {
		mu.Lock()
		defer mu.Unlock()
		pad[0]++
	}()
}

// Package leak holds one real leak per function.
package leak

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"time"
)

// Scenarios by name: called once per step with the number of leaks to add.
var Scenarios = map[string]func(n int){
	"bodies": Bodies, "ticker": Ticker, "tickloop": TickLoop, "blockedsend": BlockedSend, "timeafter": TimeAfter,
	"deferloop": DeferLoop, "context": Contexts, "mapcache": MapCache, "appendlog": AppendLog, "subslice": SubSlice,
	"waitgroup": WaitGroups, "mutex": Mutexes, "idleconns": IdleConns, "listeners": Listeners, "buffer": Buffer,
	"syncmap": SyncMap, "recvforever": RecvForever, "selectforever": SelectForever, "gzipwriters": GzipWriters,
	"ctxvalues": CtxValues, "finalcycle": FinalCycle, "smallstrings": SmallStrings, "generic": GenericStore, "closure": Closures,
	"afterfunc": AfterFunc, "timeouts": Timeouts, "steady": func(int) {},
}

var srv *httptest.Server
var once sync.Once

func server() *httptest.Server {
	once.Do(func() {
		srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Write(bytes.Repeat([]byte("x"), 64<<10))
		}))
	})
	return srv
}

var client = &http.Client{}

func Bodies(n int) {
	for i := 0; i < n/10; i++ {
		fetchPrice(server().URL)
	}
}

func fetchPrice(url string) int {
	resp, err := client.Get(url)
	if err != nil {
		return 0
	}
	return resp.StatusCode // body never closed
}

func Ticker(n int) {
	for i := 0; i < n*10; i++ {
		startTicker()
	}
}

func startTicker() {
	t := time.NewTicker(time.Hour)
	select {
	case <-t.C:
	default:
	}
}

// TickLoop: a goroutine per session with a ticker, that never ends.
func TickLoop(n int) {
	for i := 0; i < n/4; i++ {
		go sessionLoop(make([]byte, 8<<10))
	}
}

func sessionLoop(state []byte) {
	for range time.Tick(time.Minute) {
		state[0]++
	}
}

func BlockedSend(n int) {
	for i := 0; i < n/2; i++ {
		query(i)
	}
}

func query(i int) (string, error) {
	result := make(chan []byte)
	go runQuery(i, result)
	select {
	case r := <-result:
		return string(r), nil
	case <-time.After(time.Microsecond):
		return "", errors.New("timeout")
	}
}

func runQuery(i int, result chan<- []byte) {
	rows := make([]byte, 12<<10)
	time.Sleep(200 * time.Microsecond)
	result <- rows // nobody listens any more
}

var events = make(chan int)

func TimeAfter(n int) {
	for i := 0; i < n*20; i++ {
		go func() { events <- i }()
		waitEvent()
	}
}

func waitEvent() int {
	select {
	case e := <-events:
		return e
	case <-time.After(time.Hour):
		return 0
	}
}

var deferWork = make(chan int)
var deferDone = make(chan struct{})
var deferOnce sync.Once

// DeferLoop: a long-running loop that defers per item.
func DeferLoop(n int) {
	deferOnce.Do(func() { go importFiles() })
	for i := 0; i < n*4; i++ {
		deferWork <- i
		<-deferDone
	}
}

func importFiles() {
	for i := range deferWork {
		buf := make([]byte, 6<<10)
		defer func() { io.Discard.Write(buf) }()
		buf[0] = byte(i)
		deferDone <- struct{}{}
	}
}

var root, cancelRoot = context.WithCancel(context.Background())

func Contexts(n int) {
	for i := 0; i < n*20; i++ {
		handle(root)
	}
}

func handle(ctx context.Context) {
	c, cancel := context.WithCancel(ctx)
	_ = cancel
	_ = c.Err()
}

type session struct {
	id   string
	data []byte
}

var sessions = map[string]*session{}
var counter int

func MapCache(n int) {
	for i := 0; i < n*4; i++ {
		counter++
		remember(fmt.Sprintf("session-%08d", counter))
	}
}

func remember(id string) {
	sessions[id] = &session{id, make([]byte, 2048)}
}

var audit []string

func AppendLog(n int) {
	for i := 0; i < n*60; i++ {
		counter++
		audit = append(audit, fmt.Sprintf("user %d changed order %d at %s", counter, i, "2026-11-21T00:00:00Z"))
	}
}

var heads [][]byte

func SubSlice(n int) {
	for i := 0; i < n; i++ {
		heads = append(heads, readHead(strings.NewReader(strings.Repeat("y", 10000))))
	}
}

func readHead(r io.Reader) []byte {
	all, _ := io.ReadAll(r)
	return all[:16]
}

func WaitGroups(n int) {
	for i := 0; i < n/2; i++ {
		go fanOut(make([]byte, 10<<10))
	}
}

func fanOut(b []byte) {
	var wg sync.WaitGroup
	wg.Add(2)
	go func() { b[0]++; wg.Done() }()
	wg.Wait() // the second Done never comes
	b[1]++
}

var mu sync.Mutex
var muOnce sync.Once

func Mutexes(n int) {
	muOnce.Do(func() { mu.Lock() })
	for i := 0; i < n/2; i++ {
		go updateStock(make([]byte, 10<<10))
	}
}

func updateStock(b []byte) {
	mu.Lock()
	defer mu.Unlock()
	b[0]++
}

var lnOnce sync.Once
var ln net.Listener
var clients []net.Conn

func IdleConns(n int) {
	lnOnce.Do(func() {
		ln, _ = net.Listen("tcp", "127.0.0.1:0")
		go acceptLoop()
	})
	for i := 0; i < n/4; i++ {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err == nil {
			clients = append(clients, c)
		}
	}
	time.Sleep(50 * time.Millisecond)
}

func acceptLoop() {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		go serveConn(c)
	}
}

func serveConn(c net.Conn) {
	r := bufio.NewReaderSize(c, 16<<10)
	for {
		if _, err := r.ReadString('\n'); err != nil {
			return
		}
	}
}

type bus struct{ handlers []func([]byte) }

var orders bus

func (b *bus) Subscribe(h func([]byte)) { b.handlers = append(b.handlers, h) }

func Listeners(n int) {
	for i := 0; i < n*4; i++ {
		openPage(i)
	}
}

func openPage(i int) {
	view := make([]byte, 3000)
	orders.Subscribe(func(b []byte) { copy(view, b) })
}

var trace bytes.Buffer

func Buffer(n int) {
	for i := 0; i < n*20; i++ {
		record(i)
	}
}

func record(i int) { fmt.Fprintf(&trace, "%d some longer line of a trace that is never written out: %0200d\n", i, i) }

var seen sync.Map

func SyncMap(n int) {
	for i := 0; i < n*20; i++ {
		counter++
		dedupe(counter)
	}
}

func dedupe(id int) { seen.LoadOrStore(id, make([]byte, 400)) }

func RecvForever(n int) {
	for i := 0; i < n/2; i++ {
		watch(i)
	}
}

func watch(i int) chan int {
	c := make(chan int)
	state := make([]byte, 9<<10)
	go func() {
		for v := range c {
			state[v] = 1
		}
	}()
	return c // never closed
}

func SelectForever(n int) {
	for i := 0; i < n/2; i++ {
		go poll(make(chan int), make(chan struct{}), make([]byte, 9<<10))
	}
}

func poll(a chan int, stop chan struct{}, b []byte) {
	for {
		select {
		case v := <-a:
			b[v]++
		case <-stop:
			return
		}
	}
}

var writers []*gzip.Writer

func GzipWriters(n int) {
	for i := 0; i < n/40; i++ {
		export([]byte("hello"))
	}
}

func export(b []byte) {
	w := gzip.NewWriter(io.Discard)
	w.Write(b)
	writers = append(writers, w)
}

type key struct{}

var kept context.Context = context.Background()

func CtxValues(n int) {
	for i := 0; i < n*8; i++ {
		nextRequest(i)
	}
}

func nextRequest(i int) { kept = context.WithValue(kept, key{}, make([]byte, 1000)) }

type node struct {
	next *node
	pay  [2000]byte
}

func FinalCycle(n int) {
	for i := 0; i < n*4; i++ {
		link()
	}
}

var chain *node

func link() { chain = &node{next: chain} }

var names = map[int]string{}

func SmallStrings(n int) {
	for i := 0; i < n*100; i++ {
		counter++
		intern(counter)
	}
}

func intern(i int) { names[i] = strings.ToUpper(fmt.Sprintf("customer %d of the shop", i)) }

type Store[K comparable, V any] struct{ m map[K][]V }

func (s *Store[K, V]) Add(k K, v V) {
	if s.m == nil {
		s.m = map[K][]V{}
	}
	s.m[k] = append(s.m[k], v)
}

type point struct{ A, B [64]int64 }

var points Store[int, point]

func GenericStore(n int) {
	for i := 0; i < n*8; i++ {
		counter++
		points.Add(counter, point{})
	}
}

var jobs []func() int

func Closures(n int) {
	for i := 0; i < n*4; i++ {
		jobs = append(jobs, schedule(i))
	}
}

func schedule(i int) func() int {
	big := make([]int, 300)
	return func() int { return big[i%300] }
}

func AfterFunc(n int) {
	for i := 0; i < n*8; i++ {
		expire(make([]byte, 1000))
	}
}

func expire(b []byte) { time.AfterFunc(time.Hour, func() { b[0] = 1 }) }

func Timeouts(n int) {
	for i := 0; i < n*8; i++ {
		call(context.Background())
	}
}

func call(ctx context.Context) {
	c, _ := context.WithTimeout(ctx, time.Hour)
	_ = c.Err()
}

var _ = os.Getpid

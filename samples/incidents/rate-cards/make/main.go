// A service that asks carriers for their rate cards and forgets to close what they answer.
//
// Beside the leak: a table that is loaded once, a bounded cache, garbage of every request, and 24 MiB that are mapped
// past Go's allocator, as a C library would. Prints runtime.MemStats to its log every ten seconds, exports its figures
// under the names of Prometheus's Go collector and serves net/http/pprof.
package main

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"math/rand"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"
)

type card struct {
	carrier string
	lanes   []float64
}

var (
	zones  [][]byte
	recent = map[int]*card{}
	order  []int
	native []byte
)

// loadZones fills the table once.
func loadZones() {
	for i := 0; i < 600; i++ {
		zones = append(zones, bytes.Repeat([]byte{byte(i)}, 16<<10))
	}
}

// mapLibrary stands for memory that a C library obtains of the kernel itself.
func mapLibrary() {
	native, _ = syscall.Mmap(-1, 0, 24<<20, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	for i := 0; i < len(native); i += 4096 {
		native[i] = 1
	}
}

// remember keeps the last 2000 cards.
func remember(k int, c *card) {
	recent[k] = c
	order = append(order, k)
	if len(order) > 2000 {
		delete(recent, order[0])
		order = order[1:]
	}
}

// askCarrier reads what it needs of an answer and leaves the rest, and the connection, open.
func askCarrier(c *http.Client, url string) (*card, error) {
	resp, err := c.Get(url)
	if err != nil {
		return nil, err
	}
	head := make([]byte, 64)
	if _, err := io.ReadFull(resp.Body, head); err != nil {
		return nil, err
	}
	return &card{carrier: string(head[:16]), lanes: make([]float64, 100)}, nil
}

func metrics(w http.ResponseWriter, _ *http.Request) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	rss := 0
	st, _ := os.ReadFile("/proc/self/statm")
	var size, resident int
	fmt.Sscan(string(st), &size, &resident)
	rss = resident * os.Getpagesize()
	g := func(name string, v any) { fmt.Fprintf(w, "# TYPE %s gauge\n%s %v\n", name, name, v) }
	g("go_goroutines", runtime.NumGoroutine())
	g("go_memstats_alloc_bytes", m.Alloc)
	g("go_memstats_heap_alloc_bytes", m.HeapAlloc)
	g("go_memstats_heap_idle_bytes", m.HeapIdle)
	g("go_memstats_heap_inuse_bytes", m.HeapInuse)
	g("go_memstats_heap_objects", m.HeapObjects)
	g("go_memstats_heap_released_bytes", m.HeapReleased)
	g("go_memstats_heap_sys_bytes", m.HeapSys)
	g("go_memstats_next_gc_bytes", m.NextGC)
	g("go_memstats_stack_inuse_bytes", m.StackInuse)
	g("go_memstats_stack_sys_bytes", m.StackSys)
	g("go_memstats_sys_bytes", m.Sys)
	g("process_resident_memory_bytes", rss)
}

func main() {
	lg := log.New(os.Stdout, "", log.LstdFlags|log.LUTC|log.Lmicroseconds)
	// The carriers: another process in truth; here a listener that answers with more than is read.
	carrier, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		lg.Fatal(err)
	}
	if os.Getenv("ROLE") == "carrier" {
		fmt.Println(carrier.Addr())
		os.Stdout.Close()
		answer := []byte(strings.Repeat("ACME FREIGHT RATE CARD ", 4000))
		http.Serve(carrier, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(answer) }))
	}
	carrier.Close()
	url := "http://" + os.Getenv("CARRIER") + "/rates"
	loadZones()
	mapLibrary()
	http.HandleFunc("/metrics", metrics)
	go http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil)
	client := &http.Client{}
	lg.Println("rate-cards 3.2.0 ready")
	told := time.Now()
	for i := 0; ; i++ {
		c, err := askCarrier(client, url)
		if err != nil {
			lg.Println("carrier:", err)
			time.Sleep(time.Second)
			continue
		}
		remember(i, c)
		for k := 0; k < 40; k++ {
			_ = fmt.Sprintf("%x", bytes.Repeat([]byte{1}, 200+rand.Intn(2000)))
		}
		if time.Since(told) > 10*time.Second {
			told = time.Now()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			lg.Printf("memstats Alloc=%d HeapInuse=%d HeapIdle=%d HeapReleased=%d StackSys=%d Sys=%d NumGC=%d NumGoroutine=%d",
				m.Alloc, m.HeapInuse, m.HeapIdle, m.HeapReleased, m.StackSys, m.Sys, m.NumGC, runtime.NumGoroutine())
		}
		time.Sleep(100 * time.Millisecond)
	}
}

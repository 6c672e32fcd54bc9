package main

import (
	"fmt"
	"log"
	"os"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"

	"example.com/shop/internal/leak"
	"example.com/shop/internal/steady"
)

func main() {
	name, dir := os.Args[1], os.Args[2]
	steps, n := 4, 400
	if len(os.Args) > 3 {
		steps, _ = strconv.Atoi(os.Args[3])
	}
	if len(os.Args) > 4 {
		n, _ = strconv.Atoi(os.Args[4])
	}
	os.MkdirAll(dir, 0o755)
	lru := steady.NewLRU(800)
	out, _ := os.Create(dir + "/app.log")
	lg := log.New(out, "", log.LstdFlags|log.LUTC|log.Lmicroseconds)
	k := 0
	for s := 0; s < steps; s++ {
		steady.WarmUp(500, 700)
		for i := 0; i < 3000; i++ {
			k++
			lru.Put(k)
		}
		steady.Pooled(200)
		steady.Batch(s, 300)
		steady.Garbage(2000)
		leak.Scenarios[name](n)
		time.Sleep(60 * time.Millisecond)
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		lg.Printf("Alloc = %v MiB\tTotalAlloc = %v MiB\tSys = %v MiB\tNumGC = %v\n", m.Alloc>>20, m.TotalAlloc>>20, m.Sys>>20, m.NumGC)
		m.PauseNs, m.PauseEnd = [256]uint64{}, [256]uint64{}
		lg.Printf("%+v", m)
		write := func(kind, suffix string, debug int) {
			f, _ := os.Create(fmt.Sprintf("%s/%s_t%d%s", dir, kind, s, suffix))
			pprof.Lookup(kind).WriteTo(f, debug)
			f.Close()
		}
		write("heap", ".pb.gz", 0)
		write("heap", ".debug1.txt", 1)
		write("goroutine", ".pb.gz", 0)
		write("goroutine", ".debug1.txt", 1)
		write("goroutine", ".debug2.txt", 2)
	}
	st, _ := os.ReadFile("/proc/self/status")
	for _, l := range strings.Split(string(st), "\n") {
		if strings.HasPrefix(l, "VmRSS") {
			lg.Println(l)
		}
	}
}

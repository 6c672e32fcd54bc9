package main

import (
	"fmt"
	"log"
	"os"
	"runtime"
	"runtime/pprof"
	"strconv"
	"time"

	"example.com/freight/noise"
	"example.com/freight/store"
)

func init() {
	if r := os.Getenv("RATE"); r != "" {
		runtime.MemProfileRate, _ = strconv.Atoi(r)
	}
}

func main() {
	name, dir := os.Args[1], os.Args[2]
	steps, _ := strconv.Atoi(os.Args[3])
	scale, _ := strconv.Atoi(os.Args[4])
	seed, _ := strconv.Atoi(os.Args[5])
	noise.Rnd.Seed(int64(seed))
	burst := noise.Rnd.Intn(steps)
	os.MkdirAll(dir, 0o755)
	lf, _ := os.Create(dir + "/app.log")
	lg := log.New(lf, "", log.LstdFlags|log.LUTC)
	lg.Println("burst at", burst)
	for s := 0; s < steps; s++ {
		noise.LoadTables(s)
		noise.FillCache(s)
		noise.Batch(s)
		noise.Report(s, burst)
		noise.Turnover()
		noise.Parse(60000)
		noise.Remember(2500)
		store.Scenarios[name](s, scale)
		time.Sleep(80 * time.Millisecond)
		runtime.GC()
		runtime.GC()
		w := func(kind, suffix string, debug int) {
			p := pprof.Lookup(kind)
			if p == nil {
				return
			}
			f, _ := os.Create(fmt.Sprintf("%s/%s_t%d%s", dir, kind, s, suffix))
			p.WriteTo(f, debug)
			f.Close()
		}
		w("heap", ".pb.gz", 0)
		w("heap", ".debug1.txt", 1)
		w("goroutine", ".pb.gz", 0)
		w("goroutine", ".debug1.txt", 1)
		w("goroutineleak", ".pb.gz", 0)
		w("goroutineleak", ".debug2.txt", 2)
		w("goroutine", ".debug2.txt", 2)
	}
}

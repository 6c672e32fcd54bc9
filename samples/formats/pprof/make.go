// Makes the samples of this folder: a program with a leak, a warm-up and a sawtooth, sampled every 16 KiB.
// Times, addresses and which blocks are sampled differ from run to run.
//
//	go build -trimpath -o lab make.go && ./lab DIR      # writes heap_t0..t3.pb.gz, heap_t3.txt, goroutine_t0/t3 in all three forms
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
)

type basket struct{ items [][]byte }

var (
	forgotten []*basket
	warm      [][]byte
	wave      [][]byte
)

//go:noinline
func (b *basket) remember(n int) { b.items = append(b.items, make([]byte, n)) }

//go:noinline
func checkout() {
	b := &basket{}
	for i := 0; i < 20; i++ {
		b.remember(4096)
	}
	forgotten = append(forgotten, b)
}

//go:noinline
func fillCache() {
	for len(warm) < 300 {
		warm = append(warm, make([]byte, 8192))
	}
}

//go:noinline
func batch(step int) {
	wave = nil
	if step%2 == 0 {
		for i := 0; i < 200; i++ {
			wave = append(wave, make([]byte, 6000))
		}
	}
}

//go:noinline
func notify(c chan int) { c <- 1 }

func write(dir, name, profile string, debug int) {
	var b bytes.Buffer
	if err := pprof.Lookup(profile).WriteTo(&b, debug); err != nil {
		panic(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o644); err != nil {
		panic(err)
	}
}

func main() {
	runtime.MemProfileRate = 16384
	dir := os.Args[1]
	for step := 0; step < 4; step++ {
		for i := 0; i < 10; i++ {
			checkout()
			go notify(make(chan int))
		}
		if step > 0 {
			fillCache()
		}
		batch(step)
		runtime.GC()
		runtime.GC()
		write(dir, fmt.Sprintf("heap_t%d.pb.gz", step), "heap", 0)
		if step == 0 || step == 3 {
			write(dir, fmt.Sprintf("goroutine_t%d.pb.gz", step), "goroutine", 0)
			write(dir, fmt.Sprintf("goroutine_t%d.debug1.txt", step), "goroutine", 1)
			write(dir, fmt.Sprintf("goroutine_t%d.debug2.txt", step), "goroutine", 2)
		}
	}
	write(dir, "heap_t3.txt", "heap", 1)
	runtime.KeepAlive(wave)
}

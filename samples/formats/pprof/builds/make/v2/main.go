package main

import (
	"os"
	"runtime"
	"runtime/pprof"

	"example.com/shop/internal/cart"
	"example.com/shop/price"
	"example.com/shop/stock"
)

func init() { runtime.MemProfileRate = 4096 }

func main() {
	for i := 0; i < 1000; i++ {
		cart.All.Put(4000)
	}
	stock.Load(300, 5000)
	price.Note(800)
	runtime.GC()
	runtime.GC()
	f, _ := os.Create(os.Args[1])
	pprof.Lookup("heap").WriteTo(f, 0)
	f.Close()
}

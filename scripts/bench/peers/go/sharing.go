package main

import (
	"sync"
	"sync/atomic"
	"syscall"
)

func tokens() {
	times, routines := argument(1, 2000000), argument(2, 1)
	each := times / routines
	if text(3) == "shared" {
		var lock sync.RWMutex
		took := race(routines, func(int) {
			sum := 0
			for i := 0; i < each; i++ {
				lock.RLock()
				sum++
				lock.RUnlock()
			}
		})
		printNanoseconds(took, each*routines)
		return
	}
	var lock sync.Mutex
	sum := 0
	took := race(routines, func(int) {
		for i := 0; i < each; i++ {
			lock.Lock()
			sum++
			lock.Unlock()
		}
	})
	printNanoseconds(took, each*routines)
}

func counter() {
	additions, routines := argument(1, 2000000), argument(2, 8)
	each := additions / routines
	var sum int64
	took := race(routines, func(int) {
		for i := 0; i < each; i++ {
			atomic.AddInt64(&sum, 1)
		}
	})
	printNanoseconds(took, each*routines)
}

func sharedTable() {
	times, routines := argument(1, 500000), argument(2, 8)
	each := times / routines
	var lock sync.RWMutex
	table := map[int]int{}
	took := race(routines, func(index int) {
		for i := 1; i <= each; i++ {
			lock.Lock()
			table[(index+1)*1000+i%1000] = i
			lock.Unlock()
			lock.RLock()
			_ = table[i%1000]
			lock.RUnlock()
		}
	})
	printNanoseconds(took, each*routines)
}

// Processor time of the process so far.
func processorSeconds() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

package main

import (
	"fmt"
	"math"
	"os"
	"sort"
	"sync"
	"time"
)

func create() {
	count := argument(1, 200000)
	started := time.Now()
	for i := 0; i < count; i++ {
		done := make(chan struct{})
		go func() { close(done) }()
		<-done
	}
	printMicroseconds(time.Since(started), count)
}

func crowd() {
	count := argument(1, 100000)
	started := time.Now()
	var all sync.WaitGroup
	all.Add(count)
	for i := 0; i < count; i++ {
		go all.Done()
	}
	all.Wait()
	printMicroseconds(time.Since(started), count)
}

func pages(field int) float64 {
	file, _ := os.Open("/proc/self/statm")
	defer file.Close()
	numbers := [2]float64{}
	fmt.Fscan(file, &numbers[0], &numbers[1])
	return numbers[field] * 4096
}

func memory() {
	count := argument(1, 100000)
	before := pages(1)
	var ready sync.WaitGroup
	ready.Add(count)
	channels := make([]chan int, count)
	for i := range channels {
		channels[i] = make(chan int)
		go func(own chan int) {
			ready.Done()
			<-own
		}(channels[i])
	}
	ready.Wait()
	fmt.Println((pages(1) - before) / float64(count))
	channels[0] <- 0
}

func node(level, number, fanOut int, answer chan int) {
	if level == 0 {
		answer <- number
		return
	}
	children := make(chan int)
	for i := 1; i <= fanOut; i++ {
		go node(level-1, (number-1)*fanOut+i, fanOut, children)
	}
	sum := 0
	for i := 0; i < fanOut; i++ {
		sum += <-children
	}
	answer <- sum
}

func tree() {
	depth, fanOut := argument(1, 6), argument(2, 10)
	started := time.Now()
	answer := make(chan int)
	go node(depth, 1, fanOut, answer)
	leaves := int(math.Pow(float64(fanOut), float64(depth)))
	if <-answer != leaves*(leaves+1)/2 {
		panic("the sum is wrong")
	}
	fmt.Println(time.Since(started).Seconds(), peak()/1e6)
}

// The most resident memory the process ever had, in bytes.
func peak() float64 {
	file, _ := os.Open("/proc/self/status")
	defer file.Close()
	var kilobytes float64
	for {
		var word string
		if _, err := fmt.Fscan(file, &word); err != nil {
			return 0
		}
		if word == "VmHWM:" {
			fmt.Fscan(file, &kilobytes)
			return kilobytes * 1024
		}
	}
}

func fib(n int) int {
	if n < 2 {
		return n
	}
	return fib(n-1) + fib(n-2)
}

// Numbers that keep compiled code as busy as the defaults keep interpreted code.
func compute() {
	count, n := argument(1, 64), argument(2, 30)
	started := time.Now()
	var all sync.WaitGroup
	all.Add(count)
	for i := 0; i < count; i++ {
		go func() {
			fib(n)
			all.Done()
		}()
	}
	all.Wait()
	fmt.Println(time.Since(started).Seconds())
}

func imbalance() {
	count, n := argument(1, 64), argument(2, 31)
	started := time.Now()
	var all sync.WaitGroup
	all.Add(count)
	for i := 1; i <= count; i++ {
		go func(i int) {
			if i%2 == 0 {
				fib(n - 8)
			} else {
				fib(n)
			}
			all.Done()
		}(i)
	}
	all.Wait()
	fmt.Println(time.Since(started).Seconds())
}

func sleeps() {
	count := argument(1, 100000)
	started := time.Now()
	late := make(chan time.Duration, count)
	for i := 1; i <= count; i++ {
		go func(pause time.Duration) {
			due := time.Now().Add(pause)
			time.Sleep(pause)
			late <- time.Since(due)
		}(time.Duration(i*7919%1000) * time.Millisecond)
	}
	latest := time.Duration(0)
	for i := 0; i < count; i++ {
		if this := <-late; this > latest {
			latest = this
		}
	}
	wall := time.Since(started).Seconds()
	fmt.Println(wall, processorSeconds(), latest.Seconds()*1e3)
}

func ticker() {
	ticks, hogs := argument(1, 1000), argument(2, 4)
	for i := 0; i < hogs; i++ {
		go func() {
			for n := 0; ; n++ {
			}
		}()
	}
	late := make([]float64, ticks)
	due := time.Now()
	for i := range late {
		due = due.Add(time.Millisecond)
		time.Sleep(time.Until(due))
		late[i] = time.Since(due).Seconds() * 1e3
		if late[i] > 1 {
			due = time.Now()
		}
	}
	sort.Float64s(late)
	fmt.Println(late[ticks/2-1], late[ticks-ticks/100-1], late[ticks-1])
}

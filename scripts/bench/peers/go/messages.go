package main

import (
	"fmt"
	"runtime"
	"time"
)

func yield() {
	switches, routines := argument(1, 3000000), argument(2, 2)
	each := switches / routines
	took := race(routines, func(int) {
		for i := 0; i < each; i++ {
			runtime.Gosched()
		}
	})
	printNanoseconds(took, each*routines)
}

func pingpong() {
	rounds := argument(1, 1000000)
	pairs := argument(2, 2) / 2
	each := rounds / pairs
	took := race(pairs, func(int) {
		there, back := make(chan int), make(chan int)
		go func() {
			for n := range there {
				back <- n
			}
		}()
		for i := 0; i < each; i++ {
			there <- i
			<-back
		}
		close(there)
	})
	printNanoseconds(took, each*pairs)
}

// A request carries the channel its answer is sent to.
type question struct {
	n      int
	answer chan int
}

func request() {
	requests, clients := argument(1, 300000), argument(2, 1)
	server := make(chan question)
	go func() {
		for q := range server {
			q.answer <- q.n
		}
	}()
	each := requests / clients
	took := race(clients, func(int) {
		answer := make(chan int)
		for i := 0; i < each; i++ {
			server <- question{i, answer}
			<-answer
		}
	})
	printNanoseconds(took, each*clients)
}

func ring() {
	hops, size := argument(1, 1000000), argument(2, 503)
	done := make(chan bool)
	first := make(chan int)
	from := first
	for i := 0; i < size; i++ {
		to := make(chan int)
		if i == size-1 {
			to = first
		}
		go func(from, to chan int) {
			for left := range from {
				if left == 0 {
					done <- true
				} else {
					to <- left - 1
				}
			}
		}(from, to)
		from = to
	}
	started := time.Now()
	first <- hops
	<-done
	printNanoseconds(time.Since(started), hops)
}

func stream() {
	messages, senders := argument(1, 2000000), argument(2, 4)
	each := messages / senders
	sink := make(chan int, 1024)
	started := time.Now()
	for s := 0; s < senders; s++ {
		go func() {
			for i := 0; i < each; i++ {
				sink <- i
			}
		}()
	}
	for i := 0; i < senders*each; i++ {
		<-sink
	}
	fmt.Println(float64(senders*each) / time.Since(started).Seconds() / 1e6)
}

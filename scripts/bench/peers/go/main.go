// The benchmarks as a Go programmer would write them: goroutines, channels, sync. Each prints its
// figures on one line; GOMAXPROCS says on how many kernel threads.
package main

import (
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

var programs = map[string]func(){
	"nothing":     func() {},
	"yield":       yield,
	"pingpong":    pingpong,
	"request":     request,
	"ring":        ring,
	"stream":      stream,
	"create":      create,
	"crowd":       crowd,
	"memory":      memory,
	"tree":        tree,
	"compute":     compute,
	"imbalance":   imbalance,
	"sleeps":      sleeps,
	"tokens":      tokens,
	"counter":     counter,
	"sharedtable": sharedTable,
	"ticker":      ticker,
}

func main() {
	program := programs[os.Args[1]]
	if program == nil {
		names := []string{}
		for name := range programs {
			names = append(names, name)
		}
		sort.Strings(names)
		fmt.Fprintln(os.Stderr, "one of", strings.Join(names, ", "))
		os.Exit(1)
	}
	program()
}

// The n-th argument as a number, or what stands in for it.
func argument(n, otherwise int) int {
	if len(os.Args) > n+1 {
		if number, err := strconv.Atoi(os.Args[n+1]); err == nil {
			return number
		}
	}
	return otherwise
}

// How long `count` goroutines, all there before, take together.
func race(count int, run func(index int)) time.Duration {
	start := make(chan struct{})
	var ready, done sync.WaitGroup
	ready.Add(count)
	done.Add(count)
	for i := 0; i < count; i++ {
		go func(i int) {
			ready.Done()
			<-start
			run(i)
			done.Done()
		}(i)
	}
	ready.Wait()
	started := time.Now()
	close(start)
	done.Wait()
	return time.Since(started)
}

func printNanoseconds(took time.Duration, count int) {
	fmt.Println(float64(took.Nanoseconds()) / float64(count))
}

func printMicroseconds(took time.Duration, count int) {
	fmt.Println(float64(took.Nanoseconds()) / float64(count) / 1e3)
}

// The n-th argument, or the empty string.
func text(n int) string {
	if len(os.Args) > n+1 {
		return os.Args[n+1]
	}
	return ""
}

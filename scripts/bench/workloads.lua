-- What is measured, and the goals. A workload:
--
--   id       what `ONLY=` names
--   runs     the programs whose figures make it up: { workers, program, arguments }
--   rows     a title, a unit and a goal for each figure that is printed; `more` if more is better;
--            `against` if the goal is a ratio to that side and no figure
--   combine  makes the rows' figures of the runs' figures; without it, those of the first run
--   floor    the program of `floor.c` that bounds it, with its arguments
--   peers    who runs the same, under the same name
local workloads = {}
local function add(workload)
  if type(workload.runs[1]) ~= "table" then workload.runs = { workload.runs } end
  if type(workload.rows[1]) ~= "table" then workload.rows = { workload.rows } end
  workloads[#workloads + 1] = workload
end

-- How many times as fast the second run was as the first.
local function speedup(first, second) return { first[1] / second[1] } end

local everybody = "go erlang tarantool cqueues"

add { id = "yield", runs = { 1, "yield" }, rows = { "yield, per switch", "ns", 65 },
  floor = "yield", peers = everybody .. " luajit lua" }

add { id = "pingpong", runs = { 1, "pingpong" }, rows = { "ping-pong, w1, there and back", "ns", 260 },
  floor = "pingpong", peers = everybody }
add { id = "pingpong", runs = { 2, "pingpong" }, rows = { "ping-pong, w2", "ns", 450 },
  floor = "pingpong", peers = "go erlang" }
add { id = "request", runs = { 1, "request" }, rows = { "request and reply, w1", "ns" },
  peers = everybody }
add { id = "request", runs = { 2, "request" }, rows = { "request and reply, w2", "ns" },
  peers = "go erlang" }
add { id = "fanin", runs = { 1, "request", "300000 4" },
  rows = { "requests of 4 threads to 1, w1", "ns" }, peers = everybody }
add { id = "fanin", runs = { 2, "request", "300000 4" },
  rows = { "requests of 4 threads to 1, w2", "ns" }, peers = "go erlang" }
add { id = "ring", runs = { 1, "ring" }, rows = { "ring of 503, w1, per hop", "ns", 150 },
  peers = everybody }
add { id = "ring", runs = { 2, "ring" }, rows = { "ring of 503, w2", "ns", 150 },
  peers = "go erlang" }
add { id = "stream", runs = { 1, "stream" },
  rows = { "stream, 4 senders to 1, w1", "M/s", 7, more = true }, peers = everybody }
add { id = "stream", runs = { 2, "stream" },
  rows = { "stream, 4 senders to 1, w2", "M/s", 6, more = true }, peers = "go erlang" }

add { id = "create", runs = { 1, "create" }, rows = { "create, run, join, copied", "us", 0.8 },
  floor = "create", peers = everybody }
add { id = "create", runs = { 1, "create", "200000 sharing" },
  rows = { "create, run, join, sharing", "us", 0.5 }, floor = "create" }
add { id = "create", runs = { 1, "stream_create" }, rows = { "stream of creates, copied", "us", 0.8 },
  floor = "create" }
add { id = "create", runs = { 1, "stream_create", "200000 sharing" },
  rows = { "stream of creates, sharing", "us", 0.5 }, floor = "create" }
add { id = "crowd", runs = { 1, "crowd" }, rows = { "create 100 000, join all, w1", "us", 1.5 },
  floor = "create", peers = "go erlang cqueues luajit lua" }
add { id = "crowd", runs = { 2, "crowd" }, rows = { "create 100 000, join all, w2", "us", 1.5 },
  peers = "go erlang" }
add { id = "memory", runs = { 1, "memory" },
  rows = { "100 000 threads waiting, each", "bytes", 2000 }, floor = "memory",
  peers = everybody .. " luajit lua" }
add { id = "memory", runs = { 1, "memory", "1000000" },
  rows = { "1 000 000 threads waiting, each", "bytes", 2000 }, floor = "memory 1000000",
  peers = "go erlang" }
add { id = "tree", runs = { 1, "tree" },
  rows = { { "tree of 1 111 111 threads, w1", "s" }, { "  most memory", "MB" } },
  peers = "go erlang" }
add { id = "tree", runs = { 2, "tree" },
  rows = { { "tree of 1 111 111 threads, w2", "s" }, { "  most memory", "MB" } },
  peers = "go erlang" }

add { id = "compute", runs = { { 1, "compute" }, { 2, "compute" } },
  rows = { "64 threads compute, w2 over w1", "x", 1.95, more = true }, combine = speedup,
  peers = "go erlang" }
add { id = "compute", runs = { 1, "compute" },
  rows = { "64 threads compute, w1", "s", 1.03, against = "lua" }, peers = "lua luajit" }
add { id = "imbalance", runs = { { 1, "imbalance" }, { 2, "imbalance" } },
  rows = { "all on worker 0, half end early, w2 over w1", "x", 1.95, more = true },
  combine = speedup, peers = "go erlang" }

add { id = "sleeps", runs = { 2, "sleeps" },
  rows = { { "100 000 sleeps of 0..1 s, wall", "s", 1.02 }, { "  processor time", "s", 0.4 },
    { "  the latest", "ms", 5 } },
  peers = "go erlang cqueues luv" }

add { id = "tokens", runs = { 1, "tokens" }, rows = { "token, uncontended", "ns", 90 },
  floor = "calls", peers = everybody }
add { id = "tokens", runs = { 1, "tokens", "2000000 8" }, rows = { "token, 8 threads, w1", "ns", 90 },
  floor = "calls", peers = "go tarantool" }
add { id = "tokens", runs = { 2, "tokens", "2000000 8" }, rows = { "token, 8 threads, w2", "ns", 150 },
  floor = "calls", peers = "go" }
add { id = "readers", runs = { 1, "tokens", "2000000 8 shared" },
  rows = { "token, 8 readers, w1", "ns" }, floor = "calls", peers = "go" }
add { id = "readers", runs = { 2, "tokens", "2000000 8 shared" },
  rows = { "token, 8 readers, w2", "ns" }, floor = "calls", peers = "go" }
add { id = "counter", runs = { 1, "counter" }, rows = { "shared counter, 8 threads, w1", "ns" },
  peers = "go erlang" }
add { id = "counter", runs = { 2, "counter" }, rows = { "shared counter, 8 threads, w2", "ns" },
  peers = "go erlang" }
add { id = "table", runs = { 1, "sharedtable" }, rows = { "shared table, set + get, 8 threads, w1", "ns" },
  peers = "go erlang" }
add { id = "table", runs = { 2, "sharedtable" }, rows = { "shared table, set + get, 8 threads, w2", "ns" },
  peers = "go erlang" }

add { id = "ticker", runs = { 2, "ticker" },
  rows = { { "1 ms ticker, 4 hogs, w2: late, p50", "ms" }, { "  p99", "ms" },
    { "  worst", "ms", 5 } },
  floor = "ticker", peers = "go erlang" }
add { id = "pauses", runs = { 1, "pauses" },
  rows = { "longest pause, 100 000 threads", "ms", 2 } }

add { id = "startup", runs = { 1, "startup" },
  rows = { "start-up, -e ''", "ms", 1.6, against = "lua" }, floor = "",
  peers = everybody .. " luajit luv lua" }
for _, name in ipairs { "fib", "nbody", "spectral", "trees", "string", "sort" } do
  add { id = "sequential", runs = { 1, "sequential/" .. name },
    rows = { "sequential: " .. name, "s", 1.03, against = "lua" }, peers = "lua luajit" }
end

return workloads

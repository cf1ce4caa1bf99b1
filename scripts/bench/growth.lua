-- How costs grow with threads, on 1, 2, 4 and 8 workers: a table, a row for each number of threads.
--
--   lua5.4 scripts/bench/growth.lua [--runs=5] path/to/lwkt-lua
--
-- Each count keeps all its threads busy at once. A switch among a million threads that all run finds
-- nothing in the caches; that, and no work that grows with their number, is what may show here. The
-- last column says what more workers than cores cost: 8 of them against as many as there are cores.
local here = arg[0]:match("^(.*)/[^/]*$") or "."
package.path = here .. "/?.lua;" .. package.path
local measure = require "measure"

local runs, command = 5, "lwkt-lua"
for _, word in ipairs(arg) do
  local number = word:match("^%-%-runs=(%d+)$")
  if number then runs = tonumber(number) else command = word end
end
local ours = require "sides" (command, here, ".build/bench").ours

local cores = 0
for line in io.lines("/proc/cpuinfo") do
  if line:find("^processor") then cores = cores + 1 end
end
local workers = { 1, 2, 4, 8 }
local reference = 1
for i, count in ipairs(workers) do
  if count <= cores then reference = i end
end

-- A program, what it prints, and its arguments for so many threads.
local workloads = {
  { "yield", "yield, per switch, ns", function(n) return math.max(2000000, 20 * n), math.max(n, 2) end },
  { "pingpong", "ping-pong, ns", function(n) return math.max(500000, 5 * n), math.max(n, 2) end },
  { "crowd", "create and join, us", function(n) return n end },
  { "memory", "waiting, bytes each", function(n) return n end },
}
local counts = { 10, 1000, 100000, 1000000 }

local function row(...) print(("%-24s %9s %9s %9s %9s %9s %8s"):format(...)) end
row("workload", "threads", "w1", "w2", "w4", "w8", "w8/w" .. workers[reference])
local failed = false
for _, workload in ipairs(workloads) do
  local program, title, arguments = table.unpack(workload)
  for _, count in ipairs(counts) do
    local samples = {}
    for _ = 1, runs do
      for i, worker_count in ipairs(workers) do
        local figures, why = measure.run(ours.command(program, worker_count,
          table.concat({ arguments(count) }, " ")))
        if figures then
          samples[i] = samples[i] or {}
          table.insert(samples[i], figures[1])
        else
          failed = true
          io.stderr:write(("%s, %d threads, %d workers: %s\n"):format(title, count, worker_count, why))
        end
      end
    end
    local medians = {}
    for i = 1, #workers do medians[i] = samples[i] and measure.median(samples[i]) end
    local last, first = medians[#workers], medians[reference]
    row(title, count, measure.show(medians[1]), measure.show(medians[2]),
      measure.show(medians[3]), measure.show(medians[4]),
      last and first and ("%.2f"):format(last / first) or "")
    io.stdout:flush()
  end
end
os.exit(not failed)

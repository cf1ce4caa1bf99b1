-- Run the benchmarks and print a table: ours, the floor, the peers that are installed, ratios.
--
--   lua5.4 scripts/bench/run.lua [--json] [--only=ID,ID...] [--runs=5] path/to/lwkt-lua [build folder]
--
-- Those who are compared run in turn, so that what else the machine does meets all of them, and each
-- figure is a median. Absolute figures change from machine to machine and from hour to hour, ratios
-- much less.
local here = arg[0]:match("^(.*)/[^/]*$") or "."
package.path = here .. "/?.lua;" .. package.path
local measure = require "measure"
local show = measure.show

local options, words = { runs = "5" }, {}
for _, word in ipairs(arg) do
  local name, value = word:match("^%-%-(%l+)=?(.*)$")
  if not name then
    words[#words + 1] = word
  elseif name == "json" or name == "only" or name == "runs" then
    options[name] = value
  else
    io.stderr:write(("run.lua: no option '%s': --json, --only=, --runs=\n"):format(word))
    os.exit(2)
  end
end
local runs = math.tointeger(tonumber(options.runs) or 0) or 0
if runs < 1 then
  io.stderr:write("run.lua: --runs= needs a number, 1 or more\n")
  os.exit(2)
end
local build = words[2] or ".build/bench"
if build:sub(1, 1) ~= "/" then build = os.getenv("PWD") .. "/" .. build end
local sides = require "sides" (words[1] or "lwkt-lua", here, build)
local workloads = require "workloads"
local order = { "ours", "floor", "go", "erlang", "tarantool", "cqueues", "luv", "luajit", "lua" }

-- Which workloads; a name that there is not is told.
local only = {}
for id in (options.only or ""):gmatch("[^,%s]+") do
  only[id] = true
  local known, ids = false, {}
  for _, workload in ipairs(workloads) do
    known = known or workload.id == id
    if workload.id ~= ids[#ids] then ids[#ids + 1] = workload.id end
  end
  if not known then
    io.stderr:write(("run.lua: no workload '%s': %s\n"):format(id, table.concat(ids, ", ")))
    os.exit(2)
  end
end

-- Who is here; their programs are built.
local function assemble()
  assert(os.execute("mkdir -p " .. measure.quote(build)))
  local present = {}
  for _, name in ipairs(order) do
    local side = sides[name]
    if measure.succeeds(side.probe) then
      assert(not side.build or os.execute(side.build .. " >&2"), name .. ": its programs do not build")
      present[name] = true
    end
  end
  return present
end
local present = assemble()

-- The commands of each side that takes part in `workload`, in the order of the table.
local function contestants(workload)
  local list = {}
  local takes_part = { ours = true }
  for name in (workload.peers or ""):gmatch("%S+") do takes_part[name] = true end
  for _, name in ipairs(order) do
    local commands = {}
    if name == "floor" and workload.floor and present.floor then
      local program, arguments = workload.floor:match("^(%S*)%s*(.*)$")
      commands[1] = sides.floor.command(program ~= "" and program or "startup", 1, arguments)
    elseif takes_part[name] and present[name] then
      for i, run in ipairs(workload.runs) do
        commands[i] = sides[name].command(run[2], run[1], run[3] or "")
      end
    end
    if #commands > 0 then list[#list + 1] = { name = name, commands = commands } end
  end
  return list
end

-- The figures of one side's turn: those of its run, or what its runs make together.
local function turn(workload, contestant)
  local results = {}
  for i, command in ipairs(contestant.commands) do
    local figures, why = measure.run(command)
    if not figures then return nil, why end
    results[i] = figures
  end
  if workload.combine and contestant.name ~= "floor" then
    return workload.combine(table.unpack(results))
  end
  return results[1]
end

-- For each row its sides' medians, best and worst; who failed, and how.
local function take(workload)
  local list, samples, failures = contestants(workload), {}, {}
  for _ = 1, runs do
    for _, contestant in ipairs(list) do
      local name = contestant.name
      local figures, why
      if not failures[name] then figures, why = turn(workload, contestant) end
      if why then failures[name] = why end
      for i, figure in ipairs(figures or {}) do
        samples[i] = samples[i] or {}
        samples[i][name] = samples[i][name] or {}
        table.insert(samples[i][name], figure)
      end
    end
  end
  local rows = {}
  for i, row in ipairs(workload.rows) do
    local result = { id = workload.id, title = row[1], unit = row[2], goal = row[3],
      against = row.against, more = row.more, medians = {}, samples = {} }
    for name, figures in pairs(samples[i] or {}) do
      if not failures[name] then
        result.medians[name] = measure.median(figures)
        result.samples[name] = figures
      end
    end
    rows[i] = result
  end
  return rows, failures
end

-- Ratios, below 1 if ours is better: to the floor, and to the best peer, whose name comes with it.
local function compare(row)
  local ours = row.medians.ours
  if not ours then return end
  if row.medians.floor then row.to_floor = ours / row.medians.floor end
  for name, theirs in pairs(row.medians) do
    if name ~= "ours" and name ~= "floor" then
      local ratio = row.more and theirs / ours or ours / theirs
      if not row.to_peer or ratio > row.to_peer then row.to_peer, row.best_peer = ratio, name end
    end
  end
  if not row.goal then return end
  local figure = ours
  if row.against then
    if not row.medians[row.against] then return end
    figure = ours / row.medians[row.against]
    row.to_against = figure
  end
  row.reached = row.more and figure >= row.goal or not row.more and figure <= row.goal
end

local columns = {}
for _, name in ipairs(order) do
  if present[name] and name ~= "ours" and name ~= "floor" then columns[#columns + 1] = name end
end

local function line(...)
  local cells = table.pack(...)
  local parts = { ("%-40s %-5s %8s %8s %7s %6s"):format(table.unpack(cells, 1, 6)) }
  for i = 7, #cells - 1 do parts[#parts + 1] = ("%9s"):format(cells[i]) end
  parts[#parts + 1] = " " .. cells[#cells]
  print((table.concat(parts, " "):gsub("%s+$", "")))
end

local function header()
  local names = table.move(columns, 1, #columns, 1, {})
  names[#names + 1] = "/ best peer"
  line("workload", "unit", "ours", "goal", "floor", "/floor", table.unpack(names))
end

local function print_row(row)
  local goal = ""
  if row.goal then
    goal = (row.against and "x" or "") .. show(row.goal)
    if row.reached ~= nil then goal = goal .. (row.reached and " +" or " -") end
  end
  local cells = { row.title, row.unit, show(row.medians.ours), goal, show(row.medians.floor),
    row.to_floor and ("%.2f"):format(row.to_floor) or "" }
  for _, name in ipairs(columns) do cells[#cells + 1] = show(row.medians[name]) end
  local ratio = ""
  if row.to_against then
    ratio = ("%5.3f %s"):format(row.to_against, row.against)
  elseif row.to_peer then
    ratio = ("%5.2f  %s"):format(row.to_peer, row.best_peer)
  end
  cells[#cells + 1] = ratio
  line(table.unpack(cells))
end

local failed, all = false, {}
if not options.json then header() end
for _, workload in ipairs(workloads) do
  if not next(only) or only[workload.id] then
    local rows, failures = take(workload)
    for _, row in ipairs(rows) do
      compare(row)
      all[#all + 1] = row
      if not options.json then print_row(row) end
    end
    for name, why in pairs(failures) do
      failed = true
      io.stderr:write(("%s: %s failed: %s\n"):format(workload.rows[1][1], name, why))
    end
    io.stdout:flush()
  end
end
if options.json then
  print(measure.json { runs = runs, rows = all })
else
  print(("\nMedians of %d, in turn. + goal reached, - missed; a goal of x1.03 is a ratio to stock Lua."
    .. "\nRatios: below 1 is better for us. w1, w2: one worker, two workers."):format(runs))
end
os.exit(not failed)

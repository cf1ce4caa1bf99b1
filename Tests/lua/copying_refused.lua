-- What cannot travel is refused where it is sent, with the path to it, and nothing is sent.
local check = require "check"

local port = lwkt.port()

-- The path: which value, then which field of which.
do
  local stream = io.stdout
  local conn = { ["fd"] = stream }
  check.raises("send: cannot send userdata at [1]", port.send, port, stream)
  check.raises("sendmsg: cannot send userdata at [2].conn.fd", port.sendmsg, port, 1,
    { conn = conn })
  check.raises("domsg: cannot send userdata at [1][3]", port.domsg, port, { 1, 2, stream })
  check.raises('at [1]["two words"][1.5][true]', port.send, port,
    { ["two words"] = { [1.5] = { [true] = stream } } })
  check.raises("sendmsg_to: cannot send userdata at [1]", port.sendmsg_to, port, port, stream)
  check.eq(#port, 0, "nothing was sent")
  port:send(1, { 2 })
  check.deep({ port:recv() }, { 1, { 2 } }, "the port works as before")
end

-- Replies: the refused answer is not an answer, a better one can follow.
do
  local msg = port:sendmsg("question")
  local got = port:wait()
  check.raises("repl.-: cannot send userdata at %[2%]%.x", got.reply, got, 1, { x = io.stdin })
  check.eq(msg:check(), false, "no answer yet")
  got:reply("answer")
  check.eq(msg:wait(), "answer", "the better answer")
end

-- Kinds: coroutines, C functions that no module knows, foreign userdata, as values and keys.
do
  check.raises("cannot send .-at %[1%]", port.send, port, coroutine.create(print))
  check.raises("cannot send .-at %[1%]%.co", port.send, port, { co = coroutine.create(print) })
  check.raises("cannot send .-function at %[1%]", port.send, port, ("x"):gmatch("x"))
  check.raises("cannot send .-function at %[1%]", port.send, port, coroutine.wrap(print))
  check.raises("cannot send userdata", port.send, port, { [io.stdout] = 1 })
  check.raises("cannot send userdata", port.send, port,
    setmetatable({}, { __index = { stream = io.stdout } }))
end

-- In what a function carries: the name of the variable leads to it.
do
  local stream = io.stdout
  local holder = { deep = { stream } }
  local function uses() return stream end
  local function uses_table() return holder end
  local function indirectly() return uses() end
  check.raises("cannot send userdata at .-stream", port.send, port, uses)
  check.raises("cannot send userdata at .-holder%.deep%[1%]", port.send, port, uses_table)
  check.raises("cannot send userdata at .-uses.-stream", port.send, port, indirectly)
  check.raises("create: cannot send userdata at .-stream", lwkt.create, uses)
  check.raises("create: cannot send userdata at .-%[2%]", lwkt.create, function() end,
    1, stream)
  outfile = io.stderr
  check.raises("create: cannot send userdata at .-outfile", lwkt.create, function()
    outfile:write("never")
  end)
  outfile = nil
end

-- Shared tables take copies, so the same holds for them.
do
  local dict = lwkt.shared.table()
  check.raises("cannot send userdata", dict.set, dict, "key", { io.stdout })
  check.raises("cannot send userdata", dict.update, dict, "key", function() return io.stdout end)
  check.eq(dict:get("key"), nil, "nothing was stored")
end

-- A thread function that assigns a local of its creator: refused, with name and place, since the
-- creator would never see it.
do
  local count = 0
  local err = check.raises("create: thread function assigns 'count', a local of its creator",
    lwkt.create, function() count = count + 1 end)
  check.ok(err:find("%(.-copying_refused%.lua:%d+%)"), "the place: " .. err)
  check.ok(err:find("each thread has its own copy: use lwkt.shared, a message, or sharing=true",
    1, true), "what to do instead: " .. err)

  -- Also from a function inside it, or with options, or if it is never run.
  check.raises("assigns 'count'", lwkt.create, function()
    local function bump() count = count + 1 end
    bump()
  end)
  check.raises("assigns 'count'", lwkt.create, { name = "x", nostart = true }, function()
    if false and os.time() < 0 then count = 1 end
  end)
  local function from_a_function()
    local mine = 1
    lwkt.create(function() mine = 2 end)
    return mine
  end
  check.raises("assigns 'mine'", from_a_function)
  check.raises("assigns 'count'", lwkt.create, function() for _ = 1, 2 do count = nil end end)

  -- Also a local of a function that is still running in an enclosing coroutine, at any depth, and if
  -- the coroutines have waited and gone on meanwhile.
  local function inside(depth, fn)
    if depth == 0 then return fn() end
    local mine = 0
    local results = table.pack(coroutine.wrap(function()
      lwkt.yield()
      return inside(depth - 1, fn or function()
        return pcall(lwkt.create, function() mine = mine + 1 end)
      end)
    end)())
    mine = mine + 0
    return table.unpack(results, 1, results.n)
  end
  for depth = 1, 20 do
    local created, message = inside(depth)
    check.eq(created, false, "refused from " .. depth .. " coroutines inside")
    check.ok(message:find("assigns 'mine', a local of its creator", 1, true), message)
  end
  local co = coroutine.create(function()
    local inner = coroutine.create(function() return pcall(lwkt.create, function() count = 9 end) end)
    local results = table.pack(coroutine.resume(inner))
    return table.unpack(results, 1, results.n)
  end)
  local _, _, created, message = coroutine.resume(co)
  check.eq(created, false, "refused below two resumes")
  check.ok(message:find("assigns 'count'", 1, true), message)
  -- What a coroutine has that is not running does not count, nor a function that has returned.
  local resting = coroutine.wrap(function()
    local n = 0
    coroutine.yield(function() n = n + 1 return n end)
  end)
  local bump = resting()
  check.ok(pcall(lwkt.create, { nostart = true }, function() return bump end), "carried, not assigned")
  local function maker()
    local n = 0
    return function() n = n + 1 return n end
  end
  check.eq(coroutine.wrap(function() return check.join(lwkt.create(maker())) end)(), 1, "a generator")

  -- All this is allowed: reading it, its own locals of the same name, parameters, fields of a copy,
  -- globals, and sharing threads.
  local list = {}
  check.eq(check.join(lwkt.create(function()
    local seen = count
    local count = seen + 1
    count = count + 1
    list[1] = count
    return list[1]
  end)), 2, "locals of its own")
  check.eq(check.join(lwkt.create(function(count)
    count = count + 1
    return (function()
      count = count + 1
      return count
    end)()
  end, 5)), 7, "a parameter")
  check.eq(#list, 0, "a field of the copy")
  check.join(lwkt.create({ sharing = true }, function() count = 9 end))
  check.eq(count, 9, "a sharing thread")
end

-- An error in the middle leaves nothing half done: sending goes on as if it had not been tried.
do
  for _ = 1, 1000 do
    pcall(port.send, port, { 1, { 2, { 3, io.stdout } }, ("x"):rep(100) })
  end
  local list = {}
  for i = 1, 100 do list[i] = i end
  port:send(list)
  check.deep(port:recv(), list, "after a thousand refusals")
  check.eq(#port, 0, "nothing else came")
end

check.done()

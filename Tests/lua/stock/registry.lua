-- What the registry holds; the main thread as other coroutines see it.
-- main only: in a created thread the registry's main thread is that of the heap
local function show(what, ...)
  local parts = table.pack(...)
  for i = 1, parts.n do parts[i] = tostring(parts[i]):gsub("0x%x+", "PTR") end
  print(what, table.concat(parts, "\t", 1, parts.n))
end
local registry, main = debug.getregistry(), coroutine.running()
show("main thread", registry[1] == main, type(registry[1]))
show("globals", registry[2] == _G)
show("package", registry._PRELOAD == package.preload, registry._LOADED == package.loaded, type(registry._CLIBS))
show("files", type(registry["FILE*"]), registry._IO_input == io.stdin, registry._IO_output == io.stdout)
collectgarbage()
show("after a collection", registry[1] == main, coroutine.status(registry[1]))
coroutine.wrap(function()
  show("status", coroutine.status(main), coroutine.running() == main, registry[1] == main)
  show("resume", coroutine.resume(main))
  show("close", pcall(coroutine.close, main))
  show("yieldable", coroutine.isyieldable(main))
  show("traceback", debug.traceback(main, "of main"))
  show("traceback", debug.traceback(main, "of main", 1))
  show("info", debug.getinfo(main, 0, "n").name, debug.getinfo(main, 1, "l").currentline,
    debug.getinfo(main, 2, "S").what, debug.getinfo(main, 3))
  show("local", debug.getlocal(main, 1, 1))
end)()
os.exit(true, true)

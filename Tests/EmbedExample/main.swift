// main.swift: Lua threads inside a Swift program.
//
// Starts workers, gives scripts two Swift functions, runs a chunk, prints what comes back, an error
// included, and stops the workers. Of the two functions one answers at once; the other waits for
// something that another kernel thread does, and meanwhile other Lua threads run.

import Foundation
import LWKTLua

/// Answers at once.
let shout: LuaFunction = { arguments in
  guard case .string(let text)? = arguments.first else {
    return .error("shout: a string expected")
  }
  return .values([.string(text.uppercased())])
}

/// Answers later, from a kernel thread that has nothing to do with the workers.
let lookUp: LuaFunction = { arguments in
  guard case .string(let key)? = arguments.first else {
    return .error("look_up: a string expected")
  }
  let pending = LuaPending()
  Thread.detachNewThread {
    Thread.sleep(forTimeInterval: 0.05)
    if key == "nothing" {
      pending.fail("look_up: there is no " + key)
    } else {
      pending.complete([.string(key), .integer(Int64(key.count))])
    }
  }
  return .wait(pending)
}

let host = LuaHost(workers: 2, functions: ["shout": shout, "look_up": lookUp])

let chunk = """
  local total = 0
  local threads = {}
  for i, word in ipairs { ... } do
    threads[i] = lwkt.create(function() return look_up(word) end)
  end
  for _, td in ipairs(threads) do
    local ok, key, length = td:join()
    total = total + length
  end
  return shout("found"), total, { 1.5, true, name = "table" }
  """

do {
  let values = try host.run(
    chunk, name: "words", arguments: [.string("one"), .string("three"), .string("eleven")])
  for value in values { print(value) }
} catch {
  print("unexpected:", error)
}

for chunk in ["return look_up('nothing')", "local t = nil; return t.field", "return ="] {
  do {
    print(try host.run(chunk, name: "faulty"))
  } catch LuaHostError.runtime(let message, _) {
    print("runtime error:", message)
  } catch {
    print("error:", error)
  }
}

host.shutdown()
print("stopped")

// main.swift: Lua threads inside a Swift program.
//
// What an embedder needs, in order: run a chunk; Swift functions that answer at once, later, and from
// a task; a server in Lua that chunks ask; errors; reports; chunks without waiting; the end, and
// another beginning. The articles in LWKTLua.docc quote from here.

import Foundation
import LWKTLua

// MARK: Functions

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

/// Something asynchronous.
func distance(from place: String) async throws -> Double {
  try await Task.sleep(for: .milliseconds(20))
  return Double(place.count) * 1.5
}

/// Answers from a task.
let measure: LuaFunction = { arguments in
  guard case .string(let place)? = arguments.first else {
    return .error("measure: a string expected")
  }
  let pending = LuaPending()
  Task {
    do {
      pending.complete([.number(try await distance(from: place))])
    } catch {
      pending.fail("measure: \(error)")
    }
  }
  return .wait(pending)
}

/// Forgets to answer.
let forget: LuaFunction = { _ in .wait(LuaPending()) }

// MARK: A host

let (reports, reporter) = AsyncStream.makeStream(of: String.self)
let host = try LuaHost(
  workers: 2,
  functions: ["shout": shout, "look_up": lookUp, "measure": measure, "forget": forget],
  report: { text in reporter.yield(text) })

let values = try host.run("return 6 * ...", arguments: [7])
print(values)

// MARK: Threads that call Swift

let words = """
  local total = 0
  local threads = {}
  for i, word in ipairs { ... } do
    threads[i] = lwkt.create(function() return look_up(word) end)
  end
  for _, td in ipairs(threads) do
    local ok, key, length = td:join()
    total = total + length
  end
  return shout("found"), total, measure("Rome")
  """

print(try host.run(words, name: "words", arguments: ["one", "three", "eleven"]))

// MARK: Tables

let order: LuaValue = ["item": "apple", "sizes": [3, 5.5], "fresh": true]
let answer = try host.run(
  """
  local order = ...
  order.sizes[3] = #order.item
  return order, "\\xff\\0"
  """, arguments: [order])
print(answer[0])
print(answer[0]["sizes"].elements, answer[0]["item"], answer[0]["nothing"])
print(answer[1])

// MARK: State that lasts

// Each chunk has globals of its own. What is to last lives in a thread that others ask.
_ = try host.run(
  """
  local port = lwkt.port("counter")
  lwkt.create({ name = "counter" }, function()
    local count = 0
    while true do
      local msg = port:wait()
      count = count + msg:unpack()
      msg:reply(count)
    end
  end)
  """, name: "counter")

let ask = "return lwkt.lookup('counter'):domsg(...)"
print(try host.run(ask, arguments: [3]), try host.run(ask, arguments: [4]))

// MARK: Errors

let faulty = [
  "return look_up('nothing')", "return forget()", "local t = nil; return t.field", "return =",
  "local t = {} t.t = t return t", "shout()", "error({})",
]
for chunk in faulty {
  do {
    print(try host.run(chunk, name: "faulty"))
  } catch .runtime(let message, _) {
    print("runtime error:", message)
  } catch .load(let message) {
    print("load error:", message)
  } catch {
    print("error:", error)
  }
}

// A time limit is Lua's to keep.
let limited = "return lwkt.timeout(0.05, function() lwkt.sleep(3600) end)"
print(try host.run(limited))

// An error that nobody sees is reported.
_ = try host.run("lwkt.create(function() error('unseen') end)", name: "careless")
for await text in reports {
  print("report:", text.prefix { $0 != "\n" })
  break
}

// MARK: Without waiting

/// Run a chunk in a task.
func result(of chunk: String) async throws -> [LuaValue] {
  try await withCheckedThrowingContinuation { continuation in
    host.start(chunk) { continuation.resume(with: $0) }
  }
}

async let slow = result(of: "lwkt.sleep(0.05) return 'slow'")
async let quick = result(of: "return 'quick'")
print(try await quick + slow)

// MARK: Misuse

do {
  _ = try LuaHost()
} catch {
  print("error:", error)
}
do {
  _ = try host.run("return 1", arguments: [.table([(key: .nil, value: 1)])])
} catch {
  print("error:", error)
}

// MARK: The end

/// Something that would go on for ever.
async let endless = result(of: "while true do pcall(lwkt.sleep, 3600) end")
host.shutdown()
do {
  print(try await endless)
} catch {
  print("stopped")
}
do {
  print(try host.run("return 1"))
} catch {
  print("error:", error)
}

// A host is as good as new.
for number in 1...3 {
  let another = try LuaHost(workers: number)
  print(try another.run("return lwkt.ncpus()"))
  another.shutdown()
}

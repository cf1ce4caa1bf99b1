// PromptCommandTests.swift: the commands with a colon, and the prompt's ends.

import Glibc
import Testing

@testable import lwkt_lua

@Suite("Prompt commands", .serialized) struct PromptCommandTests {
  private func start(
    _ arguments: [String] = ["--workers", "2"], environment: [String: String] = ["NO_COLOR": "1"]
  ) throws -> PseudoTerminal {
    try .ready(arguments, columns: 110, rows: 40, environment: environment)
  }

  @Test func threads() throws {
    let terminal = try start()
    terminal.enter(
      "td = lwkt.create({name = 'waiter', pri = 3}, function() local function inner() "
        + "coroutine.wrap(function() lwkt.recv() end)() end inner() end) return td",
      until: "\nthread 1.1")
    terminal.enter("lwkt.sleep(0.01)", until: "true")
    terminal.enter(":threads", until: "1.1  waiter  waiting")
    terminal.wait(for: "stdin:1")
    terminal.enter(":bt 1.1", until: "in local 'inner'")
    terminal.wait(for: "resumed by the coroutine")
    terminal.enter(":bt 9", until: "there is no thread 9")
    terminal.enter(":kill 1.1", until: "thread 1.1 is told to stop")
    terminal.enter("td:join()", until: "aborted")
    terminal.enter(":kill 1", until: "is this prompt")
    terminal.enter(":ports", until: "KIND")
    terminal.enter("tok = lwkt.token('tok'):x)", until: "\nstdin:")
    terminal.enter("tok = lwkt.token('mine')", until: ">")
    terminal.enter(":tokens", until: "mine")
    terminal.enter(":workers", until: "SWITCHES")
    terminal.enter(":to", until: ":to may be :tokens, :top")
    terminal.enter(":tok", until: "mine")
    terminal.enter(":nothing", until: "there is no command :nothing")
    terminal.leave()
  }

  @Test("frozen threads stand still and lose nothing") func freeze() throws {
    let terminal = try start()
    terminal.enter(
      "n = lwkt.shared.counter() for i = 1, 10 do lwkt.create(function() while true do n:add(1) "
        + "if i > 5 then lwkt.sleep(0.001) end end end) end", until: "\n>")
    terminal.enter(":freeze", until: "10 threads stand still")
    terminal.enter("a = n:get() lwkt.sleep(0.1) return n:get() - a", until: "\n0\n>")
    #expect(terminal.screen.text.contains("\n0\n>"), "\(terminal.screen.text)")
    terminal.enter(":thaw", until: "10 threads go on")
    terminal.enter("a = n:get() lwkt.sleep(0.1) return n:get() > a", until: "\ntrue\n>")
    // Leaving while frozen lets them end.
    terminal.enter(":freeze", until: "10 threads stand still")
    terminal.leave()
  }

  @Test func top() throws {
    let terminal = try start()
    terminal.enter(
      "lwkt.create({name = 'busy'}, function() while true do end end)", until: "thread 1.1")
    terminal.type(":top\r")
    // What has run since the last look, which is there from the second one on.
    func share(_ screen: Screen) -> Double? {
      let row = screen.lines.first { $0.contains("busy") }?.split(separator: " ") ?? []
      return row.count > 2 ? Double(row[2]) : nil
    }
    terminal.wait { $0.text.contains("CPU %") && (share($0) ?? 0) > 0 }
    #expect(share(terminal.screen).map { $0 <= 100 } == true, "\(terminal.screen.text)")
    terminal.type("q")
    terminal.wait(lastLine: "> ")
    #expect(terminal.screen.text.contains("> :top"))
    terminal.leave()
  }

  @Test("threads have no more than all of their workers together") func shares() throws {
    let terminal = try start()
    terminal.enter(
      "for i = 1, 6 do lwkt.create({name = 'busy'}, function() while true do end end) end",
      until: "\n>")
    terminal.type(":top\r")
    func shares(_ screen: Screen) -> [Double] {
      screen.lines.drop { !$0.contains("CPU %") }.compactMap { line in
        let words = line.split(separator: " ")
        let state = words.firstIndex { $0 == "running" || $0 == "runnable" } ?? 0
        return state > 0 ? Double(words[state - 1]) : nil
      }
    }
    var seen: [Double] = []
    for _ in 1...4 {
      // All of a new look: the busiest first.
      terminal.wait {
        let new = shares($0)
        return new != seen && new.count == 7 && new[0] > 0 && new == new.sorted(by: >)
      }
      seen = shares(terminal.screen)
      // What is shown is rounded.
      #expect(seen.reduce(0, +) < 201, "\(terminal.screen.text)")
      // Keys that mean nothing.
      terminal.type("x")
    }
    terminal.type("q")
    terminal.wait(lastLine: "> ")
    terminal.leave()
  }

  @Test("each share is of the time between two answers of the thread's own worker")
  func sharesOfTime()
    throws
  {
    // Worker 1 answers late the second time: its threads have run for longer since the first.
    let script =
      "\n" + ReplDriver.shares + "\n" + """
        local function text(threads, before)
          local shares, seen = shares_since(before, threads)
          for index, share in ipairs(shares) do shares[index] = ("%.2f"):format(share) end
          return table.concat(shares, " "), seen
        end
        local first, seen = text({
          { id = "1", run_s = 1, accounted_s = 10 }, { id = "1.1", run_s = 2, accounted_s = 10 },
          { id = "1.2", run_s = 3, accounted_s = 11 }, { id = "1.3", accounted_s = 11 },
          { id = "1.4" },
        }, {})
        local second, seen = text({
          { id = "1", run_s = 1.25, accounted_s = 11 }, { id = "1.1", run_s = 2.75, accounted_s = 11 },
          { id = "1.2", run_s = 5, accounted_s = 15 }, { id = "1.3", run_s = 2, accounted_s = 15 },
          { id = "1.4", run_s = 1, accounted_s = 15 }, { id = "1.5", run_s = 1, accounted_s = 15 },
        }, seen)
        local third = text({
          { id = "1", run_s = 1.25, accounted_s = 11 }, { id = "1.2", run_s = 6, accounted_s = 16 },
        }, seen)
        print(first .. "|" .. second .. "|" .. third)
        """
    let terminal = try PseudoTerminal(["-e", script], columns: 100)
    terminal.wait(
      for: "0.00 0.00 0.00 0.00 0.00|0.25 0.75 0.50 0.50 0.00 0.00|0.00 1.00")
    #expect(terminal.end() == 0)
    terminal.remove()
  }

  @Test("however narrow the screen, :top's rows are rows") func narrow() throws {
    let terminal = try PseudoTerminal.ready(columns: 40, rows: 24)
    terminal.enter(
      "a = lwkt.create({name = ('\u{65e5}'):rep(30)}, function() lwkt.recv() end)", until: "\n>")
    terminal.type(":top\r")
    terminal.wait { $0.lines.contains { $0.hasPrefix("1.1") } }
    #expect(terminal.screen.lines[0].hasPrefix("2 threads: 1 "), "\(terminal.screen.text)")
    #expect(terminal.screen.lines[1] == "", "\(terminal.screen.text)")
    #expect(terminal.screen.lines.last?.hasPrefix("1.1") == true, "\(terminal.screen.text)")
    terminal.type("q")
    terminal.leave()
  }

  @Test func files() throws {
    let terminal = try start()
    let saved = terminal.folder + "/saved.lua"
    terminal.enter("a = 1 +", until: "\n>>")
    terminal.enter("41", until: "\n>")
    terminal.enter("no.thing", until: "stdin:3:")
    terminal.enter(":save " + saved, until: "1 block written")
    terminal.enter("a = nil", until: "\n>")
    terminal.enter(":load " + saved, until: "\n>")
    terminal.enter("a", until: "\n42\n>")
    terminal.enter(":save /dev/full", until: "\n/dev/full: No space left")
    terminal.enter(":save ~/home.lua", until: "written to " + terminal.folder + "/home.lua")
    terminal.type(":load ~/ho\t")
    terminal.wait(lastLine: "> :load ~/home.lua")
    terminal.type("\u{15}")
    terminal.enter(":load /nonexistent", until: "cannot open /nonexistent")
    terminal.enter(":time 6 * 7", until: "took ")
    terminal.enter(":help", until: "tell about one")
    terminal.wait(lastLine: "> ")
    terminal.clear()
    terminal.enter(":help", until: "tell about one")
    #expect(terminal.screen.lines.allSatisfy { $0.count <= 80 })
    terminal.enter(":nonsense", until: "there is no command :nonsense")
    terminal.leave()
  }

  @Test("a script comes first, and its globals stay") func script() throws {
    let terminal = try start(["-e", "given = 'by -e'", "-i"])
    terminal.enter("given", until: "\nby -e\n>")
    terminal.leave()
  }

  @Test("however it ends, the terminal is as it was") func ends() throws {
    let byExit = try start()
    byExit.type("os.exit(7)\r")
    #expect(byExit.end() == 7)
    #expect(byExit.echoes)
    byExit.remove()
    let bySignal = try start()
    bySignal.type("half")
    bySignal.wait(lastLine: "> half")
    bySignal.signal(SIGTERM)
    #expect(bySignal.end() == 128 + SIGTERM)
    #expect(bySignal.echoes)
    bySignal.remove()
    let byThread = try start()
    byThread.enter("lwkt.create(function() lwkt.sleep(0.2) os.exit(3) end)", until: "thread 1.1")
    byThread.type("half")
    #expect(byThread.end() == 3)
    #expect(byThread.echoes)
    byThread.remove()
  }

  @Test("a terminal that cannot move its cursor gets plain lines") func dumb() throws {
    let terminal = try PseudoTerminal(["--workers", "2"], environment: ["TERM": "dumb"])
    terminal.wait(lastLine: "> ")
    terminal.enter("1 +", until: "\n>>")
    terminal.enter("1", until: ">> 1\n2\n>")
    // Ctrl-C and Ctrl-D leave no line half written.
    terminal.type("half")
    terminal.wait(lastLine: "> half")
    terminal.type("\u{3}")
    terminal.wait(for: "> half^C\n>")
    terminal.wait(lastLine: "> ")
    terminal.type("\u{4}")
    #expect(terminal.end() == 0)
    #expect(terminal.screen.column == 0, "\(terminal.screen.text)")
    terminal.remove()
  }
}

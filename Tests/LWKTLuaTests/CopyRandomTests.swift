// CopyRandomTests.swift: random structures there and back.

import CLua
import XCTest

@testable import LWKTLua

final class CopyRandomTests: XCTestCase {
  /// Makes a structure from a seed, of tables, functions, strings and handles that refer to each
  /// other at random; and describes one, naming each table and function when it is first met.
  private let library = """
    function make(seed)
      math.randomseed(seed)
      local random = math.random
      local pool, cells = {}, {}
      local function scalar()
        local k = random(9)
        if k == 1 then return random(0) elseif k == 2 then return random()
        elseif k == 3 then return random(2) == 1 elseif k == 4 then return ('s'):rep(random(90))
        elseif k == 5 then return 'word' .. random(20)
        elseif k == 6 then return string.char(random(0, 255))
        elseif k == 7 then return print elseif k == 8 then return string else return random(5) end
      end
      local function any()
        return random(3) == 1 and #pool > 0 and pool[random(#pool)] or scalar()
      end
      for i = 1, random(60) do
        if random(4) == 1 then
          local a, b, c = any(), any(), i
          local self
          local function get() return a, b, c end
          local function set(x) a, c = x, self end
          self = random(2) == 1 and get or nil
          pool[#pool + 1] = get
          pool[#pool + 1] = set
        else
          pool[#pool + 1] = {}
        end
      end
      for _ = 1, random(200) do
        local t = pool[random(#pool)]
        if type(t) == 'table' then
          if random(2) == 1 then t[#t + 1] = any() else t[any()] = any() end
          if random(20) == 1 then
            local mt = pool[random(#pool)]
            if type(mt) == 'table' then
              for _, k in ipairs {'__gc', '__mode', '__metatable', '__name'} do mt[k] = nil end
              setmetatable(t, mt)
            end
          end
        elseif random(3) == 1 then
          debug.setupvalue(t, 1, any())
        end
      end
      return table.unpack(pool, 1, math.min(#pool, 8))
    end

    function describe(...)
      local names, count, queue, out = {}, 0, {}, {}
      local known = {[print] = 'print', [string] = 'string', [_ENV] = '_ENV'}
      local function name(v)
        local t = type(v)
        if known[v] then return known[v] end
        if t == 'table' or t == 'function' then
          if not names[v] then
            count = count + 1
            names[v] = t .. count
            queue[#queue + 1] = v
          end
          return names[v]
        end
        return math.type(v) == 'float' and string.format('%a', v) or string.format('%q', v)
      end
      local values = table.pack(...)
      for i = 1, values.n do out[#out + 1] = name(values[i]) end
      local cells = {}
      local i = 1
      while queue[i] do
        local v = queue[i]
        i = i + 1
        out[#out + 1] = '\\n' .. names[v] .. ':'
        if type(v) == 'table' then
          -- Scalars first, in order; objects as keys in the order of their scalars' description.
          local keys, objects = {}, {}
          for k in next, v do
            if type(k) == 'table' or type(k) == 'function' then
              if known[k] then keys[#keys + 1] = {known[k], k} else objects[#objects + 1] = k end
            else
              keys[#keys + 1] = {type(k) .. name(k), k}
            end
          end
          table.sort(keys, function(a, b) return a[1] < b[1] end)
          for _, k in ipairs(keys) do out[#out + 1] = k[1] .. '=' .. name(rawget(v, k[2])) end
          -- Objects as keys: those with names in the order of these, the others only counted.
          local named, others = {}, 0
          for _, k in ipairs(objects) do
            if names[k] then named[#named + 1] = k else others = others + 1 end
          end
          table.sort(named, function(a, b) return names[a] < names[b] end)
          for _, k in ipairs(named) do out[#out + 1] = names[k] .. '=' .. name(rawget(v, k)) end
          out[#out + 1] = 'others=' .. others
          local mt = debug.getmetatable(v)
          if mt then out[#out + 1] = 'metatable=' .. name(mt) end
        else
          local n = 1
          while true do
            local up, value = debug.getupvalue(v, n)
            if not up then break end
            local id = debug.upvalueid(v, n)
            if not cells[id] then cells[id] = names[v] .. '/' .. n end
            out[#out + 1] = up .. '@' .. cells[id] .. '=' .. name(value)
            n = n + 1
          end
        end
      end
      return table.concat(out, ' ')
    end
    """

  func testThereAndBack() {
    let first = Heap()
    let second = Heap()
    first.run(library)
    second.run(library)
    for seed in 1...400 {
      // Described before, there, and back home.
      first.run(
        "kept = table.pack(make(\(seed))) text = describe(table.unpack(kept, 1, kept.n)) "
          + "return text"
      )
      let text = first.popMessage()
      second.run("text = nil")
      transfer(
        "return table.unpack(kept, 1, kept.n)",
        "kept = table.pack(...) text = describe(...)", from: first, to: second)
      second.run("return text")
      XCTAssertEqual(second.popMessage(), text, "seed \(seed)")
      transfer(
        "return table.unpack(kept, 1, kept.n)",
        "assert(describe(...) == text)", from: second, to: first)
      first.clear()
      second.clear()
    }
  }

  func testAsArgumentsOfThreads() {
    let first = Heap()
    first.run(library)
    for seed in 1...100 {
      let second = Heap(isThread: true)
      first.run("kept = table.pack(make(\(seed))) text = describe(table.unpack(kept, 1, kept.n))")
      thread(
        "local kept, text, describe = kept, text, describe return function(...) "
          + "return describe(...) == text, describe(table.unpack(kept, 1, kept.n)) == text, "
          + "kept[1] == (...) end, table.unpack(kept, 1, kept.n)",
        "local a, b, c = ... assert(a and b and c)", from: first, to: second)
      first.clear()
    }
  }
}

-- A queue of values between the coroutines of a controller, on a condition variable.
local condition = require "cqueues.condition"

local channel = {}
channel.__index = channel

function channel.new()
  return setmetatable({ first = 1, last = 0, filled = condition.new() }, channel)
end

function channel:put(value)
  self.last = self.last + 1
  self[self.last] = value
  self.filled:signal()
end

function channel:get()
  while self.first > self.last do self.filled:wait() end
  local value = self[self.first]
  self[self.first] = nil
  self.first = self.first + 1
  return value
end

return channel

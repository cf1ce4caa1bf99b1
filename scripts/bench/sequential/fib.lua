-- Calls: the 32nd Fibonacci number.
local function fib(n)
  if n < 2 then return n end
  return fib(n - 1) + fib(n - 2)
end
local started = os.clock()
assert(fib(32) == 2178309)
print(os.clock() - started)

-- Who takes part: ours, the floor in C, and whichever peers are installed. A side says how it is
-- found, how its programs are built, and what command runs one of them.
local measure = require "measure"
local quote = measure.quote

-- Is it a program that stock Lua runs as it is?
local function is_common(program) return program == "compute" or program:find("^sequential/") end

-- The sides by name, for the built command `ours`, programs in `here`, built ones in `build`.
return function(ours, here, build)
  local peers = here .. "/peers/"

  -- A peer whose programs are the scripts in `folder`, for an interpreter.
  local function scripts(folder, interpreter, probe, startup)
    return {
      probe = probe,
      startup = startup,
      command = function(program, _, arguments)
        local where = is_common(program) and here or peers .. folder
        return ("%s %s/%s.lua %s"):format(interpreter, where, program, arguments)
      end,
    }
  end

  local sides = {
    ours = {
      probe = "true",
      startup = quote(ours) .. " -e ''",
      command = function(program, workers, arguments)
        return ("env LUA_PATH=%s %s --workers %d %s/%s.lua %s"):format(quote(here .. "/?.lua;;"),
          quote(ours), workers, here, program, arguments)
      end,
    },
    floor = {
      probe = "command -v cc && ls /usr/include/lua5.4/lua.h",
      build = ("cc -O2 -Wall -o %s/floor %s/floor.c -l:liblua5.4.a -lm -ldl -lpthread"):format(
        build, here),
      startup = build .. "/floor",
      command = function(program, _, arguments)
        return ("%s/floor %s %s"):format(build, program, arguments)
      end,
    },
    go = {
      probe = "command -v go",
      build = ("cd %sgo && go build -o %s/go ."):format(peers, build),
      startup = build .. "/go nothing",
      command = function(program, workers, arguments)
        return ("env GOMAXPROCS=%d %s/go %s %s"):format(workers, build, program, arguments)
      end,
    },
    erlang = {
      probe = "command -v erlc",
      build = ("mkdir -p %s/erlang && erlc -o %s/erlang %serlang/*.erl"):format(build, build, peers),
      startup = "erl -noshell -noinput -s erlang halt",
      command = function(program, workers, arguments)
        return ("erl -noshell -noinput +P 2000000 +S %d:%d -pa %s/erlang -run bench main %s %s"):format(
          workers, workers, build, program, arguments)
      end,
    },
    luajit = scripts("lua", "luajit", "command -v luajit", "luajit -e ''"),
    cqueues = scripts("cqueues", "lua5.4", "lua5.4 -e 'require [[cqueues]]'",
      "lua5.4 -e 'require [[cqueues]]'"),
    luv = scripts("luv", "lua5.4", "lua5.4 -e 'require [[luv]]'", "lua5.4 -e 'require [[luv]]'"),
    tarantool = scripts("tarantool", "tarantool", "command -v tarantool",
      "tarantool -e 'os.exit()'"),
    lua = scripts("lua", "lua5.4", "command -v lua5.4", "lua5.4 -e ''"),
  }
  for _, side in pairs(sides) do
    local command = side.command
    function side.command(program, ...)
      if program == "startup" then return here .. "/startup.sh " .. side.startup end
      return command(program, ...)
    end
  end
  return sides
end

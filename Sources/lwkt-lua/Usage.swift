// Usage.swift: what the command says about itself.

/// What `--version` says.
let version = "lwkt-lua 0.1.0, Lua 5.4"

func usage(_ program: String) -> String {
  """
  usage: \(program) [options] [script [args]]
  Available options are:
    -e stat   execute string 'stat'
    -i        enter interactive mode after executing 'script'
    -l mod    require library 'mod' into global 'mod'
    -l g=mod  require library 'mod' into global 'g'
    -v        show version information
    -E        ignore environment variables
    -W        turn warnings on
    --        stop handling options
    -         stop handling options and execute stdin
    --workers M       run on M workers, 1 to 256 (default: the cpus it may use)
    --sysport ENGINE  make system calls by 'uring', or 'auto': by what the kernel has
    --no-bytecode     refuse precompiled chunks
    --trace FILE      write each visible step of every thread to FILE
    --stat            when all is over, print what the workers have counted on stderr
    --version         show version information and end
    --help            show this and more, and end
  """
}

let help = """

  A value may also be glued to a long option: --workers=2. Options stand before the script's name; what
  follows that is the script's, in `arg` and `...`.

  A trace has a line for each step, with tabs between its fields: number, worker, seconds, thread,
  operation, object, place in the script. 'sort -n' brings the lines of several workers in order.

  Environment variables:
    LUA_INIT_5_4, LUA_INIT     run first: Lua code, or '@' and the name of a file
    LUA_PATH_5_4, LUA_PATH     where 'require' looks for Lua modules; ';;' stands for the default
    LUA_CPATH_5_4, LUA_CPATH   the same for modules in C
    XDG_STATE_HOME             the folder in which the prompt keeps its history
    NO_COLOR                   if set, the prompt has no colours
  The first of two that is set counts; -E ignores those of Lua.

  Exit status: 0; 1 when the command line or the script is in error, or a thread failed and nobody
  took notice; 2 when all threads wait for what can never come.
  """

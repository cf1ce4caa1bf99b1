// HelpSysport.swift: help for system calls.

let sysportHelp = HelpSubject(
  title: "System calls",
  entries: [
    HelpEntry(
      .field, "lwkt.sysport", "lwkt.Port",
      "The port where system calls are sent: `domsg(name, ...)`, `sendmsg(name, ...)`.",
      """
      The names and arguments are those of `lwkt.sys`. `sendmsg` goes on while the kernel
      works and `msg:wait()` gets the results; `msg:abort()` cancels the call, whose answer
      is then `EINTR`. Nobody receives from it, and it cannot be closed.
      """,
      example: """
        local call = lwkt.sysport:sendmsg("nanosleep", 0.01)
        print("meanwhile")                      --> meanwhile
        print(call:wait())                      --> true
        """),
    HelpEntry(
      .module, "lwkt.errno", "",
      "The numbers of errors by name: `lwkt.errno.ENOENT` is 2.",
      example: """
        print(lwkt.errno.ETIMEDOUT)             --> 110
        """),
    HelpEntry(
      .module, "lwkt.sys", "",
      "System calls: the thread waits for the kernel, its worker does not.",
      """
      Each gives its results, or nil, what the system says, errno. An aborted thread's call
      is cancelled, unless it is done already. Open descriptors are numbers, shared by all
      threads and closed by nobody but `close`; programs that are started do not inherit
      them.
      """,
      example: """
        print(lwkt.sys.open("/nonexistent"))
        --> nil   /nonexistent: No such file or directory   2
        """),
    HelpEntry(
      .function, "lwkt.sys.nanosleep", "(seconds: number): true",
      "Wait for so many seconds.",
      example: """
        print(lwkt.sys.nanosleep(0.01))         --> true
        """),
    HelpEntry(
      .function, "lwkt.sys.open",
      "(path: string, mode?: string|integer, permissions?: integer): integer | nil, message, errno",
      "Open a file; its descriptor.",
      """
      `mode` is one of `io.open`'s (`r`, `w`, `a`, with `+`; by default `r`), or the flags
      of open(2) as a number. A file that is made has the permissions 0666 less the umask,
      unless others are given. Opening a FIFO waits for the other end.
      """,
      example: """
        local fd = assert(lwkt.sys.open("/dev/null", "w"))
        print(lwkt.sys.write(fd, "gone"))       --> 4
        lwkt.sys.close(fd)
        """),
    HelpEntry(
      .function, "lwkt.sys.close", "(fd: integer): true | nil, message, errno",
      "Close a descriptor.",
      example: """
        print(lwkt.sys.close(-1))               --> nil   Bad file descriptor   9
        """),
    HelpEntry(
      .function, "lwkt.sys.read",
      """
      (fd: integer, count: integer): string | nil, message, errno
      (fd: integer, array: lwkt.Array): integer | nil, message, errno
      """,
      "Read at most `count` bytes; an empty string at the end.",
      """
      Waits until there is something to read. Into a shared array it reads as much as fits
      and returns how many bytes that was.
      """,
      example: """
        local fd = assert(lwkt.sys.open("/dev/zero"))
        print(#lwkt.sys.read(fd, 100))          --> 100
        lwkt.sys.close(fd)
        """),
    HelpEntry(
      .function, "lwkt.sys.write",
      "(fd: integer, bytes: string|lwkt.Array): integer | nil, message, errno",
      "Write all of the bytes; how many they were.",
      "Waits until all are written. Fails with `EPIPE` if nobody will read them.",
      example: """
        local r, w = lwkt.sys.pipe()
        print(lwkt.sys.write(w, "hello"), lwkt.sys.read(r, 100))  --> 5   hello
        """),
    HelpEntry(
      .function, "lwkt.sys.pread",
      """
      (fd: integer, count: integer, offset: integer): string | nil, message, errno
      (fd: integer, array: lwkt.Array, offset: integer): integer | nil, message, errno
      """,
      "Read from a place in a file, counted from 0; its position stays as it is.",
      example: """
        local fd = assert(lwkt.sys.open("/proc/self/comm"))
        print(lwkt.sys.pread(fd, 4, 0))         --> lwkt
        lwkt.sys.close(fd)
        """),
    HelpEntry(
      .function, "lwkt.sys.pwrite",
      "(fd: integer, bytes: string|lwkt.Array, offset: integer): integer | nil, message, errno",
      "Write at a place in a file, counted from 0; its position stays as it is.",
      example: """
        local name = os.tmpname()
        local fd = assert(lwkt.sys.open(name, "w+"))
        lwkt.sys.pwrite(fd, "world", 6)
        lwkt.sys.pwrite(fd, "hello ", 0)
        print(lwkt.sys.read(fd, 100))           --> hello world
        lwkt.sys.close(fd)
        os.remove(name)
        """),
    HelpEntry(
      .function, "lwkt.sys.fsync", "(fd: integer): true | nil, message, errno",
      "Wait until what was written to a file is on its disk.",
      example: """
        local name = os.tmpname()
        local fd = assert(lwkt.sys.open(name, "w"))
        print(lwkt.sys.fsync(fd))               --> true
        lwkt.sys.close(fd)
        os.remove(name)
        """),
    HelpEntry(
      .function, "lwkt.sys.stat", "(path: string|integer): lwkt.FileStat | nil, message, errno",
      "What there is to know about a file, by path or descriptor.",
      "Follows symbolic links.",
      example: """
        print(lwkt.sys.stat("/").type)          --> directory
        """),
    HelpEntry(
      .field, "lwkt.sys.stat[].type", "string",
      "`file`, `directory`, `link`, `fifo`, `socket`, `char` or `block`."),
    HelpEntry(.field, "lwkt.sys.stat[].mode", "integer", "The permission bits."),
    HelpEntry(.field, "lwkt.sys.stat[].size", "integer", "How many bytes it has."),
    HelpEntry(
      .field, "lwkt.sys.stat[].blocks", "integer",
      "How many blocks of 512 bytes it takes."),
    HelpEntry(.field, "lwkt.sys.stat[].ino", "integer", "Its number in the file system."),
    HelpEntry(.field, "lwkt.sys.stat[].dev", "integer", "The number of the file system."),
    HelpEntry(.field, "lwkt.sys.stat[].nlink", "integer", "How many names it has."),
    HelpEntry(.field, "lwkt.sys.stat[].uid", "integer", "The number of its owner."),
    HelpEntry(.field, "lwkt.sys.stat[].gid", "integer", "The number of its group."),
    HelpEntry(
      .field, "lwkt.sys.stat[].atime", "number",
      "When it was last read, in seconds since 1970."),
    HelpEntry(.field, "lwkt.sys.stat[].mtime", "number", "When it was last written."),
    HelpEntry(.field, "lwkt.sys.stat[].ctime", "number", "When any of this was last changed."),
    HelpEntry(
      .function, "lwkt.sys.lstat", "(path: string): lwkt.FileStat | nil, message, errno",
      "As `lwkt.sys.stat`, but of a symbolic link itself.",
      example: """
        print(lwkt.sys.lstat("/proc/self").type)        --> link
        """),
    HelpEntry(
      .function, "lwkt.sys.readdir", "(path: string): lwkt.DirectoryEntry[] | nil, message, errno",
      "What is in a directory, in no order, without `.` and `..`.",
      example: """
        local found = {}
        for _, entry in ipairs(lwkt.sys.readdir("/")) do found[entry.name] = entry.type end
        print(found.tmp)                        --> directory
        """),
    HelpEntry(.field, "lwkt.sys.readdir[].name", "string", "Its name."),
    HelpEntry(.field, "lwkt.sys.readdir[].type", "string", "Its type, as `lwkt.sys.stat` has it."),
    HelpEntry(
      .function, "lwkt.sys.unlink", "(path: string): true | nil, message, errno",
      "Remove a file's name.",
      example: """
        print(lwkt.sys.unlink(os.tmpname()))    --> true
        """),
    HelpEntry(
      .function, "lwkt.sys.rename", "(from: string, to: string): true | nil, message, errno",
      "Give a file another name, which replaces what had it.",
      example: """
        local name = os.tmpname()
        print(lwkt.sys.rename(name, name .. ".old"))    --> true
        lwkt.sys.unlink(name .. ".old")
        """),
    HelpEntry(
      .function, "lwkt.sys.mkdir",
      "(path: string, permissions?: integer): true | nil, message, errno",
      "Make a directory, with the permissions 0777 less the umask unless others are given.",
      example: """
        local name = os.tmpname()
        os.remove(name)
        print(lwkt.sys.mkdir(name))             --> true
        lwkt.sys.rmdir(name)
        """),
    HelpEntry(
      .function, "lwkt.sys.rmdir", "(path: string): true | nil, message, errno",
      "Remove an empty directory.",
      example: """
        print(lwkt.sys.rmdir("/nonexistent"))
        --> nil   /nonexistent: No such file or directory   2
        """),
    HelpEntry(
      .function, "lwkt.sys.poll",
      "(fd: integer, events: \"r\"|\"w\"|\"rw\", timeout?: number): string | nil, message, errno",
      "Wait until a descriptor can be read (`r`) or written (`w`).",
      """
      Returns those of the letters that are so; `e` with them stands for an error, `h` for a
      peer that has gone. Fails with `ETIMEDOUT`.
      """,
      example: """
        local r, w = lwkt.sys.pipe()
        print(lwkt.sys.poll(r, "r", 0.01))      --> nil   timed out   110
        lwkt.sys.write(w, "x")
        print(lwkt.sys.poll(r, "r"))            --> r
        """),
    HelpEntry(
      .function, "lwkt.sys.pipe", "(): integer, integer | nil, message, errno",
      "A pipe: the descriptor to read from, the one to write to.",
      example: """
        local r, w = lwkt.sys.pipe()
        lwkt.sys.write(w, "through")
        print(lwkt.sys.read(r, 100))            --> through
        """),
    HelpEntry(
      .function, "lwkt.sys.isatty", "(fd: integer): boolean | nil, message, errno",
      "Is it a terminal?",
      example: """
        local r, w = lwkt.sys.pipe()
        print(lwkt.sys.isatty(r))               --> false
        """),
    HelpEntry(
      .function, "lwkt.sys.clock_gettime",
      "(clock?: \"monotonic\"|\"realtime\"|\"boottime\"|\"process\"): number | nil, message, errno",
      "The time of a clock in seconds, by default the monotonic one.",
      example: """
        local before = lwkt.sys.clock_gettime()
        lwkt.sleep(0.01)
        print(lwkt.sys.clock_gettime() > before)        --> true
        """),
    HelpEntry(
      .function, "lwkt.sys.getpid", "(): integer",
      "The number of this process.",
      example: """
        print(lwkt.sys.getpid() > 0)            --> true
        """),
  ])

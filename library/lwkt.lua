---@meta lwkt
-- What the `lwkt` module has, for editors with the Lua language server. Generated: make docs.

---@alias lwkt.Handle
---| lwkt.Thread
---| lwkt.Port
---| lwkt.Message
---| lwkt.Token
---| lwkt.Counter
---| lwkt.Table
---| lwkt.Array

---@class lwkt.ThreadInfo
---@field id string Its name by descent: `td.id`.
---@field name? string The name it was created with.
---@field state string As `td.state`.
---@field cpu integer The worker it is on.
---@field pri integer Its priority.
---@field wmesg? string What it waits for, in a word or two.
---@field waits_for? string The object it waits for, as it prints.
---@field waited_s? number For how many seconds it has waited.
---@field created_at? string The file and line of the call that created it.
---@field daemon boolean Was it created with `daemon=true`?
---@field run_s? number For how many seconds it has run; at the prompt, where account is kept of that.
---@field accounted_s? number As of when, by `lwkt.sys.clock_gettime()`; at the prompt.

---@class lwkt.PortInfo
---@field id integer Its number.
---@field name? string The name it was made with.
---@field kind string `spin`, `thread` or `sysport`.
---@field queued integer How many messages are queued.
---@field receivers integer How many threads wait to receive.
---@field senders integer How many threads wait for room.
---@field limit? integer How many messages may be queued.
---@field closed boolean Has it been closed just now?

---@class lwkt.TokenInfo
---@field name string Its name.
---@field owner? string The `id` of the thread that holds it exclusively.
---@field sharers integer How many threads hold it shared.
---@field waiters integer How many threads wait for it.
---@field collisions integer How often somebody had to wait for it.

---@class lwkt.Stat
---@field cpu integer The number of the worker.
---@field running boolean Has it been started? Workers start when there is work for them.
---@field runnable integer How many threads it has to run.
---@field switches integer Threads switched to.
---@field preemptions integer Threads that had to give way because their time was over.
---@field idle_sleeps integer Times it had nothing to do and slept.
---@field threads_created integer Threads created by threads on it.
---@field threads_ended integer Threads that ended on it.
---@field threads_joined integer Times a thread that it was woken for went to its waker's worker instead.
---@field threads_given integer Runnable threads given to workers that had none.
---@field threads_taken integer Runnable threads got from other workers.
---@field work_requests integer Times it asked another worker for threads.
---@field ipis_sent integer Messages sent to other workers (IPIs).
---@field ipis_avoided integer Those that were not needed, since the thread was on the same worker.
---@field ipi_queue_full integer Times such a message had to wait for room.
---@field ipis_chased integer Those sent on because the thread had moved meanwhile.
---@field sysport_messages integer System calls made.
---@field token_collisions integer Times a thread had to wait for a token.
---@field stacks_parked integer Waits inside C functions, which keep a native stack.

---@class lwkt.FileStat
---@field type string `file`, `directory`, `link`, `fifo`, `socket`, `char` or `block`.
---@field mode integer The permission bits.
---@field size integer How many bytes it has.
---@field blocks integer How many blocks of 512 bytes it takes.
---@field ino integer Its number in the file system.
---@field dev integer The number of the file system.
---@field nlink integer How many names it has.
---@field uid integer The number of its owner.
---@field gid integer The number of its group.
---@field atime number When it was last read, in seconds since 1970.
---@field mtime number When it was last written.
---@field ctime number When any of this was last changed.

---@class lwkt.DirectoryEntry
---@field name string Its name.
---@field type string Its type, as `lwkt.sys.stat` has it.

---@class lwkt.CreateOptions
---@field name? string A name for reports and for reading.
---@field cpu? integer The worker that the thread stays on, 0 to `lwkt.ncpus() - 1`.
---@field pri? integer The thread's priority, 0 to 31; 31 is the highest, 8 the usual.
---@field nostart? boolean Do not run the thread before `td:schedule()`.
---@field daemon? boolean The program does not wait for this thread's end.
---@field sharing? boolean Live in the creator's Lua heap and share its variables and tables.
---@field maxmem? integer The most bytes of Lua values the thread may have.

---@class lwkt.PortOptions
---@field name? string The name under which `lwkt.lookup` finds it, until it is closed.
---@field limit? integer How many messages may be queued; who sends one more waits for room.
---@field kind? "spin"|"thread" Who may receive: `spin`, any thread (the default); `thread`, its creator only.

---@class lwkt.SharedOptions
---@field token? lwkt.Token Any access without this token held raises an error; reading needs it shared at least.

---A thread, as `lwkt.create` and `lwkt.curthread` return it.
---
---Handles can be sent, compared (`==`), used as table keys and printed:
---`thread 1.4 (fetcher)`. Fields are read-only. A thread also has a port, `td.msgport`;
---`td:send`, `td:sendmsg` and `td:domsg` send to it.
---@class lwkt.Thread
---@field id string Its name by descent: the main thread is `1`, its fourth child `1.4`.
---@field name? string The name it was created with.
---@field state "nostart"|"runnable"|"running"|"waiting"|"dead" What it does: `nostart`, `runnable`, `running`, `waiting` or `dead`.
---@field cpu integer The worker it is on.
---@field pri integer Its priority.
---@field wmesg? string What it waits for, in a word or two; nil if it does not wait.
---@field msgport lwkt.Port Its port, from which it alone receives.
local td = {}

---Wait for the thread's end and return how it ended.
---
---True and what its function returned, or false and its error. Fails with `ETIMEDOUT`
---when it has not ended in time; 0 looks without waiting. May be called any number of
---times, by any thread, except the thread itself.
---@param timeout? number
---@return boolean?
---@return any ...
function td:join(timeout) end

---Ask the thread to stop: its present or next wait ends with an error.
---
---Does not wait. The error is `reason`, by default `aborted`. The thread may catch it
---to clean up, but the next wait raises it again; `<close>` variables run. What it is
---waiting for is given up: a request it has sent is aborted and its answer awaited. A
---thread that never waits is not stopped. Nothing happens to one that has ended.
---@param reason? any
function td:abort(reason) end

---Let a thread run that was created with `nostart`.
---
---Nothing happens to one that runs already.
function td:schedule() end

---Change the thread's priority, 0 to 31.
---@param pri integer
function td:setpri(pri) end

---Have a message sent to `port` when the thread ends.
---
---Its values are `"exit"`, the thread, whether it ended well, and its results or its
---error. If it has ended already the message comes at once.
---@param port lwkt.Port
function td:notify(port) end

---Send values to the thread's port, one way; see `port:send`.
---@param ... any
---@return true?
---@return string? message
---@return integer? errno
function td:send(...) end

---Send a request to the thread's port and go on; see `port:sendmsg`.
---@param ... any
---@return lwkt.Message
function td:sendmsg(...) end

---Send a request to the thread's port and wait for the answer; see `port:domsg`.
---@param ... any
---@return any ...
function td:domsg(...) end

---What `lwkt.scope` gives to its function.
---@class lwkt.Scope
local scope = {}

---Create a thread that belongs to the scope; otherwise as `lwkt.create`.
---
---Raises an error when the scope has ended.
---@overload fun(self, options: lwkt.CreateOptions, fn: function, ...: any): lwkt.Thread
---@param fn function
---@param ... any
---@return lwkt.Thread
function scope:create(fn, ...) end

---A port, as `lwkt.port` and `lwkt.lookup` return it.
---
---`#port` is the number of messages queued. Messages are received in the order in which
---they were sent, but those to `port.urgent` first. What can be sent: nil, booleans,
---numbers, strings, tables (with cycles, and metatables of modules), Lua functions, and
---handles; all but handles are copied. Anything else raises an error that names the
---path to it: `sendmsg: cannot send userdata at [2].conn.fd`.
---@class lwkt.Port
---@operator len: integer
---@field urgent lwkt.Port The same port's head queue: what is sent there is received first.
---@field id integer Its number.
---@field name? string The name it was made with.
---@field limit? integer How many messages may be queued; nil if there is no limit.
---@field kind "spin"|"thread"|"sysport" Who may receive: `spin`, any thread; `thread`, its owner; `sysport`, nobody.
local port = {}

---Queue the values, one way: no answer is expected.
---
---Waits only for room in a port with a limit. Fails with `ENOTCONN` when it is closed.
---@param ... any
---@return true?
---@return string? message
---@return integer? errno
function port:send(...) end

---Send a request and go on; the answer is waited for with `msg:wait`.
---
---Waits only for room in a port with a limit. If the port is closed, the request is
---answered at once, with `ENOTCONN`. If nobody is left who could answer, the answer is
---nil, `peer exited`, `EPIPE`.
---@param ... any
---@return lwkt.Message
function port:sendmsg(...) end

---Send a request and wait for its answer, which is returned.
---
---`port:sendmsg(...):wait()` in one. Fails as the receiver says with `msg:fail`.
---@param ... any
---@return any ...
function port:domsg(...) end

---Send a request whose answer is queued on `rport`.
---
---There it is received with `rport:wait()`; it is the same message, with `isreply` true.
---@param rport lwkt.Port
---@param ... any
---@return lwkt.Message
function port:sendmsg_to(rport, ...) end

---Wait for the next message and take it.
---
---A message that is a request must be answered: with `msg:reply`, `msg:fail` or
---`msg:forward`. Fails with `ETIMEDOUT`, or `ENOTCONN` when the port is closed.
---@param timeout? number
---@return lwkt.Message?
---@return string? message
---@return integer? errno
function port:wait(timeout) end

---The next message, or nil if there is none. Does not wait.
---@return lwkt.Message?
function port:get() end

---Wait for the next message and return its values.
---
---For what was sent one way with `send`. A request is answered with no values. Fails
---with `ETIMEDOUT`, or `ENOTCONN` when the port is closed. Where nil may be sent, tell
---a failure from it by the errno, or use `port:wait`.
---@param timeout? number
---@return any ...
function port:recv(timeout) end

---Take no more messages.
---
---What is queued and was not answered fails with `ENOTCONN`; who waits to receive or to
---send is woken and fails likewise. Its name is free again. Closing twice is nothing.
function port:close() end

---A message: a request and its answer in one, or values sent one way.
---
---`port:sendmsg` gives it to the sender, `port:wait` to the receiver. The receiver looks
---at it with `unpack` and answers it once, when it likes, also after other messages.
---No request is lost: if its receiver ends, forgets it, or the port goes away, the
---sender gets nil, `peer exited`, `EPIPE`.
---@class lwkt.Message
---@field sender? lwkt.Thread The thread that sent it.
---@field isreply boolean Is it an answer, come back to a reply port?
---@field aborted boolean Has the sender asked to give it up?
local msg = {}

---Its values: of a request what was sent, of an answer what was replied.
---
---Does not wait. An answer that is a failure gives nil, message, errno.
---@return any ...
function msg:unpack() end

---Answer the request with these values.
---
---Does not wait. Raises an error if it was answered or forwarded already, or was sent
---one way.
---@param ... any
---@return true
function msg:reply(...) end

---Answer the request with a failure: the sender gets nil, `err`, `errno`.
---
---The errno is `EIO`, 5, unless another is given.
---@param err any
---@param errno? integer
---@return true
function msg:fail(err, errno) end

---Pass the request on; the answer goes to its sender.
---
---From then on it is its next receiver's to answer. If that port is closed, the sender
---gets `ENOTCONN`, and so does the caller.
---@param port lwkt.Port|lwkt.Thread
---@return true?
---@return string? message
---@return integer? errno
function msg:forward(port) end

---Wait for the answer to a request this thread has sent, and return its values.
---
---May be called again: the answer stays. Fails as the receiver says, with `EPIPE` if
---nobody is left to answer, with `ETIMEDOUT` when the time is up; the request is then
---still under way.
---@param timeout? number
---@return any ...
function msg:wait(timeout) end

---Is the answer there?
---@return boolean
function msg:check() end

---Ask the receiver to give the request up. By the sender.
---
---Does not wait; the answer still comes. A request that is still queued is answered with
---`EINTR`; a receiver who has it sees `msg.aborted` and may answer as it likes. A
---system call is cancelled.
function msg:abort() end

---A token, as `lwkt.token` returns it.
---
---As a `<close>` variable it is released at the end of the block, on errors too. Tokens
---a thread still holds when it ends are released.
---@class lwkt.Token
local tok = {}

---Acquire it exclusively; returns the token, for a `<close>` variable.
---
---Waits until it is free; meanwhile all other tokens held are given up. May be nested:
---each `get` needs its release. Raises an error if this thread holds it shared.
---@return lwkt.Token
function tok:get() end

---Acquire it together with others who only look.
---
---Otherwise as `tok:get`. Who holds it exclusively may take it shared on top.
---@return lwkt.Token
function tok:get_shared() end

---Acquire it exclusively if that can be done at once. Does not wait.
---@return boolean
function tok:try() end

---Release it. It must be the token acquired last.
---
---Raises an error for another: `reltoken: release wants "accounts", got "audit"`; see
---`lwkt.token_swap`.
function tok:rel() end

---Call `fn(...)` holding it and return its results; it is released on errors too.
---
---Waits as `tok:get` does.
---@generic T
---@param fn (fun(...: any): T)
---@param ... any
---@return T
function tok:with(fn, ...) end

---Has anybody else held it exclusively since this thread got it first?
---
---Only a wait makes it so. Raises an error when it is not held.
---@return boolean
function tok:is_stale() end

---How this thread holds it: `exclusive`, `shared`, or nil.
---@return "exclusive"|"shared"|nil
function tok:held() end

---A shared counter: an integer that wraps around as Lua's do.
---@class lwkt.Counter
local counter = {}

---Add `n`, by default 1; the new value.
---@param n? integer
---@return integer
function counter:add(n) end

---Its value.
---@return integer
function counter:get() end

---Make it `n`.
---@param n integer
function counter:set(n) end

---Make it `desired` if it is `expected`; was it?
---@param expected integer
---@param desired integer
---@return boolean
function counter:cas(expected, desired) end

---A shared table. Keys are booleans, numbers, strings and handles; `#tbl` is `tbl:len()`.
---@class lwkt.Table
---@operator len: integer
local tbl = {}

---A copy of the value of `key`, or nil.
---@param key any
---@return any
function tbl:get(key) end

---Store a copy of `value`; nil removes the key.
---
---Raises an error for what cannot be copied.
---@param key any
---@param value any
function tbl:set(key, value) end

---Store what `fn` makes of the value of `key`, with nobody between; the new value.
---
---`fn` runs in this thread and may run again, with a newer value, when somebody else was
---faster: it should do nothing but compute. An error in it changes nothing.
---@param key any
---@param fn fun(old: any): any
---@return any
function tbl:update(key, fn) end

---An iterator over all keys and values as they are now.
---
---Later changes are not seen.
---@return fun(): any
---@return any
function tbl:pairs() end

---How many keys it has.
---@return integer
function tbl:len() end

---A shared array: `array[i]` from 1 to `#array`.
---
---An index out of range, or a value that is no element, raises an error.
---@class lwkt.Array
---@operator len: integer
---@field [integer] number
local array = {}

---Set the elements from `i` to `j`, by default all, to `value`.
---
---Each element is set atomically, not all at once.
---@param value number
---@param i? integer
---@param j? integer
function array:fill(value, i, j) end

---A table of the elements from `i` to `j`, by default all.
---@param i? integer
---@param j? integer
---@return number[]
function array:slice(i, j) end

---The elements from `i` to `j`, by default all, as bytes in memory order.
---@param i? integer
---@param j? integer
---@return string
function array:bytes(i, j) end

---Add `n` to an element of an `i64` array; its new value.
---@param i integer
---@param n integer
---@return integer
function array:add(i, n) end

---Threads, messages, tokens, shared objects and system calls.
---
---A global in every thread; `require "lwkt"` returns it too. Times are seconds,
---integers or floats. An operation that fails returns nil, a message and an errno;
---misuse raises an error. Every function that waits may be called anywhere but in
---a finaliser (`__gc`).
---@class lwkt
---@field sysport lwkt.Port The port where system calls are sent: `domsg(name, ...)`, `sendmsg(name, ...)`.
lwkt = {}

---Create a thread that runs `fn(...)`, and let it run.
---
---The thread shares no Lua value with its creator: `fn`, the locals it captured, the
---globals it names and the arguments are copied. Does not wait: the new thread runs
---when its creator waits or on another worker. What `fn` returns is kept for `join`.
---
---Raises an error if something cannot be copied (it says what and where), or if `fn`
---assigns a local of its creator, who would never see it: use `lwkt.shared`, a
---message, or `sharing=true`.
---@overload fun(options: lwkt.CreateOptions, fn: function, ...: any): lwkt.Thread
---@param fn function
---@param ... any
---@return lwkt.Thread
function lwkt.create(fn, ...) end

---The thread that runs.
---@return lwkt.Thread
function lwkt.curthread() end

---The number of the worker that this thread runs on, from 0.
---
---It may be another after any wait, and after preemption.
---@return integer
function lwkt.mycpu() end

---How many workers there are.
---
---The number that `--workers` gives, else of the cpus that the process may use.
---@return integer
function lwkt.ncpus() end

---Let threads of the same or a higher priority run first.
---
---Seldom needed: a thread that computes too long is preempted.
function lwkt.yield() end

---End this thread with these results, which `join` returns.
---
---Variables to be closed are closed; no `pcall` is in the way. In the main thread it
---ends that thread only: the program goes on until the others have ended too.
---@param ... any
function lwkt.exit(...) end

---Move to that worker.
---
---Threads in the same Lua heap come along. Fails with `EBUSY` if one of them is held
---where it is: pinned by `cpu=`, or waiting inside a C function.
---@param cpu integer
---@return true?
---@return string? message
---@return integer? errno
function lwkt.setcpu_self(cpu) end

---Change this thread's own priority, 0 to 31.
---@param pri integer
function lwkt.setpri_self(pri) end

---Wait for so many seconds, while other threads run.
---@param seconds number
---@return true
function lwkt.sleep(seconds) end

---Sleep until somebody calls `wakeup` with the same `ident`.
---
---`ident` is a string, an integer or any lwkt object; whoever uses the same sleeps on
---the same. `wmesg` says what for and is seen in `td.wmesg` and in reports. A wakeup
---that comes when nobody sleeps is lost: check what you wait for, with a token held,
---before and after. Fails with `ETIMEDOUT`.
---@param ident string|integer|lwkt.Handle
---@param wmesg? string
---@param timeout? number
---@return true?
---@return string? message
---@return integer? errno
function lwkt.tsleep(ident, wmesg, timeout) end

---Wake all threads that sleep on `ident`; how many they were.
---@param ident string|integer|lwkt.Handle
---@return integer
function lwkt.wakeup(ident) end

---Wake the thread that has slept on `ident` for the longest time: 1, or 0 if there is none.
---@param ident string|integer|lwkt.Handle
---@return integer
function lwkt.wakeup_one(ident) end

---Enter a critical section: this thread is not preempted.
---
---Sections nest: each `crit_enter` needs its `crit_exit`. A wait gives them up for as
---long as it lasts. Threads on other workers run on; against them hold a token.
function lwkt.crit_enter() end

---Leave a critical section; a preemption that was due happens now.
---
---Raises an error outside one.
function lwkt.crit_exit() end

---Call `fn` with a scope; return when all threads created in it have ended.
---
---Waits for their ends. The first error in one of them, or in `fn`, aborts the others
---and ends the waits of `fn`; when all have ended it is raised again with its
---traceback. Else the results are those of `fn`.
---@param fn fun(scope: lwkt.Scope): ...: any
---@return any ...
function lwkt.scope(fn) end

---Call `fn(...)`, but give it only so many seconds.
---
---Returns what `fn` returns. When the time is up the wait that `fn` is in, its next, or
---what it computes, ends with an error, `<close>` variables run, and the result is nil,
---`timed out`, `ETIMEDOUT`. In critical sections, `__close` and finalisers a computation is
---left alone until their end. Who catches the error has a second to tidy up without waiting.
---With 0 or less only waits fail at once, as when polling. Errors of `fn` are raised again.
---It cannot be left by `coroutine.yield`.
---@generic T
---@param seconds number
---@param fn (fun(...: any): T)
---@param ... any
---@return T?
---@return string? message
---@return integer? errno
function lwkt.timeout(seconds, fn, ...) end

---A new port: a queue of messages that threads send to and receive from.
---
---A string is the port's name. Fails with `EEXIST` if there is an open port of that
---name. Who holds the handle may send; who may receive is a matter of its `kind`.
---@param options? string|lwkt.PortOptions
---@return lwkt.Port?
---@return string? message
---@return integer? errno
function lwkt.port(options) end

---The open port of that name; waits until there is one.
---
---Fails with `ETIMEDOUT`; 0 looks without waiting.
---@param name string
---@param timeout? number
---@return lwkt.Port?
---@return string? message
---@return integer? errno
function lwkt.lookup(name, timeout) end

---Wait for the next message at this thread's own port; see `port:wait`.
---@param timeout? number
---@return lwkt.Message?
---@return string? message
---@return integer? errno
function lwkt.wait(timeout) end

---The next message at this thread's own port, or nil; see `port:get`.
---@return lwkt.Message?
function lwkt.get() end

---The values of the next message at this thread's own port; see `port:recv`.
---@param timeout? number
---@return any ...
function lwkt.recv(timeout) end

---Wait for the first of several to be ready; return it and its place in the list.
---
---A port is ready when it has a message or is closed, a message when it is answered, a
---thread when it has ended. Takes nothing: receive, `wait` or `join` then. Another
---receiver may be faster. Fails with `ETIMEDOUT`.
---@generic T: lwkt.Port|lwkt.Message|lwkt.Thread
---@param objects T[]
---@param timeout? number
---@return T?
---@return integer|string
---@return integer? errno
function lwkt.waitany(objects, timeout) end

---A token; the same name is the same token everywhere.
---
---A token serialises the threads that hold it, while they run. A thread that waits, for
---whatever it may be, gives up all it holds and has all of it again when it goes on. So
---tokens never deadlock, whatever the order; and after any wait what they guard must be
---looked at again.
---@param name? string
---@return lwkt.Token
function lwkt.token(name) end

---The token that serialises `key`, out of a pool of 4001.
---
---The same key always gives the same token; two keys may happen to share one.
---@param key string|integer
---@return lwkt.Token
function lwkt.getpooltoken(key) end

---Swap the two tokens acquired last, so that the other can be released first.
---
---Raises an error when fewer than two are held.
function lwkt.token_swap() end

---A table for each thread there is.
---
---Waits for all workers to answer.
---@return lwkt.ThreadInfo[]
function lwkt.threads() end

---A table for each open port.
---@return lwkt.PortInfo[]
function lwkt.ports() end

---A table for each token.
---@return lwkt.TokenInfo[]
function lwkt.tokens() end

---A table of counters for each worker; but for the first three fields they only grow.
---@return lwkt.Stat[]
function lwkt.stat() end

---@type table<string, integer>
lwkt.errno = {}

---Values that threads do share: counters, tables of copies, arrays of numbers.
---
---Each single operation is atomic and runs in parallel with others. Their handles can
---be sent and captured. What takes several operations needs a token; with
---`{token=tok}` at creation every access without it raises an error.
---@class lwkt.shared
lwkt.shared = {}

---A counter that begins at `n`, by default 0.
---@param n? integer
---@param options? lwkt.SharedOptions
---@return lwkt.Counter
function lwkt.shared.counter(n, options) end

---A table of copies: what goes in and what comes out is copied.
---@param options? lwkt.SharedOptions
---@return lwkt.Table
function lwkt.shared.table(options) end

---An array of `n` numbers of one type, all 0.
---
---`i64` are integers, `f64` floats, `u8` integers from 0 to 255. Its length is fixed. A
---system call reads into it or writes from it without a copy.
---@param type "i64"|"f64"|"u8"
---@param n integer
---@param options? lwkt.SharedOptions
---@return lwkt.Array
function lwkt.shared.array(type, n, options) end

---System calls: the thread waits for the kernel, its worker does not.
---
---Each gives its results, or nil, what the system says, errno. An aborted thread's call
---is cancelled, unless it is done already. Open descriptors are numbers, shared by all
---threads and closed by nobody but `close`; programs that are started do not inherit
---them.
---@class lwkt.sys
lwkt.sys = {}

---Wait for so many seconds.
---@param seconds number
---@return true
function lwkt.sys.nanosleep(seconds) end

---Open a file; its descriptor.
---
---`mode` is one of `io.open`'s (`r`, `w`, `a`, with `+`; by default `r`), or the flags
---of open(2) as a number. A file that is made has the permissions 0666 less the umask,
---unless others are given. Opening a FIFO waits for the other end.
---@param path string
---@param mode? string|integer
---@param permissions? integer
---@return integer?
---@return string? message
---@return integer? errno
function lwkt.sys.open(path, mode, permissions) end

---Close a descriptor.
---@param fd integer
---@return true?
---@return string? message
---@return integer? errno
function lwkt.sys.close(fd) end

---Read at most `count` bytes; an empty string at the end.
---
---Waits until there is something to read. Into a shared array it reads as much as fits
---and returns how many bytes that was.
---@overload fun(fd: integer, array: lwkt.Array): integer?, string?, integer?
---@param fd integer
---@param count integer
---@return string?
---@return string? message
---@return integer? errno
function lwkt.sys.read(fd, count) end

---Write all of the bytes; how many they were.
---
---Waits until all are written. Fails with `EPIPE` if nobody will read them.
---@param fd integer
---@param bytes string|lwkt.Array
---@return integer?
---@return string? message
---@return integer? errno
function lwkt.sys.write(fd, bytes) end

---Read from a place in a file, counted from 0; its position stays as it is.
---@overload fun(fd: integer, array: lwkt.Array, offset: integer): integer?, string?, integer?
---@param fd integer
---@param count integer
---@param offset integer
---@return string?
---@return string? message
---@return integer? errno
function lwkt.sys.pread(fd, count, offset) end

---Write at a place in a file, counted from 0; its position stays as it is.
---@param fd integer
---@param bytes string|lwkt.Array
---@param offset integer
---@return integer?
---@return string? message
---@return integer? errno
function lwkt.sys.pwrite(fd, bytes, offset) end

---Wait until what was written to a file is on its disk.
---@param fd integer
---@return true?
---@return string? message
---@return integer? errno
function lwkt.sys.fsync(fd) end

---What there is to know about a file, by path or descriptor.
---
---Follows symbolic links.
---@param path string|integer
---@return lwkt.FileStat?
---@return string? message
---@return integer? errno
function lwkt.sys.stat(path) end

---As `lwkt.sys.stat`, but of a symbolic link itself.
---@param path string
---@return lwkt.FileStat?
---@return string? message
---@return integer? errno
function lwkt.sys.lstat(path) end

---What is in a directory, in no order, without `.` and `..`.
---@param path string
---@return lwkt.DirectoryEntry[]?
---@return string? message
---@return integer? errno
function lwkt.sys.readdir(path) end

---Remove a file's name.
---@param path string
---@return true?
---@return string? message
---@return integer? errno
function lwkt.sys.unlink(path) end

---Give a file another name, which replaces what had it.
---@param from string
---@param to string
---@return true?
---@return string? message
---@return integer? errno
function lwkt.sys.rename(from, to) end

---Make a directory, with the permissions 0777 less the umask unless others are given.
---@param path string
---@param permissions? integer
---@return true?
---@return string? message
---@return integer? errno
function lwkt.sys.mkdir(path, permissions) end

---Remove an empty directory.
---@param path string
---@return true?
---@return string? message
---@return integer? errno
function lwkt.sys.rmdir(path) end

---Wait until a descriptor can be read (`r`) or written (`w`).
---
---Returns those of the letters that are so; `e` with them stands for an error, `h` for a
---peer that has gone. Fails with `ETIMEDOUT`.
---@param fd integer
---@param events "r"|"w"|"rw"
---@param timeout? number
---@return string?
---@return string? message
---@return integer? errno
function lwkt.sys.poll(fd, events, timeout) end

---A pipe: the descriptor to read from, the one to write to.
---@return integer?
---@return integer|string
---@return integer? errno
function lwkt.sys.pipe() end

---Is it a terminal?
---@param fd integer
---@return boolean?
---@return string? message
---@return integer? errno
function lwkt.sys.isatty(fd) end

---The time of a clock in seconds, by default the monotonic one.
---@param clock? "monotonic"|"realtime"|"boottime"|"process"
---@return number?
---@return string? message
---@return integer? errno
function lwkt.sys.clock_gettime(clock) end

---The number of this process.
---@return integer
function lwkt.sys.getpid() end

return lwkt

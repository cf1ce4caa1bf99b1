%% The benchmarks as an Erlang programmer would write them. Each prints its figures on one line; +S
%% says on how many schedulers.
-module(bench).
-export([main/1]).

main([Program | Arguments]) ->
  Figures = run(Program, [argument(A) || A <- Arguments]),
  io:format("~s~n", [lists:join(" ", [io_lib:format("~p", [F]) || F <- Figures])]),
  erlang:halt(0).

argument(Text) ->
  try list_to_integer(Text) catch error:badarg -> list_to_atom(Text) end.

run("yield", []) -> run("yield", [3000000, 2]);
run("yield", [Switches, Processes]) ->
  Each = Switches div Processes,
  Took = race(Processes, fun(_) -> yields(Each) end),
  [Took / (Each * Processes)];

run("pingpong", []) -> run("pingpong", [1000000, 2]);
run("pingpong", [Rounds, Processes]) ->
  Pairs = Processes div 2,
  Each = Rounds div Pairs,
  Took = race(Pairs, fun(_) -> ping(spawn(fun pong/0), Each) end),
  [Took / (Each * Pairs)];

run("request", []) -> run("request", [300000, 1]);
run("request", [Requests, Clients]) ->
  Server = spawn(fun serve/0),
  Each = Requests div Clients,
  Took = race(Clients, fun(_) -> ask(Server, Each) end),
  [Took / (Each * Clients)];

run("ring", []) -> run("ring", [1000000, 503]);
run("ring", [Hops, Size]) ->
  Self = self(),
  First = spawn(fun() -> receive {next, Next} -> pass(Next, Self) end end),
  Last = lists:foldl(fun(_, Next) -> spawn(fun() -> pass(Next, Self) end) end, First,
    lists:seq(2, Size)),
  First ! {next, Last},
  Started = now_ns(),
  First ! Hops,
  receive done -> ok end,
  [(now_ns() - Started) / Hops];

run("stream", []) -> run("stream", [2000000, 4]);
run("stream", [Messages, Senders]) ->
  Each = Messages div Senders,
  Self = self(),
  Started = now_ns(),
  [spawn(fun() -> send(Self, Each) end) || _ <- lists:seq(1, Senders)],
  take(Each * Senders),
  [Each * Senders / (now_ns() - Started) * 1000];

run("create", []) -> run("create", [200000]);
run("create", [Count]) ->
  Started = now_ns(),
  spawn_and_wait(Count),
  [(now_ns() - Started) / Count / 1000];

run("crowd", []) -> run("crowd", [100000]);
run("crowd", [Count]) ->
  Started = now_ns(),
  All = [spawn_monitor(fun() -> ok end) || _ <- lists:seq(1, Count)],
  [receive {'DOWN', Ref, process, _, _} -> ok end || {_, Ref} <- All],
  [(now_ns() - Started) / Count / 1000];

run("memory", []) -> run("memory", [100000]);
run("memory", [Count]) ->
  Before = resident(),
  Self = self(),
  All = [spawn(fun() -> Self ! ready, receive stop -> ok end end) || _ <- lists:seq(1, Count)],
  [receive ready -> ok end || _ <- All],
  [(resident() - Before) / Count];

run("tree", []) -> run("tree", [6, 10]);
run("tree", [Depth, FanOut]) ->
  Started = now_ns(),
  Self = self(),
  spawn(fun() -> node(Depth, 1, FanOut, Self) end),
  Leaves = round(math:pow(FanOut, Depth)),
  Sum = Leaves * (Leaves + 1) div 2,
  receive Sum -> ok end,
  [(now_ns() - Started) / 1.0e9, peak() / 1.0e6];

run("compute", []) -> run("compute", [64, 29]);
run("compute", [Count, N]) ->
  [seconds(fun() -> together([fun() -> fib(N) end || _ <- lists:seq(1, Count)]) end)];

run("imbalance", []) -> run("imbalance", [64, 30]);
run("imbalance", [Count, N]) ->
  [seconds(fun() ->
     together([case I rem 2 of
       0 -> fun() -> fib(N - 8) end;
       1 -> fun() -> fib(N) end
     end || I <- lists:seq(1, Count)])
   end)];

run("sleeps", []) -> run("sleeps", [100000]);
run("sleeps", [Count]) ->
  Started = now_ns(),
  Self = self(),
  [spawn(fun() -> doze(Self, I * 7919 rem 1000) end) || I <- lists:seq(1, Count)],
  Latest = latest(Count, 0),
  Wall = (now_ns() - Started) / 1.0e9,
  {Processor, _} = statistics(runtime),
  [Wall, Processor / 1000, Latest / 1.0e6];

%% There are no locks: what others would lock, a process keeps.
run("tokens", []) -> run("tokens", [300000, 1]);
run("tokens", [Times, Clients]) -> run("request", [Times, Clients]);

run("counter", []) -> run("counter", [2000000, 8]);
run("counter", [Additions, Processes]) ->
  Each = Additions div Processes,
  Counter = atomics:new(1, []),
  Took = race(Processes, fun(_) -> additions(Counter, Each) end),
  [Took / (Each * Processes)];

run("sharedtable", []) -> run("sharedtable", [500000, 8]);
run("sharedtable", [Times, Processes]) ->
  Each = Times div Processes,
  Table = ets:new(table, [public, {write_concurrency, true}, {read_concurrency, true}]),
  Took = race(Processes, fun(Index) -> insert(Table, Index, Each) end),
  [Took / (Each * Processes)];

run("ticker", []) -> run("ticker", [1000, 4]);
run("ticker", [Ticks, Hogs]) ->
  [spawn(fun hog/0) || _ <- lists:seq(1, Hogs)],
  Late = lists:sort(tick(Ticks, now_ns(), [])),
  [lists:nth(Ticks div 2, Late) / 1.0e6, lists:nth(Ticks - Ticks div 100, Late) / 1.0e6,
   lists:last(Late) / 1.0e6].

now_ns() -> erlang:monotonic_time(nanosecond).

seconds(Run) ->
  Started = now_ns(),
  Run(),
  (now_ns() - Started) / 1.0e9.

%% How many nanoseconds Count processes, all there before, take together.
race(Count, Run) ->
  Self = self(),
  All = [spawn(fun() ->
    receive start -> Run(I), Self ! done end
  end) || I <- lists:seq(1, Count)],
  Started = now_ns(),
  [P ! start || P <- All],
  [receive done -> ok end || _ <- All],
  now_ns() - Started.

together(Runs) ->
  All = [spawn_monitor(Run) || Run <- Runs],
  [receive {'DOWN', Ref, process, _, _} -> ok end || {_, Ref} <- All].

yields(0) -> ok;
yields(N) -> erlang:yield(), yields(N - 1).

ping(_, 0) -> ok;
ping(Pong, N) ->
  Pong ! {self(), N},
  receive N -> ok end,
  ping(Pong, N - 1).

pong() -> receive {From, N} -> From ! N, pong() end.

%% As gen_server does, but no more than is needed: a reference marks the answer.
ask(_, 0) -> ok;
ask(Server, N) ->
  Ref = make_ref(),
  Server ! {self(), Ref, N},
  receive {Ref, N} -> ok end,
  ask(Server, N - 1).

serve() -> receive {From, Ref, N} -> From ! {Ref, N}, serve() end.

pass(Next, Done) ->
  receive
    0 -> Done ! done, pass(Next, Done);
    Left -> Next ! Left - 1, pass(Next, Done)
  end.

send(_, 0) -> ok;
send(To, N) -> To ! N, send(To, N - 1).

take(0) -> ok;
take(N) -> receive _ -> take(N - 1) end.

spawn_and_wait(0) -> ok;
spawn_and_wait(N) ->
  {_, Ref} = spawn_monitor(fun() -> ok end),
  receive {'DOWN', Ref, process, _, _} -> ok end,
  spawn_and_wait(N - 1).

node(0, Number, _, Parent) -> Parent ! Number;
node(Level, Number, FanOut, Parent) ->
  Self = self(),
  [spawn(fun() -> node(Level - 1, (Number - 1) * FanOut + I, FanOut, Self) end)
    || I <- lists:seq(1, FanOut)],
  Parent ! lists:sum([receive Sum -> Sum end || _ <- lists:seq(1, FanOut)]).

fib(N) when N < 2 -> N;
fib(N) -> fib(N - 1) + fib(N - 2).

doze(Parent, Milliseconds) ->
  Due = now_ns() + Milliseconds * 1000000,
  timer:sleep(Milliseconds),
  Parent ! {late, now_ns() - Due}.

latest(0, Latest) -> Latest;
latest(N, Latest) -> receive {late, Late} -> latest(N - 1, max(Late, Latest)) end.

additions(_, 0) -> ok;
additions(Counter, N) -> atomics:add(Counter, 1, 1), additions(Counter, N - 1).

insert(_, _, 0) -> ok;
insert(Table, Index, N) ->
  ets:insert(Table, {Index * 1000 + N rem 1000, N}),
  ets:lookup(Table, N rem 1000),
  insert(Table, Index, N - 1).

hog() -> hog().

tick(0, _, Late) -> Late;
tick(N, Last, Late) ->
  Due = Last + 1000000,
  receive after max(0, (Due - now_ns() + 999999) div 1000000) -> ok end,
  Woken = now_ns(),
  Next = case Woken > Due + 1000000 of true -> Woken; false -> Due end,
  tick(N - 1, Next, [Woken - Due | Late]).

resident() ->
  {ok, Text} = file:read_file("/proc/self/statm"),
  [_, Pages | _] = string:lexemes(binary_to_list(Text), " "),
  list_to_integer(Pages) * 4096.

peak() ->
  {ok, Text} = file:read_file("/proc/self/status"),
  {match, [Kilobytes]} = re:run(Text, "VmHWM:\\s*(\\d+)", [{capture, all_but_first, list}]),
  list_to_integer(Kilobytes) * 1024.

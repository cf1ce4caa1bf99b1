# What one does with lwkt-lua. `make help` lists it.

.DEFAULT_GOAL := help
SHELL := /bin/bash
PREFIX ?= /usr/local
DESTDIR ?=

# Swift: whichever is on PATH, else the usual place of an unpacked toolchain.
SWIFT ?= $(shell command -v swift 2>/dev/null || echo /opt/swift/usr/bin/swift)

# Debian packages: the library itself needs the first two, tests and benchmarks compare with lua5.4, a
# test counts instructions under valgrind, another loads modules. PEERS are for benchmarks only.
PACKAGES := liblua5.4-dev liburing-dev lua5.4 valgrind \
  lua-cjson lua-filesystem lua-lpeg lua-penlight lua-socket
PEERS := golang-go erlang-base luajit lua-cqueues lua-luv tarantool

# What `make bench` may be told: ONLY=yield,ring measures those, RUNS=9 more often, JSON=file.
ONLY ?=
RUNS ?= 5
JSON ?=
BENCH := $(if $(ONLY),--only=$(ONLY)) --runs=$(RUNS) .build/release/lwkt-lua .build/bench

RELEASE := -c release --static-swift-stdlib
TEXTS := $(wildcard /usr/share/common-licenses /usr/share/doc)
SOURCES := Sources Tests Package.swift

# The sanitizers say themselves where a fault was; Swift's own handler would come between.
SANITIZED := env SWIFT_BACKTRACE=enable=no LWKT_TEST_PATIENCE=10
# What Lua asks for and nobody has is an error in Lua there too.
TSAN := TSAN_OPTIONS="allocator_may_return_null=1 halt_on_error=0 second_deadlock_stack=1 \
  suppressions=$(CURDIR)/Tests/Sanitizers/thread.supp"
ASAN := ASAN_OPTIONS="allocator_may_return_null=1 detect_stack_use_after_return=0 abort_on_error=0" \
  LSAN_OPTIONS="print_suppressions=0 \
  suppressions=$(CURDIR)/Tests/Sanitizers/leak.supp"

.PHONY: help setup build run test docs docc bench bench-peers bench-growth tsan asan format lint
.PHONY: bomb counts counts-renew soak install install-files uninstall clean

help: ## show this
	@echo "make ..."
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

setup: ## install what is missing (Debian packages, by apt)
	@command -v $(SWIFT) >/dev/null || { \
	  echo "Swift 6.2 or later is needed: https://www.swift.org/install/linux/" >&2; exit 1; }
	@missing=; for package in $(PACKAGES); do \
	  dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q 'ok installed' \
	    || missing="$$missing $$package"; \
	done; \
	if [ -n "$$missing" ]; then \
	  as_root=; [ "$$(id -u)" = 0 ] || as_root=sudo; \
	  $$as_root apt-get update && \
	  $$as_root env DEBIAN_FRONTEND=noninteractive \
	    apt-get install -y --no-install-recommends $$missing; \
	fi

build: setup ## build the command for use, in .build/release
	$(SWIFT) build $(RELEASE) --product lwkt-lua
	@nm -D --defined-only .build/release/lwkt-lua | grep -q ' lua_pushinteger$$' || { \
	  echo "C modules would not find Lua in .build/release/lwkt-lua: see link/ld" >&2; exit 1; }
	@! nm .build/release/lwkt-lua | grep -q RegexParser || { \
	  echo "Swift's regular expressions are linked in and slow the start: find who uses" \
	    "String.contains(String) or its like (nm -u shows 17_StringProcessing)" >&2; exit 1; }

run: build ## count the words in this machine's documentation, a thread for each file
	.build/release/lwkt-lua scripts/wordcount.lua $(TEXTS) </dev/null

lint: setup ## check the layout of the Swift sources
	$(SWIFT) format lint --strict --recursive --parallel $(SOURCES)

format: setup ## put the Swift sources into the committed layout
	$(SWIFT) format --in-place --recursive --parallel $(SOURCES)

test: lint ## lint, build, run all tests, count instructions
	$(SWIFT) build
	$(SWIFT) test
	$(MAKE) bomb counts

# Of the command that is used: only there Swift's runtime is linked in, and `--wrap` finds its calls.
bomb: build ## check that a program that takes all memory ends with a message
	@(ulimit -v 200000; .build/release/lwkt-lua --workers 1 -e \
	  'local t = {} while true do t[#t + 1] = lwkt.port() t[#t]:sendmsg(1) end' 2>&1) \
	  | grep -q '^lwkt: not enough memory' || { \
	  echo "Where Swift finds no memory the process crashes: see --wrap in link/ld" >&2; exit 1; }

docs: setup ## write the manual's reference and library/lwkt.lua from the help table
	$(SWIFT) build $(RELEASE) --product lwkt-docs
	.build/release/lwkt-docs $(CURDIR)

# In a folder of its own, since symbol graphs are written while compiling. `docc` is the toolchain's.
DOCC ?= $(dir $(shell readlink -f $(SWIFT)))docc
docc: setup ## build the documentation of the Swift API, in .build-docc/LWKTLua.doccarchive
	mkdir -p .build-docc/symbols
	$(SWIFT) build --scratch-path .build-docc --target LWKTLua -Xswiftc -emit-symbol-graph \
	  -Xswiftc -emit-symbol-graph-dir -Xswiftc $(CURDIR)/.build-docc/symbols
	rm -f .build-docc/symbols/LWKTCore*
	$(DOCC) convert Sources/LWKTLua/LWKTLua.docc --warnings-as-errors \
	  --fallback-display-name LWKTLua --fallback-bundle-identifier lwkt-lua.LWKTLua \
	  --additional-symbol-graph-dir .build-docc/symbols \
	  --output-path .build-docc/LWKTLua.doccarchive

tsan: setup ## run all tests under the thread sanitizer
	$(SANITIZED) $(TSAN) $(SWIFT) test --sanitize=thread --scratch-path .build-tsan \
	  -Xlinker --wrap=__tsan_external_write

asan: setup ## run all tests under the address and leak sanitizers
	$(SANITIZED) $(ASAN) $(SWIFT) test --sanitize=address --scratch-path .build-asan

# How many seconds `make soak` takes, and on how many workers.
SOAK ?= 600
WORKERS ?= 2

soak: build ## do everything at once for SOAK=600 on WORKERS=2: nothing may fail, nothing grow
	LUA_PATH="Tests/lua/?.lua;;" .build/release/lwkt-lua --workers $(WORKERS) \
	  Tests/lua/stress/everything.lua $(SOAK) </dev/null

bench: build ## measure, next to C and the peers that are installed (ONLY=, RUNS=, JSON=file)
	lua5.4 scripts/bench/run.lua $(if $(JSON),--json) $(BENCH) $(if $(JSON),>$(JSON))

counts: build ## count the instructions of the hot paths; fails when one has grown by a tenth
	lua5.4 scripts/bench/counts.lua .build/release/lwkt-lua .build/bench

counts-renew: build ## write down what they take now
	lua5.4 scripts/bench/counts.lua --renew .build/release/lwkt-lua .build/bench

bench-growth: build ## how costs grow with threads and workers
	lua5.4 scripts/bench/growth.lua --runs=$(RUNS) .build/release/lwkt-lua

# Tarantool's package makes itself what `lua` starts, so that is put back.
bench-peers: ## install the peers to compare with (Debian packages, by apt)
	@as_root=; [ "$$(id -u)" = 0 ] || as_root=sudo; \
	before=$$(readlink -f /etc/alternatives/lua-interpreter); \
	$$as_root apt-get update && \
	$$as_root env DEBIAN_FRONTEND=noninteractive \
	  apt-get install -y --no-install-recommends $(PEERS) && \
	if [ -n "$$before" ] && [ "$$before" != "$$(readlink -f /etc/alternatives/lua-interpreter)" ]; then \
	  $$as_root update-alternatives --set lua-interpreter "$$before"; \
	fi

install: build install-files ## install into PREFIX, by default /usr/local; DESTDIR before it

# What is installed, without building: a test has it put another build's command in place.
BINARY ?= .build/release/lwkt-lua
SHARE = $(DESTDIR)$(PREFIX)/share
install-files:
	install -D -m 755 $(BINARY) $(DESTDIR)$(PREFIX)/bin/lwkt-lua
	install -d $(SHARE)/man/man1 $(SHARE)/lwkt-lua/examples
	sed 's|PREFIX|$(PREFIX)|' docs/lwkt-lua.1 >$(SHARE)/man/man1/lwkt-lua.1
	chmod 644 $(SHARE)/man/man1/lwkt-lua.1
	install -D -m 644 library/lwkt.lua $(SHARE)/lwkt-lua/library/lwkt.lua
	install -m 644 scripts/*.lua $(SHARE)/lwkt-lua/examples
	install -D -m 644 -t $(SHARE)/doc/lwkt-lua README.md LICENSE CHANGELOG.md docs/guide.md docs/manual.md
	install -D -m 644 scripts/completion/lwkt-lua.bash $(SHARE)/bash-completion/completions/lwkt-lua
	install -D -m 644 scripts/completion/_lwkt-lua $(SHARE)/zsh/site-functions/_lwkt-lua

uninstall: ## remove what install has put there
	rm -f $(DESTDIR)$(PREFIX)/bin/lwkt-lua $(SHARE)/man/man1/lwkt-lua.1
	rm -f $(SHARE)/bash-completion/completions/lwkt-lua $(SHARE)/zsh/site-functions/_lwkt-lua
	rm -rf $(SHARE)/lwkt-lua $(SHARE)/doc/lwkt-lua

clean: ## remove all that was built
	rm -rf .build .build-docc .build-tsan .build-asan

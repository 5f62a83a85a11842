# Everything here runs from a fresh clone: Go fetches the pinned tools, npm the SDK test's packages.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.NOTPARALLEL:
.PHONY: build run test check fmt vet lint unit race sdk faults fuzz conformance bench microbench bench-compare cover docs

# Each can be given: make fuzz FUZZTIME=5m, make microbench BENCH=Mask COUNT=10, make faults FAULT=R15, make run ARGS='--loops 2'.
FUZZTIME ?= $(if $(CI),3s,30s)
BENCH    ?= .
COUNT    ?= 6
FAULT    ?= R
ARGS     ?=

build:
	go build -trimpath -o bin/edge ./cmd/edge

# Without a flag edge serves in development mode: clients on port 8000, operators on 9000, loopback only.
run: build
	exec bin/edge $(value ARGS)

# Everything that must pass, with all its set-up.
test: check sdk $(if $(CI),fuzz)

check: fmt vet lint unit race

fmt:
	@files=$$(gofmt -l .); test -z "$$files" || { printf 'not in the form of gofmt:\n%s\n' "$$files" >&2; exit 1; }

vet:
	go vet ./...
	go vet -tags faults ./test/faults/...
	go -C bench/peers vet ./...

# The tools are this module's, so that the peers', which is another, has none.
lint:
	go tool staticcheck ./...
	go tool staticcheck -tags faults ./test/faults/...
	go tool errcheck -ignoretests ./...
	staticcheck=$$(go tool -n staticcheck) errcheck=$$(go tool -n errcheck); cd bench/peers; $$staticcheck ./...; $$errcheck -ignoretests ./...
	git ls-files -z --cached --others --exclude-standard -- '*.go' '*.md' '*.mjs' Makefile | xargs -0 go tool misspell -error

# The tests that the race detector changes, without it: all others do the same in race. Those that run at the same time wait for
# times and need little of a CPU. Vet has looked already.
unit:
	go test -vet=off -timeout 30m -parallel 8 $$(go run ./test/aside)

race:
	go test -vet=off -timeout 30m -parallel 8 -race ./...
	go -C bench/peers test -vet=off -race ./...

# docs/configuration.md is printed by the program itself; a test compares.
docs: build
	bin/edge configdoc >docs/configuration.md

# The official JavaScript clients, of Socket.IO too, against the real server. Only CI insists on Node.js.
ifneq ($(shell command -v npm 2>/dev/null),)
sdk: test/sdk/node_modules
	go build -race -o bin/edge-race ./cmd/edge
	go build -race -o bin/sdk-application ./test/sdk/application
	go build -race -o bin/socketio-conformance ./examples/socketio-conformance
	go build -race -o bin/socketio-application ./test/sdk/socketio/application
	go build -race -o bin/socketio-chat ./examples/chat
	cd test/sdk && SDK_BINARY=$(CURDIR)/bin/edge-race SDK_APPLICATION=$(CURDIR)/bin/sdk-application \
		SOCKETIO_CONFORMANCE=$(CURDIR)/bin/socketio-conformance SOCKETIO_APPLICATION=$(CURDIR)/bin/socketio-application \
		SOCKETIO_CHAT=$(CURDIR)/bin/socketio-chat npm test
else ifneq ($(CI),)
sdk:
	@echo 'the SDK test needs Node.js 20.10 or newer, with npm' >&2; exit 1
else
sdk:
	@echo 'SKIPPED: the SDK test needs Node.js 20.10 or newer, with npm'
endif

test/sdk/node_modules: test/sdk/package-lock.json
	npm ci --prefix test/sdk --ignore-scripts --no-audit --no-fund
	touch $@

# What docs/faults.md lists, against real processes: some ten minutes, as root. Not a part of test.
faults:
	@for tool in strace ip prlimit; do \
		command -v $$tool >/dev/null || { echo "the fault tests need $$tool: apt-get install strace iproute2 util-linux" >&2; exit 1; }; \
	done
	go test -tags faults -count 1 -timeout 60m -v -run 'Test$(FAULT)' ./test/faults

# A target whose time ends in the middle of an input says "context deadline exceeded" and fails, though it has found
# nothing: go test has that from the clock, not from the target. So it has where the time ends while an input that is of
# interest is made smaller, which takes a minute unless it is bounded. Each package is built once, for all its targets.
fuzz:
	@mkdir -p bin; cache=$$(go env GOCACHE)/fuzz; module=$$(go list -m); \
	git grep --untracked -l '^func Fuzz' -- '*_test.go' | xargs -n 1 dirname | sort -u | while read -r pkg; do \
		go test -c -vet=off -fuzz . -o $(CURDIR)/bin/fuzz.test "./$$pkg" </dev/null; \
		sed -n 's/^func \(Fuzz[[:alnum:]_]*\)(.*/\1/p' "$$pkg"/*_test.go | while read -r target; do \
			found=$$(cd "$$pkg" && $(CURDIR)/bin/fuzz.test -test.run '^$$' -test.fuzz "^$$target\$$" -test.fuzztime $(FUZZTIME) \
				-test.fuzzminimizetime 10x -test.fuzzcachedir "$$cache/$$module/$$pkg" </dev/null 2>&1) || \
				{ grep -qx ' *context deadline exceeded' <<<"$$found" && ! grep -q 'Failing input' <<<"$$found"; } || \
				{ printf '%s\n' "$$found" >&2; exit 1; }; \
			echo "$$target in ./$$pkg: $$(tail -1 <<<"$$found")"; \
		done; \
	done; rm -f bin/fuzz.test

conformance:
	go test -v -run Conformance ./server

# The whole server beside a bare loop on raw system calls and servers with other libraries, in turns: the ratios of
# BENCHMARKS.md. Some 15 minutes; make bench ARGS='--rounds 1 --duration 1s --servers "^(baseline|edge)$"' is shorter.
bench:
	go run ./bench/compare $(value ARGS)

BENCHMARK = go test -run '^$$' -bench '$(BENCH)' -benchmem

# Single functions.
microbench:
	$(BENCHMARK) -count $(COUNT) ./...

# This tree against the revision BASE, in turns, so that both meet the machine in the same moods: single functions, or
# with CONTESTS=regexp the whole server in those contests of bench.
bench-compare:
	@test -n "$(BASE)" || { echo 'usage: make bench-compare BASE=rev [BENCH=regexp] [COUNT=n] or BASE=rev CONTESTS=regexp [ARGS=...]' >&2; exit 2; }
	mkdir -p bin; rm -f bin/base.txt bin/this.txt
	base=$$(mktemp -d); trap 'rm -rf "$$base"; git worktree prune' EXIT; \
	git worktree add --quiet --detach "$$base" "$(BASE)"; \
	if [[ -n '$(CONTESTS)' ]]; then \
		go -C "$$base" build -o "$$base/edge-base" ./cmd/edge; \
		go run ./bench/compare --base "$$base/edge-base" --servers '^(base|edge)$$' --only '$(CONTESTS)' $(value ARGS); \
		exit; \
	fi; \
	for ((i = 0; i < $(COUNT); i++)); do \
		(cd "$$base" && $(BENCHMARK) ./...) >>bin/base.txt; $(BENCHMARK) ./... >>bin/this.txt; \
	done; \
	go tool benchstat base=bin/base.txt this=bin/this.txt

cover:
	@mkdir -p bin
	go test -coverpkg ./... -coverprofile bin/cover.out ./...
	go tool cover -func bin/cover.out | tail -n 1

# What the project can do with itself. `make help` lists the targets.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.NOTPARALLEL:

VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
# Static, without a C library, and with the time zones inside.
STATIC      := CGO_ENABLED=0 go build -trimpath -tags timetzdata -ldflags '-s -w -X main.version=$(VERSION)'
IMAGE_ROOT  ?= build/root
PARALLEL    ?= 2
# How long make long works at each of its parts.
FUZZTIME    ?= 5m
FUZZSHORT   ?= 1m
REPEAT      ?= 5
CANARIES    ?= 1000
KILLS       ?= 500
CUT_CALLS   ?= 100000
SOAK_CALLS  ?= 1000000
CRASHES     ?= 500
FLOOD       ?= 100000
URLS        ?= 1000000
QUOTINGS    ?= 1000000
JUDGEMENTS  ?= 20000
WRITES      ?= 10000
GITEA       ?= $(CURDIR)/.tools/gitea

TOOLS_LOCK  := test/tools/package-lock.json
GO_SOURCES  := cmd internal test bench

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## start Drawbridge with zero configuration
	go run ./cmd/drawbridge serve

.PHONY: build
build: ## build bin/drawbridge, static
	$(STATIC) -o bin/drawbridge ./cmd/drawbridge

# ---- Tests ----

# The last step prints last, so that its lines close the output.
.PHONY: test
test: deps tools check race outside ## everything CI runs; installs what the tests need

.PHONY: check
check: ## quick checks without tests of behaviour: format, vet, house rules
	@unformatted=$$(gofmt -l $$(for d in $(GO_SOURCES); do [ -d $$d ] && echo $$d; done)); \
	if [ -n "$$unformatted" ]; then echo "not gofmt-clean:"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	cd bench/mcpbench && go vet ./... && go test ./...
	go test ./internal/archtest

.PHONY: race
race: ## the program's own tests, with the race detector
	go test -race -count=1 -p $(PARALLEL) -timeout 30m ./cmd/... ./internal/...

# Without the race detector, which would change what is counted; one package at
# a time, because each starts programs that want the machine for themselves.
.PHONY: outside
outside: ## tests against the binary and real MCP programs, and the gates on bytes and allocations
	go test -count=1 -run TestClickIsFaster ./internal/servers/puppeteer
	go test -count=1 -run TestCycles_ofAProcess ./internal/gatewaytest
	go test -count=1 -p 1 -timeout 30m ./test/...

.PHONY: golden
golden: ## write recorded results anew; read the difference before you commit it
	@for dir in $$(grep -rlE --include='*_test.go' 'flag.Bool\("update"|servers/kittest"' internal test cmd | xargs -r -n1 dirname | sort -u); do \
		echo "go test ./$$dir -update"; go test -count=1 "./$$dir" -update; done

.PHONY: lint
lint: ## golangci-lint with .golangci.yml (built from source on first use)
	go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0 run ./...

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (5m) or FUZZSHORT (1m), as many at once as there are processors
	scripts/fuzz $(FUZZTIME) $(FUZZSHORT)

.PHONY: bench
bench: deps tools ## compare with a plain reverse proxy; fails where a ratio is not met
	@mkdir -p build
	go test -count=1 -timeout 60m -run '^$$' -bench . -benchtime 1x ./test/speed $(BENCHFLAGS) | tee build/bench.txt

.PHONY: long
long: deps tools fuzz ## what takes an hour: fuzzing, a million calls, more kills, repeated race runs, the comparison
	go test -race -short -count=$(REPEAT) -p $(PARALLEL) -timeout 1h ./internal/backend/... ./internal/gateway/... ./internal/endpoint/...
	go test -race -count=1 -timeout 1h -run T12_canaries ./internal/gatewaytest -canary.calls $(CANARIES)
	go test -count=1 -timeout 1h -run TestCalls ./internal/gatewaytest -once.calls $(CUT_CALLS) -v
	go test -count=1 -timeout 1h -run TestDurability ./internal/store -kills $(KILLS)
	go test -count=1 -timeout 1h ./test/durability -crashes $(CRASHES) -v
	go test -count=1 -timeout 1h -run A15_flood ./internal/oauth/register -flood $(FLOOD)
	go test -count=1 -timeout 1h -run A1_redirects ./internal/oauth -urls $(URLS)
	go test -count=1 -timeout 1h ./internal/servers/ssh/command -run 'Quote_realShell|Judge_realShells' -quotings $(QUOTINGS) -judgements $(JUDGEMENTS)
	go test -count=1 -timeout 2h -run TestStory ./internal/servers/forgejo -gitea $(GITEA) -v
	go test -count=1 -timeout 1h -run 'TestKilled$$' ./internal/servers/memory -memory.writes $(WRITES) -v
	go test -count=1 -timeout 2h ./test/mutation -all
	go test -count=1 -timeout 1h -run TestSoak ./test/speed -calls $(SOAK_CALLS) -v
	$(MAKE) bench

# ---- What the tests need ----

.PHONY: deps
deps: ## install Debian packages that the tests use and the machine lacks
	@scripts/deps

.PHONY: tools
tools: .tools/stamp .tools/bin/everything-server ## install the real MCP programs of the tests into .tools/

.tools/stamp: test/tools/package.json $(TOOLS_LOCK)
	@mkdir -p .tools/bin
	cp test/tools/package.json $(TOOLS_LOCK) .tools/
	cd .tools && npm ci --ignore-scripts --omit-lockfile-registry-resolved --no-audit --no-fund --loglevel=error
	ln -sfn ../node_modules/.bin/node .tools/bin/node
	touch $@

.tools/bin/everything-server: go.mod
	@mkdir -p .tools/bin
	go build -o $@ github.com/modelcontextprotocol/go-sdk/conformance/everything-server

# ---- Image ----

.PHONY: image-root
image-root: ## assemble the image's root file system in IMAGE_ROOT (build/root)
	scripts/image-root $(IMAGE_ROOT)
	$(STATIC) -o $(IMAGE_ROOT)/usr/bin/drawbridge ./cmd/drawbridge

.PHONY: clean
clean: ## remove what was built and installed
	rm -rf bin build .tools

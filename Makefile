# Everything here needs Go and nothing else. `make help` lists what there is.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

GOLANGCI_VERSION := v2.15.0
TAGS := nobadger,nomysql,nopgx
# How long make faults runs each shape of a fleet; SEED repeats a run.
DURATION ?= 2m

# Without cgo the server and the tests share one build cache; only the race
# detector needs it.
export CGO_ENABLED ?= 0

# What is run with the race detector: all that starts goroutines of its own, with
# few cases of each property. The pure ones have none: many cases of them run
# without it, ten times as fast. State machines take long for each case.
RACED := ./miroircore/... ./caddymodule/... ./test/integration/...
MACHINES := ./miroircore/index/... ./miroircore/state/... ./miroircore/task/... ./miroircore/write/...
list = $$(go list $(1) | grep -vxF -f <(go list $(2)))

.PHONY: help
help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## make bin/miroir: Caddy with Miroir, from the pins of xcaddy.json
	go run ./deploy/build

.PHONY: demo
demo: build ## start four nodes and Miroir, load Go's documentation, lose a node; leaves it running
	go run ./test/demo

.PHONY: test
test: build ## run all tests, the concurrent ones with the race detector
	RAPID_CHECKS=64 CGO_ENABLED=1 go test -race -tags $(TAGS) -timeout 15m $(RACED)
	RAPID_CHECKS=1024 go test -tags $(TAGS) -timeout 15m $(call list,./...,$(MACHINES) ./caddymodule/... ./test/integration/...)

.PHONY: faults
faults: build ## run faults on real processes for DURATION a shape, the state machines and fault tests for longer
	go run ./test/faults -for $(DURATION) -json bin/faults.json $(if $(SEED),-seed $(SEED))
	RAPID_CHECKS=1024 CGO_ENABLED=1 go test -race -tags $(TAGS) -timeout 120m -count 1 $(MACHINES)
	CGO_ENABLED=1 go test -race -tags $(TAGS) -timeout 60m -count 5 ./test/integration/...

.PHONY: bench
bench: build ## print the figures that have targets; some need MEILISEARCH_BIN
	go run ./test/bench

.PHONY: parity
parity: ## compare fleets with one real server, query by query, and print the table; needs MEILISEARCH_BIN
	@test -n "$${MEILISEARCH_BIN:-}" || { echo "parity: MEILISEARCH_BIN must name a real Meilisearch"; exit 1; }
	go test -count 1 -v -timeout 30m ./test/parity

.PHONY: fuzz
fuzz: ## fuzz the Caddyfile for a minute
	@go test -list FuzzCaddyfile ./caddymodule | grep -q '^FuzzCaddyfile$$'
	go test -tags $(TAGS) -run '^$$' -fuzz '^FuzzCaddyfile$$' -fuzztime 1m ./caddymodule

.PHONY: lint
lint: bin/tools/golangci-lint-$(GOLANGCI_VERSION) ## check formatting, style and the project's own rules
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); exit 1; }
	go vet -tags $(TAGS) ./...
	$< run --build-tags $(TAGS) ./...
	go mod tidy -diff
	go test -count 1 .

bin/tools/golangci-lint-$(GOLANGCI_VERSION):
	GOBIN=$(CURDIR)/bin/tools go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv bin/tools/golangci-lint $@

.PHONY: fmt
fmt: ## format Go files and the example Caddyfile
	gofmt -w $$(git ls-files '*.go')
	bin/miroir fmt --overwrite Caddyfile.example

.PHONY: golden
golden: ## write what the good Caddyfile fixtures adapt to into them
	go test ./caddymodule -run TestGoodCaddyfiles -update

.PHONY: clean
clean: ## remove what was built
	rm -rf bin dist demo-data

# Rapport. `make` lists what there is.

GO ?= go
BIN := bin/rapport
DATA ?= data

.DEFAULT_GOAL := help
.PHONY: help build run demo test check lint schema bench redis clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/rapport
	$(GO) build -o $(BIN) ./cmd/rapport

run: build ## serve on 127.0.0.1:8080 with everything embedded, data in ./data
	$(BIN) serve --data $(DATA)

demo: build ## serve a generated population and print what to look at
	$(BIN) demo

test: redis ## run all tests with the race detector (installs redis-server if it may)
	$(GO) test -race -timeout 20m ./...

check: ## formatting, vet, the linter's rules
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "not formatted:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	$(GO) test ./internal/lint
	$(GO) mod verify

schema: ## write the JSON Schemas of the events again
	$(GO) test ./eventschema -run TestSchemas -update

bench: redis ## measure: appends, projections, rebuild, import, restart
	$(GO) test -run '^$$' -bench . -benchtime 2s ./...

redis:
	@command -v redis-server >/dev/null || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			echo "installing redis-server, which the tests start for themselves"; \
			apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server >/dev/null; \
		else \
			echo "redis-server is missing: the tests start their own. Install it (Debian: sudo apt-get install redis-server) and run make again."; exit 1; \
		fi; }

clean: ## remove what was built
	rm -rf bin

# A thin list: what is longer than a line lives in scripts/ or in Rust. `make help` says what there is.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup fmt lint deny test test-long demo bench bench-large bench-bills bench-hotkey bench-guard bench-refresh stack stack-down bench-exports bench-matching

# Tools that setup installs are found even where the toolchain's folder is not on the path.
export PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin

LARGESSE := cargo run --quiet --release -p largesse --bin largesse --
# The tests' files lie in memory where there is room.
WITH_SERVERS := TMPDIR=$$(scripts/tests-folder.sh) target/debug/testkit run --no-fsync --with postgres,redis,rabbitmq --

help: ## what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1\t/' | expand -t 12

setup: ## install what is missing on a Debian 12 machine with a Rust toolchain
	@scripts/setup.sh test

fmt: ## format every crate
	cargo fmt --all

lint: ## format check and clippy alone, warnings denied: quicker than `make test`, which does the same while it compiles
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

deny: ## licences, bans and sources of every package
	@echo "deny: advisories need a network and are skipped"
	cargo deny check --hide-inclusion-graph bans licenses sources

# Cheap and quick to fail first: format, packages, house rules; then servers and suites. Whatever is compiled here is
# linted first, warnings denied (scripts/rustc-with-lints.sh).
test: setup ## everything CI runs: format, deny, tidy, clippy, and every suite with private servers
	cargo fmt --all --check
	@$(MAKE) --no-print-directory deny
	cargo clippy --version
	cargo nextest run -p tidy
	cargo nextest run --workspace --no-run
	$(WITH_SERVERS) cargo nextest run --workspace
	@grep -rHoE --include='*.rs' '#\[ignore = "[^"]*' libs services chaos loadtest | sed -E 's/:#\[ignore = "/ skips: /'
	cargo test --workspace --doc

# A test of statements at hand needs a folder of them.
AT_HAND := $(if $(LARGESSE_TEST_STATEMENTS),,-E 'not test(every_file_at_hand_gives_what_it_must)')
test-long: export LARGESSE_TEST_LONG := 1
test-long: setup ## the same suites at full counts and durations
	cargo nextest run --workspace --no-run
	$(WITH_SERVERS) cargo nextest run --workspace --profile long --run-ignored all $(AT_HAND)

demo: ## build, start everything embedded, replay the shipped sample, report
	@scripts/setup.sh build
	rm -rf target/demo
	mkdir -p target/demo
	$(LARGESSE) demo --data-dir target/demo --json target/demo/report.json

bench: setup ## figures beside their yardsticks, in target/bench/report.json: embedded, and on a durable PostgreSQL
	mkdir -p target/bench
	cargo build --release -p largesse -p testkit
	target/release/testkit run --with postgres,rabbitmq -- sh -c \
		'target/release/largesse bench --database "$$LARGESSE_TEST_DATABASE_URL" --amqp "$$LARGESSE_TEST_AMQP_URL" \
			--runs 5 --pipeline-seconds 120 --out target/bench/report.json'

bench-large: setup ## the wallet and finance's pages at 50 million entries beside empty tables; needs 40 GB of disk and half an hour
	mkdir -p target/bench
	cargo build --release -p largesse -p testkit
	target/release/testkit run --with postgres -- sh -c \
		'target/release/largesse bench --large --database "$$LARGESSE_TEST_DATABASE_URL" \
			--runs 5 --seconds 10 --out target/bench/large.json'

bench-refresh: ## libs/refresh beside its anchors, on a durable PostgreSQL and a Redis
	cargo build --release -p testkit
	CARGO_TARGET_DIR=target/benches target/release/testkit run --with postgres,redis -- \
		cargo bench --manifest-path libs/refresh/benches/Cargo.toml

bench-bills: ## a trade bill of a million rows beside the csv crate reading the same bytes into string records
	cargo bench --manifest-path libs/bills/benches/Cargo.toml --target-dir target/bench-bills

bench-guard: ## guard beside tower-resilience and governor, then its limit under three times a node's capacity
	cargo bench --manifest-path libs/guard/benches/Cargo.toml --target-dir target/bench-guard

bench-hotkey: export CARGO_TARGET_DIR := $(CURDIR)/target/bench-hotkey
bench-hotkey: ## hot keys beside heavykeeper, quick_cache, moka and redis-rs's own cache, on a private Redis
	CARGO_TARGET_DIR=target cargo build -p testkit
	target/debug/testkit run --with redis -- cargo bench --manifest-path libs/hotkey/benches/Cargo.toml

bench-exports: ## a million rows as XLSX, CSV, Parquet and plain-text books beside the crate csv; fails above 200 MB for XLSX
	cargo bench --manifest-path libs/exports/benches/Cargo.toml --target-dir target/bench-exports
bench-matching: export MATCHING_BENCH_FOLDER := $(CURDIR)/target/bench-matching/files
bench-matching: export MATCHING_BENCH_PYTHON := $(CURDIR)/target/bench-matching/python/bin/python3
bench-matching: ## matching beside PostgreSQL's full outer join and pandas' merge; ROWS=1000000 for a short trial
	@scripts/setup.sh servers
	libs/matching/benches/python.sh target/bench-matching/python
	cargo build --release -p testkit
	CARGO_TARGET_DIR=target/bench-matching target/release/testkit run --with postgres -- \
		cargo bench --manifest-path libs/matching/benches/Cargo.toml -- --rows $(or $(ROWS),10000000)

stack: ## every service as a process of its own, on private PostgreSQL, Redis and RabbitMQ, in target/stack
	@scripts/setup.sh servers
	cargo build --release --workspace --bins
	target/release/stack up

stack-down: ## end exactly what `make stack` started
	target/release/stack down

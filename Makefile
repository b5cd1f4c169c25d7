# Everything a person runs by hand. `make` alone lists the targets.
.DEFAULT_GOAL := help
.PHONY: help setup setup-test demo test lint docs bench bench-frame bench-gallery bench-enrolled bench-street bench-growth bench-gate bench-crowd

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## system packages, models, media, ONNX Runtime (first time: some minutes; later: a second); WITH="csrnet openvino": those too
	@tools/setup/setup.sh $(foreach name,$(WITH),--with $(name))

setup-test: ## the same, and what the tests need (a browser, every model, OpenVINO)
	@tools/setup/setup.sh --with-tests

demo: setup ## the whole product on simulated cameras, until Ctrl-C (DEMO_SECONDS=60 ends it, and checks it)
	@echo "demo: building gatehouse (the first time about 10 minutes on two cores, later seconds)"
	@cargo build --locked --workspace --bins
	@exec "$${CARGO_TARGET_DIR:-target}/debug/gatehouse" demo

test: setup-test ## all tests, on real RTSP, zenoh, models and a browser (the first time about 20 minutes on two cores)
	@python3 -B -m unittest discover --quiet --start-directory tools/setup
	cargo test --locked --workspace --doc
	cargo test --locked --workspace --lib --bins --tests

lint: ## formatting and clippy, warnings are errors
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

docs: ## the API documentation, warnings are errors
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps

# What is compared with, in an environment of its own.
define peers
	@tools/setup/setup.sh --with-peers
	@target/bench-peers/bin/python -c 'import gi' 2>/dev/null || /usr/bin/python3 -m venv --clear --system-site-packages target/bench-peers
	@target/bench-peers/bin/python -m pip install --quiet --disable-pip-version-check --requirement benches/peers/requirements.txt
endef

bench: ## how many cameras this machine serves, beside the bound and a Python service (about 15 minutes; GATEHOUSE_BENCH_QUICK=1: 3)
	$(peers)
	GATEHOUSE_BENCH_PYTHON=target/bench-peers/bin/python cargo bench --locked --workspace --profile dev --bench capacity

bench-frame: setup ## how long a frame takes, stage by stage
	cargo bench --locked --workspace --profile dev --bench frame_path

bench-gallery: ## the search of the gallery beside faiss and usearch, in one run on one thread (about 5 minutes)
	$(peers)
	GATEHOUSE_BENCH_PYTHON=target/bench-peers/bin/python cargo bench --locked --workspace --profile dev --bench gallery

bench-enrolled: setup ## what 100,000 enrolled people cost a node: memory, start, search, changes (about 2 minutes)
	cargo bench --locked --workspace --profile dev --bench enrolled

bench-street: setup ## 81 crowd cameras of a street office on this machine, for ten minutes
	cargo bench --locked --workspace --profile dev --bench street_office

bench-growth: setup ## what a node grows by: with each camera, up to 100, and in a day's frames (about 15 minutes)
	cargo bench --locked --workspace --profile dev --bench growth

bench-gate: setup ## how long a resident waits at a gate, stage by stage (about 10 minutes)
	cargo bench --locked --workspace --profile dev --bench gate_latency

bench-crowd: setup ## what a crowd camera costs that is looked at once a second (about 5 minutes)
	cargo bench --locked --workspace --profile dev --bench crowd_cost

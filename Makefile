# Everything a person runs by hand. `make` alone lists the targets.
.DEFAULT_GOAL := help
.PHONY: help setup setup-test

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## system packages, models, media, ONNX Runtime (first time: some minutes; later: a second)
	@tools/setup/setup.sh

setup-test: ## the same, and what the tests need (a browser)
	@tools/setup/setup.sh --with-tests

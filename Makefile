# `make run` starts the studio, `make test` checks everything; both make their own .venv first.
# Another Python: PYTHON=/path/to/python make run. Arguments of the command: make run ARGS="serve --port 0".
BIN := .venv/bin
ARGS ?=
TESTS ?=
# Files of tests that run at a time: two to four, and one core less, since engines and browsers need theirs.
WORKERS ?= $(shell python3 -c "import os; print(max(2, min(4, (os.cpu_count() or 2) - 1)))" 2>/dev/null || echo 2)
BENCH ?=
# What is installed for the tests: dev, or dev,lab (torch and what belongs to it, for tests/lab).
KIND ?= dev

.PHONY: help run test clients bench screenshot screenshots format clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Start the studio (the first time: install, fetch the starter model)
	@./start_linux.sh $(ARGS)

test: ## Check everything: lint, format, types, layers, tests (TESTS=tests/pure for some of them)
	@./scripts/venv.sh $(KIND)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n $(WORKERS) --dist loadfile $(TESTS)

clients: ## Install the programs that tests/clients drives: llm, LiteLLM, Node.js and npm packages
	@./scripts/venv.sh $(KIND)
	$(BIN)/python scripts/clients.py

bench: ## Measure what the house promises in numbers (BENCH="--quick startup" for some of it)
	@./scripts/venv.sh dev
	$(BIN)/python -m bench $(BENCH)

screenshot: ## Make the picture of the README anew
	@./scripts/venv.sh dev
	FABULA_SCREENSHOT=1 $(BIN)/pytest tests/web/test_screenshot.py

screenshots: ## Make the pictures of every room anew: docs/screenshots
	@./scripts/venv.sh dev
	FABULA_SCREENSHOTS=1 $(BIN)/pytest tests/web/test_screenshots.py

format: ## Put the source and the generated parts of docs/ into the house's format
	@./scripts/venv.sh dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python scripts/docs.py

clean: ## Remove .venv and everything that was built here (never the home folder with your chats)
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find fabula tests bench scripts -name __pycache__ -type d -prune -exec rm -rf {} +

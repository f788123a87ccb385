.DEFAULT_GOAL := help
.PHONY: run test lint pytest bench soak lock messages help

PORT ?= 8000

run: ## start a demonstration with its own model: http://127.0.0.1:8000 (PORT=9000 for another port)
	@scripts/setup run
	@.venv/bin/hegui serve --demo --port $(PORT)

test: lint pytest ## every check and every test, as continuous integration runs them

lint: ## style, types and the floors of the house
	@scripts/setup test
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports

pytest: ## the tests alone, on Python 3.13 too if it is here
	@scripts/setup test
	@scripts/system chromium fonts ffmpeg exiftool
	@scripts/pytest

bench: ## measure the ledger, the gateway beside nginx and LiteLLM, and the labels (about ten minutes); see docs/bench.md
	@scripts/setup run
	@scripts/setup bench
	@scripts/system cc nginx ffmpeg exiftool
	.venv/bin/python -m bench.ledger
	.venv/bin/python -m bench.register
	.venv/bin/python -m bench.gateway
	.venv/bin/python -m bench.labels

soak: ## the tests with long counts (hours)
	@scripts/setup test
	.venv/bin/pytest -m soak --timeout=0

lock: ## resolve pyproject.toml into requirements/*.lock again
	@scripts/setup test
	@scripts/lock

messages: ## extract the messages, keep their Chinese, compile; prints those without
	@scripts/setup test
	@.venv/bin/python scripts/messages.py

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 16

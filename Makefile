# make demo   sets up and runs the whole loop on this machine
# make test   sets up and passes the tests
# Both need Python 3.11 to 3.13, make, and the package registries the first time.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
SCENARIO ?= flights

.PHONY: demo test lint format setup clean bench

demo: $(READY)
	@$(BIN)/loop demo --scenario $(SCENARIO)

test: $(READY)
	@$(BIN)/python -m pytest -n auto --dist loadgroup

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(READY)
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

setup: $(READY)

$(READY): pyproject.toml requirements.txt requirements-local.txt requirements-dev.txt scripts/setup.py
	@$(PYTHON) scripts/setup.py $(VENV)
	@touch $@

clean:
	@rm -rf $(VENV) .local

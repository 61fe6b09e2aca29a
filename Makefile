# make demo   sets up and runs the whole loop on this machine
# make test   sets up and passes the tests
# Both need Python 3.11 to 3.13, make, and the package registries the first time.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
SCENARIO ?= flights

.PHONY: demo test test-spark lint format setup clean bench fuzz

demo: $(READY)
	@$(BIN)/loop demo --scenario $(SCENARIO)

# The whole loop is tried apart from the rest: it measures latencies, and a busy machine has none.
test: $(READY)
	@$(BIN)/python -m pytest -n auto --dist loadgroup -m "not loop"
	@$(BIN)/python -m pytest -n 2 --dist loadgroup -m loop

fuzz: $(READY)
	@RETRAIN_LOOP_FUZZ=$${RETRAIN_LOOP_FUZZ:-20000} $(BIN)/python -m pytest -q -s tests/fuzz

# Spark is half a gigabyte and needs Java 17, so its tests are asked for by name.
test-spark: $(READY)
	@$(BIN)/python -m pip --disable-pip-version-check -q install -r requirements-spark.txt
	@$(BIN)/python -m pytest tests/spark

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

# --- figures: docs/benchmarks.md and docs/drift.md tell what they mean ---

PEERS := .local/peers

.PHONY: bench-peers bench-simulations

bench: $(READY)
	@$(BIN)/python bench/drift.py

bench-peers: $(READY) $(PEERS)/evidently/.ready $(PEERS)/nannyml/.ready
	@$(BIN)/python bench/drift.py --peers \
		evidently=$(PEERS)/evidently/bin/python nannyml=$(PEERS)/nannyml/bin/python

bench-simulations: $(READY)
	@$(BIN)/python bench/simulations.py

# Their pins exclude each other and ours, so each has an environment of its own.
$(PEERS)/%/.ready: bench/requirements-%.txt
	@$(PYTHON) -m venv $(PEERS)/$*
	@$(PEERS)/$*/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

# make demo   sets up and runs the whole loop on this machine
# make test   sets up and passes the tests
# Both need Python 3.11 to 3.13, make, and the package registries the first time.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
SCENARIO ?= flights

.PHONY: demo test test-parts .local/checked/all test-spark lint format setup clean bench fuzz package

demo: $(READY)
	@$(BIN)/loop demo --scenario $(SCENARIO)

# The whole loop is tried apart from the rest: it measures latencies, and a busy machine has none.
# What needs the package registries goes beside the other tests: much of it is waiting.
test: $(READY)
	@$(MAKE) --no-print-directory -j2 test-parts .local/checked/all
	@$(BIN)/python -m pytest -n 2 --dist loadgroup -m loop

# One worker more than processors: some tests wait for a process to hang, or to end.
test-parts: $(READY)
	@$(BIN)/python -m pytest -n $$(($$(nproc 2>/dev/null || sysctl -n hw.ncpu) + 1)) --dist loadgroup -m "not loop"

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

# The package that Azure runs, for each Python that is here: sizes, limits, and imports from it alone.
package: $(READY)
	@$(BIN)/python scripts/build_package.py

# What `make test` checks with the package registries' help: once, and again when its files change.
.local/checked/all: .local/checked/package .local/checked/infra

.local/checked/package: requirements.txt .funcignore host.json scripts/build_package.py | $(READY)
	@$(BIN)/python scripts/build_package.py --python $$($(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
	@mkdir -p $(@D) && touch $@

.local/checked/infra: $(wildcard infra/*.json infra/*.bicep infra/app/*.bicep infra/profiles/*.json requirements-infra.txt) | $(READY)
	@$(MAKE) --no-print-directory check-infra
	@mkdir -p $(@D) && touch $@

clean:
	@rm -rf $(VENV) .local

# --- figures: docs/benchmarks.md and docs/drift.md tell what they mean ---

PEERS := .local/peers

.PHONY: bench-audit bench-peers bench-simulations

bench: $(READY)
	@$(BIN)/python bench/drift.py

bench-peers: $(READY) $(PEERS)/evidently/.ready $(PEERS)/nannyml/.ready
	@$(BIN)/python bench/drift.py --peers \
		evidently=$(PEERS)/evidently/bin/python nannyml=$(PEERS)/nannyml/bin/python

bench-audit: $(READY)
	@$(BIN)/python -m bench.audit

bench-simulations: $(READY)
	@$(BIN)/python bench/simulations.py

# Their pins exclude each other and ours, so each has an environment of its own.
$(PEERS)/%/.ready: bench/requirements-%.txt
	@$(PYTHON) -m venv $(PEERS)/$*
	@$(PEERS)/$*/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

# --- infra/: docs/deploy.md; `make test` checks the Bicep itself, these need 300 MB of tools ---

INFRA_TOOLS := .local/infra-tools
CHECKOV     := CKV_AZURE_3,CKV_AZURE_14,CKV_AZURE_15,CKV_AZURE_34,CKV_AZURE_36,CKV_AZURE_43,CKV_AZURE_44,CKV_AZURE_70,CKV_AZURE_71,CKV_AZURE_72,CKV_AZURE_111,CKV_AZURE_145
CHECKOV_PRIVATE := CKV_AZURE_35,CKV_AZURE_42,CKV_AZURE_59,CKV_AZURE_109,CKV_AZURE_110,CKV_AZURE_182,CKV_AZURE_183,CKV_AZURE_189

.PHONY: infra-types check-infra

# Writes infra/azure-types.json anew: after a pin of requirements-infra.txt has changed.
infra-types: $(INFRA_TOOLS)/.ready
	@$(INFRA_TOOLS)/bin/python scripts/write_azure_types.py

# Holds infra/azure-types.json against the packages, the Bicep against checkov's check of secure
# parameters, and what two profiles compute, registry modules included, against chosen lists.
check-infra: $(READY) $(INFRA_TOOLS)/.ready $(INFRA_TOOLS)/checkov/.ready
	@$(INFRA_TOOLS)/bin/python scripts/write_azure_types.py --check
	@$(BIN)/loop deploy check
	@$(INFRA_TOOLS)/checkov/bin/checkov --directory infra --framework bicep --check CKV_AZURE_131 \
		--compact --quiet --skip-download
	@$(BIN)/loop deploy template $(INFRA_TOOLS)/prod.json --env prod
	@$(INFRA_TOOLS)/checkov/bin/checkov --file $(INFRA_TOOLS)/prod.json --framework arm \
		--check $(CHECKOV),$(CHECKOV_PRIVATE) --compact --quiet --skip-download
	@$(BIN)/loop deploy template $(INFRA_TOOLS)/dev.json --env dev
	@$(INFRA_TOOLS)/checkov/bin/checkov --file $(INFRA_TOOLS)/dev.json --framework arm \
		--check $(CHECKOV) --compact --quiet --skip-download

$(INFRA_TOOLS)/.ready: requirements-infra.txt
	@$(PYTHON) -m venv $(INFRA_TOOLS)
	@$(INFRA_TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

$(INFRA_TOOLS)/checkov/.ready:
	@$(PYTHON) -m venv $(INFRA_TOOLS)/checkov
	@$(INFRA_TOOLS)/checkov/bin/python -m pip install --quiet --disable-pip-version-check checkov==3.3.30
	@touch $@

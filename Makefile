# Every target brings its own virtual environment: a fresh clone needs Python 3.11 or later, make
# and git, nothing else.

VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTHONS := $(if $(PYTHON),$(PYTHON),python3 python3.13 python3.12 python3.11)

# Options for the program that a target runs, as in `make test ARGS="-k receive"`, and the endpoint
# of the DynamoDB for demonstration and benchmark.
ARGS ?=
ENDPOINT ?=
# How long the random simulations of `make deep` go on.
MINUTES ?= 60
# Where two processes pay: each has its own DynamoDB Local.
WORKERS ?= 2
PARALLEL := -n $(WORKERS) --dist worksteal

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(READY) ## Run the example: verify every installed file through a queue; ENDPOINT=http://… for DynamoDB
	$(BIN)/python -m docs.examples.installed_files $(if $(ENDPOINT),--endpoint-url $(ENDPOINT)) $(ARGS)

.PHONY: verify
verify: $(READY) ## Run every check; says at the end what ran, on which engine
	@MAKE='$(MAKE)' $(BIN)/python -m tests.support.verify \
		lint generated test model --beside typecheck docs

.PHONY: lint
lint: $(READY) ## Check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: format
format: $(READY) ## Fix style and formatting where a tool can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: typecheck
typecheck: $(READY) ## Check types strictly, in the tests too
	$(BIN)/mypy

.PHONY: generate
generate: $(READY) ## Regenerate spec/machine.json and everything else derived from the state machine
	$(BIN)/python spec/generate.py
	$(BIN)/python -m tests.test_wire

.PHONY: generated
generated: $(READY) ## Check that `make generate` would change nothing
	$(BIN)/python spec/generate.py --check

.PHONY: test
test: $(READY) ## Run the tests: unit, contract, integration; ARGS="-k receive" selects some
	$(BIN)/python -m pytest $(PARALLEL) tests $(ARGS)

.PHONY: test-unit
test-unit: $(READY) ## Run the tests that need no DynamoDB Local
	$(BIN)/python -m pytest -m "not dynamodb" tests $(ARGS)

.PHONY: model
model: $(READY) ## Run the model checks: simulation, exhaustive search, mutants; ARGS as for test
	$(BIN)/python -m pytest $(PARALLEL) model_tests $(ARGS)

.PHONY: deep
deep: $(READY) ## Nightly: random simulations with fresh seeds for MINUTES=60, mutants hunted anew, chaos
	DYNAMOMQ_MODEL=deep DYNAMOMQ_MODEL_MINUTES=$(MINUTES) \
		$(BIN)/python -m pytest $(PARALLEL) model_tests/test_random.py \
		model_tests/test_schedules.py model_tests/test_rules.py model_tests/test_pairs.py \
		model_tests/test_mutants.py -o faulthandler_timeout=0 $(ARGS)
	$(BIN)/python -m model_tests.chaos
	$(BIN)/python -m model_tests.chaos groups

.PHONY: chaos
chaos: $(READY) ## Run consumers while processes and the network fail (minutes); ARGS="--seed 7 --seconds 600"
	$(BIN)/python -m model_tests.chaos $(ARGS)

.PHONY: replay
replay: $(READY) ## Explain a simulated run step by step; ARGS="seed 1234", or what a failure report names
	$(BIN)/python -m model_tests.replay $(ARGS)

.PHONY: mutants
mutants: $(READY) ## Show which property catches each must-fail mutant; ARGS=name shows how
	$(BIN)/python -m model_tests.mutants $(ARGS)

.PHONY: docs
docs: $(READY) ## Build the documentation into docs/_build/html; warnings are errors
	$(BIN)/sphinx-build -q -E -W --keep-going -n -b html docs docs/_build/html

.PHONY: bench
bench: $(READY) ## Measure costs, times and contention; ENDPOINT as for demo, ARGS="counts reads" selects parts
	$(BIN)/python -m tests.benchmarks $(if $(ENDPOINT),--endpoint-url $(ENDPOINT)) $(ARGS)

.PHONY: dynamodb-local
dynamodb-local: $(READY) ## Run DynamoDB Local until Ctrl-C, for example for `make demo ENDPOINT=…`
	@$(BIN)/python -m tests.support.dynamodb_local

.PHONY: constraints
constraints: ## Update the pinned versions in constraints.txt
	@$(choose_python); \
	"$$python" -m venv --clear .verify/constraints; \
	.verify/constraints/bin/pip install --quiet --quiet --editable '.[dev]'; \
	{ head -n 2 constraints.txt; \
	  .verify/constraints/bin/pip freeze --exclude-editable; } > .verify/constraints.txt; \
	mv .verify/constraints.txt constraints.txt; \
	rm -r .verify/constraints

.PHONY: clean
clean: ## Remove everything the other targets made, including the virtual environment
	rm -rf $(VENV) .verify dynamomq-demo.db* docs/_build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# Sets the shell variable `python` to the first Python that is recent enough, or says what to do.
define choose_python
set -eu; python=; \
for candidate in $(PYTHONS); do \
	if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
		python=$$candidate; break; \
	fi; \
done; \
if [ -z "$$python" ]; then \
	echo "DynamoMQ needs Python 3.11 or later; tried: $(PYTHONS)." >&2; \
	echo "Install one, or name it: make PYTHON=/path/to/python3 …" >&2; \
	exit 1; \
fi
endef

$(READY): pyproject.toml constraints.txt
	@$(choose_python); \
	echo "Setting up $(VENV) with $$("$$python" --version) …"; \
	"$$python" -m venv --clear $(VENV); \
	$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[dev]'; \
	touch $(READY)

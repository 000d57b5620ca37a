# Two targets matter to a newcomer: `make demo` and `make test`. Both make .venv when it is missing.
# `make fuzz SECONDS=60 TARGETS="value frames"`, or `RUNS=1000000` in place of seconds: fuzz/README.md.

PYTHON ?= python3
VENV ?= .venv
PIP := $(VENV)/bin/pip --disable-pip-version-check
SECONDS ?= 60
export PYTHON VENV

.PHONY: demo test vectors other-numpy arm-vectors fuzz soak oracle lint format contracts-check prerequisites clean

demo: $(VENV)/.installed-demo
	$(VENV)/bin/swarmp2p demo $(DEMO)

test: $(VENV)/.installed-dev
	scripts/suite.sh

# The vectors again, from the implementation that knows the spec only, and the tables that count them.
vectors: $(VENV)/.installed-dev
	$(VENV)/bin/python interop-tests/mini/generate.py spec/vectors
	$(VENV)/bin/python spec/generate.py
	git --no-pager diff --stat -- spec

# The merge under the oldest NumPy that pyproject.toml allows, or NUMPY=2.0.2; docs/same-bits.md.
other-numpy:
	scripts/other_numpy.sh

# The vectors on an emulated ARM processor: Debian and its package qemu-user-static.
arm-vectors: $(VENV)/.installed-dev
	scripts/arm_vectors.sh

lint: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

format: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

fuzz: $(VENV)/.installed-dev
	$(VENV)/bin/python -m fuzz.run --seconds $(SECONDS) $(if $(RUNS),--runs $(RUNS)) $(TARGETS)

# What takes too long for `make test`: four node processes, fifty rounds of blocks of one second.
soak: $(VENV)/.installed-dev
	$(VENV)/bin/python benchmarks/ledger_rounds.py --rounds 50

contracts-check: $(VENV)/.installed-dev
	scripts/contracts_check.sh

# Asks byzfl and torch again what test_byzfl_oracle.py and test_optimiser_oracle.py compare with, in an
# environment of their own: torch is large. What else byzfl depends on computes nothing here.
oracle: | prerequisites
	test -x .venv-oracle/bin/python || $(PYTHON) -m venv .venv-oracle
	.venv-oracle/bin/pip --disable-pip-version-check install -q numpy==2.4.6 scipy==1.17.1
	.venv-oracle/bin/pip --disable-pip-version-check install -q --no-deps byzfl==0.0.11
	.venv-oracle/bin/python tests/merge/make_byzfl_oracle.py
	.venv-oracle/bin/pip --disable-pip-version-check install -q torch==2.13.0
	.venv-oracle/bin/python tests/merge/make_optimiser_oracle.py

prerequisites:
	@scripts/prerequisites.sh

# The stamps keep an unchanged environment from being installed again.
$(VENV)/bin/pip: | prerequisites
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-demo: pyproject.toml constraints.txt | prerequisites $(VENV)/bin/pip
	$(PIP) install -q -c constraints.txt -e '.[demo]'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | prerequisites $(VENV)/bin/pip
	$(PIP) install -q -c constraints.txt -e '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) .venv-oracle .venv-numpy build/arm swarmp2p-demo .coverage* .mypy_cache .ruff_cache .pytest_cache

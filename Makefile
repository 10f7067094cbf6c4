# Everything happens in .venv; delete it to start anew.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STORE ?= explorer-store
# torch with torchvision as PyPI ships them, CUDA libraries included, and the rest.
NEEDED_GB := 9

.DEFAULT_GOAL := help
.PHONY: help venv demo test test-slow check audit fuzz chaos calibrate bench bench-analysis bench-report \
	bench-store bench-planning bench-driver clean

help:
	@echo 'make demo    train the demo sweep, fit its law, write report.html'
	@echo 'make test    the whole test suite'
	@echo 'make check   style and types'
	@echo 'make test-slow  the tests that take minutes: hundreds of killed writers'
	@echo 'make chaos   kill, fill, corrupt and take away, then count what was lost: docs/reliability.md'
	@echo 'make audit   do the installed packages fit together'
	@echo 'make fuzz    10,000 malformed inputs'
	@echo 'make calibrate  how often the intervals and tests are right: docs/calibration.md, an hour'
	@echo 'make bench   the speed of sweeps against plain Ray Tune and a PyTorch loop'
	@echo 'make clean   remove .venv and caches; results stay'

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	@free=$$(df -Pk . | awk 'NR==2 {print int($$4/1048576)}'); \
	if [ $$free -lt $(NEEDED_GB) ]; then \
	  echo "The environment needs $(NEEDED_GB) GB (most of it torch); only $$free GB are free here."; exit 3; fi
	@echo 'Setting up $(VENV): about 7 GB, most of it torch; some minutes, once.'
	$(PYTHON) -m venv $(VENV)
	@touch $@

# The user's environment: the program itself, editable, so that a pull is an upgrade.
$(VENV)/.installed: pyproject.toml | $(VENV)/.python
	$(BIN)/pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/pip install --quiet --editable .
	@touch $@

# The developers' environment: what [dependency-groups] dev lists, besides.
$(VENV)/.tested: $(VENV)/.installed
	$(BIN)/pip install --quiet --group dev
	@touch $@

venv: $(VENV)/.installed

demo:
	@echo 'The demo trains 672 small networks on MNIST-1D (7 learning rates, 12 batch sizes each,'
	@echo '8 seeds), fits how the best batch size grows with the learning rate, and writes report.html.'
	@echo 'About a minute on 2 cores and 3 MB of results, after a first set-up of about 7 GB.'
	@$(MAKE) --no-print-directory $(VENV)/.installed
	$(BIN)/explorer run quick_grid --store $(STORE)
	$(BIN)/explorer fit-scaling --store $(STORE) --study quick_grid
	$(BIN)/explorer report --store $(STORE) --study quick_grid --out report.html
	@echo 'The command is $(BIN)/explorer; after `. $(BIN)/activate` it is plain `explorer`.'

# Two processes, one thread each: with more threads they would slow each other down.
test: $(VENV)/.tested
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --no-loadscope-reorder

test-slow: $(VENV)/.tested
	$(BIN)/python -m pytest -m slow

check: $(VENV)/.tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Every fault, on real processes and file systems; the short version is in `make test`.
chaos: $(VENV)/.tested
	OMP_NUM_THREADS=1 $(BIN)/python -m chaos --docs docs/reliability.md

audit: $(VENV)/.tested
	$(BIN)/pip check
	@echo 'Known vulnerabilities need a current database: with a network, run pip-audit in this environment.'

fuzz: $(VENV)/.tested
	EXPLORER_FUZZ=10000 OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/fuzz -q

calibrate: $(VENV)/.tested
	$(BIN)/python -m calibration

bench: bench-analysis
	$(BIN)/python -m benchmarks

bench-analysis: $(VENV)/.tested
	$(BIN)/python -m benchmarks.analysis_speed

bench-report: $(VENV)/.tested
	$(BIN)/python -m benchmarks.report_speed

bench-store: $(VENV)/.tested
	$(BIN)/python -m benchmarks.store_load

bench-planning: $(VENV)/.tested
	$(BIN)/python -m benchmarks.planning_scale

bench-driver: $(VENV)/.tested
	$(BIN)/python -m benchmarks.driver_memory

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

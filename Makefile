# Everything sets itself up: a private folder for uv, a private environment, locked versions.
PYTHON ?= python3
UV := .tools/bin/uv
BIN := .venv/bin
SET_UP := .venv/.complete
export UV_PROJECT_ENVIRONMENT := .venv

help:  ## what can be made
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(SET_UP)  ## the sample shop: three weeks of campaigns in seconds, and what came of them
	@rm -rf demo && $(BIN)/silkpost demo demo

test: $(SET_UP)  ## every test but the long ones
	$(BIN)/python -m pytest -n 2 --dist worksteal --cov --cov-report=term:skip-covered

torture: $(SET_UP)  ## the long ones: kills, stops and starts, a soak
	$(BIN)/python -m pytest -m torture

lint: $(SET_UP)  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(SET_UP)  ## ours beside the best practice, each a ratio in one run
	$(UV) pip install -q --python $(BIN)/python --require-hashes -r requirements.lock
	$(BIN)/python -m bench

lock: $(UV)  ## pin every version again, with hashes
	$(UV) pip compile -q --universal --generate-hashes --no-emit-index-url --all-extras \
	  --group test --group bench pyproject.toml -o requirements.lock

clean:  ## forget the environment and what was made
	rm -rf .tools .venv demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "silkpost needs Python 3.11 or newer; this is " + sys.version.split()[0])'
	@$(PYTHON) -m venv .tools || { echo "the venv module is missing: install it (on Debian: apt-get install python3-venv)"; exit 1; }
	@.tools/bin/python -m pip install -q --disable-pip-version-check uv==0.13.9

$(SET_UP): $(UV) requirements.lock pyproject.toml
	@$(UV) venv -q --clear --python $(PYTHON) .venv
	@$(UV) pip install -q --python $(BIN)/python --require-hashes -r requirements.lock
	@$(UV) pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: help demo test torture lint bench lock clean

# SPDX-License-Identifier: ISC
#
#   make demo    a mail server under attack on loopback, and what filter-ban does about it; no root, no mail server
#   make test    the tests; as root on Debian also those on real servers, after installing what these need
#   make bench   the benchmarks: one JSON object a line on standard output, nothing else
#   make lint    ruff and mypy
#   make man     the manual pages in docs/man, after a change of what they are made from
#   make deb     a package for Debian 12 and newer, in dist
#   make docs    the manual as a site, into site/
#   make pictures   draw docs/images anew, from real runs; as root on Linux with nftables
#   make clean   remove what the above have made: .venv, .cache, site
#
# PYTHON=... chooses the interpreter (3.11 or newer).

.POSIX:

BIN = .venv/bin

all: test

demo: .venv/installed
	@$(BIN)/filter-ban demo

test: .venv/developing
	@tools/prepare-real-tests packages >&2
	@tools/prepare-real-tests roots >&2 & $(BIN)/python -m pytest; status=$$?; wait; exit $$status

bench: .venv/developing
	@status=0; for file in tests/bench/*.py; do $(BIN)/python "$$file" || status=1; done; exit $$status

lint: .venv/developing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: .venv/developing
	$(BIN)/mkdocs build --strict

pictures: .venv/developing
	@tools/apt-ensure chromium pngquant fonts-dejavu-core nftables >&2
	$(BIN)/python -m tools.pictures.watch
	$(BIN)/python -m tools.pictures.report

man: .venv/installed
	$(BIN)/python -m tools.man

deb:
	packaging/debian/build

clean:
	rm -rf .venv .cache site .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache dist
	find . -name __pycache__ -prune -exec rm -rf {} +

.venv/installed: pyproject.toml tools/make-venv
	@tools/make-venv >&2
	@$(BIN)/python -m pip install --quiet --editable . >&2
	@touch $@

.venv/developing: .venv/installed tools/dependency_group.py
	@$(BIN)/python tools/dependency_group.py dev | $(BIN)/python -m pip install --quiet --requirement /dev/stdin >&2
	@touch $@

.PHONY: all demo test bench lint man deb docs pictures clean

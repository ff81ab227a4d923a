# make demo: the night on data_samples; make test: the tests. Both set up .venv first.
PYTHON ?= python3
BIN := .venv/bin
DEMO_DAY := 2026-03-31

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

.DEFAULT_GOAL := help
.PHONY: help setup setup-spark spark-proof browser office oidc demo test check prove oracle season bench portal-bench samples docs clean

help:
	@echo "make setup    .venv with pinned versions, and $(BIN)/canbao"
	@echo "make browser  the chromium and the font that the tests of the pages need, where they are missing"
	@echo "make office   LibreOffice, which opens and saves workbooks in the tests, where it is missing"
	@echo "make oidc     the OpenID Connect provider that sign-in is tested against"
	@echo "make setup-spark  the extra for --engine spark: pyspark, and Java 17 where it is missing"
	@echo "make spark-proof  every table of Spark against DuckDB's: sample, night after night, cluster, 200,000 people"
	@echo "make demo     one night on data_samples/, published under .demo/"
	@echo "make test     the tests"
	@echo "make check    format, lint, types, SQL"
	@echo "make prove    the longer proofs"
	@echo "make oracle   100,000 random lives: the tables against a plain reading of the policy"
	@echo "make season   three rounds of lists to all villages and back, every row recounted"
	@echo "make bench    a night of 3.4 million people against its floor"
	@echo "make portal-bench  what the portal bears, on the publication of make bench"
	@echo "make samples  data_samples/ anew"
	@echo "make docs     docs/tables.md, docs/sources.md, docs/measures.md and the rule book's examples anew"
	@echo "make clean    remove what these made"

setup: .venv/.ready

.venv/.ready: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@

# The pages are tested in a real browser with a font that has Chinese characters; on Debian they are installed here.
browser: setup
	@{ command -v chromium && fc-list :lang=zh | grep .; } >/dev/null 2>&1 || { apt-get -qq update \
	  && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends chromium fonts-noto-cjk \
	  fontconfig >/dev/null; } || { echo "Install chromium and a Chinese font (fonts-noto-cjk) by hand." >&2; exit 1; }

# Workbooks are opened and saved anew by what people open them with.
office:
	@command -v soffice >/dev/null || { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y \
	  --no-install-recommends libreoffice-calc-nogui >/dev/null; } || { echo "Install LibreOffice by hand." >&2; exit 1; }

# The provider that sign-in is tested against is a program of node; it lies beside the other tools, outside of git.
oidc: .venv/oidc/.ready

.venv/oidc/.ready: tests/portal/oidc/package.json .venv/.ready
	@command -v npm >/dev/null || { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y \
	  --no-install-recommends nodejs npm >/dev/null; } || { echo "Install node and npm by hand." >&2; exit 1; }
	@mkdir -p $(@D) && cp $< $(@D)/
	@cd $(@D) && npm install --no-package-lock --no-audit --no-fund --silent
	@touch $@

# Spark is an extra: without it nothing of it is imported. On Debian its Java is installed here.
setup-spark: .venv/.spark

.venv/.spark: .venv/.ready
	@command -v java >/dev/null || { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y \
	  --no-install-recommends openjdk-17-jre-headless >/dev/null; } || { echo "Install Java 17 by hand." >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev,spark]'
	@touch $@

# The 200,000 people on one core, all else on the other: a small night keeps one core busy with plans.
spark-proof: setup-spark
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder tests/spark

demo: setup
	@$(BIN)/canbao run --landing data_samples/landing --home .demo --as-of $(DEMO_DAY)
	@$(BIN)/python -m canbao.demo .demo

test: setup browser office oidc
	@$(BIN)/python -m pytest -q -m "not slow" -n 2 --dist loadfile --no-loadscope-reorder --ignore-glob='tests/spark/test_spark*.py'

prove: setup browser office
	@$(BIN)/python -m pytest -q -m slow --ignore-glob='tests/spark/test_spark*.py'

check: setup
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/sqlfluff lint --disable-progress-bar sql

oracle: setup
	@$(BIN)/python -m tests.oracle

season: setup
	@$(BIN)/python -m tests.loop.season

bench: setup
	@$(BIN)/canbao bench

# PORTAL_HOME is any home with a publication; it is only read.
PORTAL_HOME ?= .bench/night

portal-bench: setup
	@$(BIN)/python -m canbao.portal.load --home $(PORTAL_HOME)

samples: setup
	@$(BIN)/python -m canbao.generate.samples

docs: setup
	@$(BIN)/python -m canbao.docs tables sources rules measures

clean:
	@rm -rf .demo .bench .pytest_cache .mypy_cache .ruff_cache

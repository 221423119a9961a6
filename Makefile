# Sightline. Two commands matter: `make demo` shows it, `make test` proves it. `make help` lists the rest.
#
# make demo                 the whole thing on this machine, until Ctrl-C
# make demo ONCE=1          the same, ends with the numbers as one JSON line; exit code 0 if every span is stored
# make demo DOCS=path       answers from your own Markdown, text or HTML files
# make demo DATA=dir        keeps everything in another folder than .sightline
# make demo QUESTIONS=10    asks fewer questions (30, and some follow-ups)
# make demo MODEL=extractive   answers without a language model: faster, for tests and load
# make demo BREAK=slow-search   breaks something for two minutes after the summary
# PYTHON=python3.12         chooses the interpreter (3.11 to 3.13) for .venv

SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c '$(SUPPORTED)' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
INSTALLED := .venv/.installed
SOURCES := instrumentation roles collector dashboards evals reference_app supervisor tests docs examples deploy $(wildcard benchmarks)

export UV_PYTHON_DOWNLOADS := never

# Each worker has a ClickHouse, a Weaviate and a Redis of its own, which a test file shares; more would want more memory.
# The files go in the order of tests/conftest.py, the longest first.
TWO_AT_ONCE := -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: help demo up test install format lint types unit integration e2e pythons dist version clients packages browser weaviate redis rabbitmq kafka otelcol temporal drivers settings bench-ingest bench-faults bench-sdk bench-app bench-insert bench-settle bench-query bench-slow-clients bench-retrieval bench-guardrails bench-judging bench-gate bench-drift bench-judge bench-answer-cache bench-alerts bench-autoscale bench-backend bench-chaos bench-pages bench-rag bench-ttft screenshots grafana clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(INSTALLED) redis ## the reference application with real questions, traced, scored and shown
	@exec $(BIN)/sightline demo $(if $(DATA),--data "$(DATA)") $(if $(DOCS),--docs "$(DOCS)") \
		$(if $(QUESTIONS),--questions $(QUESTIONS)) $(if $(MODEL),--model $(MODEL)) $(if $(BREAK),--break "$(BREAK)") $(if $(filter-out 0,$(ONCE)),--once)

up: $(INSTALLED) ## store, collector and dashboards for your own application
	@exec $(BIN)/sightline up $(if $(DATA),--data "$(DATA)")

test: $(INSTALLED) browser weaviate redis rabbitmq kafka otelcol temporal drivers lint types ## everything that must hold before a change is kept
	@$(BIN)/python tests/support/pythons.py --others
	@$(BIN)/pytest -n auto --durations=15 tests/unit tests/typing
	@$(BIN)/pytest $(TWO_AT_ONCE) --durations=15 tests/integration
	@$(BIN)/pytest $(TWO_AT_ONCE) --durations=15 tests/e2e

install: $(INSTALLED) ## .venv with the locked packages

$(INSTALLED): uv.lock pyproject.toml instrumentation/pyproject.toml collector/build_hook.py $(wildcard collector/sightline_collector/request/spelling.[ch])
	@test -n "$(PYTHON)" || { echo "Sightline needs Python 3.11, 3.12 or 3.13 (PYTHON=path names one)."; exit 1; }
	@echo "[1/3] virtual environment in .venv, by $(PYTHON)"
	@$(BIN)/python -c '$(SUPPORTED)' 2>/dev/null || $(PYTHON) -m venv --clear .venv
	@echo "[2/3] uv, which installs the locked packages"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@echo "[3/3] the packages of uv.lock (about a minute the first time)"
	@$(BIN)/uv sync --frozen --all-extras --no-extra nemo --no-extra presidio
	@touch $@

format: $(INSTALLED) ## format the code
	@$(BIN)/ruff check --fix --quiet $(SOURCES); $(BIN)/ruff format $(SOURCES)

lint: $(INSTALLED) ## style, format and the direction of imports
	@$(BIN)/ruff check $(SOURCES) && $(BIN)/ruff format --check $(SOURCES) && $(BIN)/lint-imports

types: $(INSTALLED) ## mypy, strict
	@$(BIN)/mypy

unit: $(INSTALLED) ## the fast tests, on all cores
	@$(BIN)/pytest -n auto --durations=15 tests/unit

integration: $(INSTALLED) weaviate redis rabbitmq kafka otelcol temporal drivers ## against the real engine, Weaviate, Redis, Kafka and Collector
	@$(BIN)/pytest $(TWO_AT_ONCE) --durations=15 tests/integration

e2e: $(INSTALLED) browser weaviate ## through the command lines and a real browser
	@$(BIN)/pytest $(TWO_AT_ONCE) --durations=15 tests/e2e

pythons: $(INSTALLED) ## the library's suites on each CPython 3.11 to 3.13 that is installed, and on the oldest OpenTelemetry
	@$(BIN)/python tests/support/pythons.py

dist: $(INSTALLED) ## wheels and sdists of both distributions in dist/, checked
	@$(BIN)/python tests/support/distributions.py build

version: $(INSTALLED) ## write a version everywhere it stands: make version VERSION=0.2.0
	@$(BIN)/python tests/support/distributions.py version "$(VERSION)" && $(BIN)/uv lock --quiet

clients: $(INSTALLED) ## instrument() on some 30 client libraries (about 4 minutes; redis, rabbitmq and postgresql servers where installed)
	@$(BIN)/python tests/support/client_libraries.py

packages: $(INSTALLED) ## docs/conventions.md: what the spans of some 30 real packages become (about 6 minutes)
	@$(BIN)/python tests/packages/matrix.py --write

browser: ## chromium for the browser test, where it can be installed
	@if command -v chromium >/dev/null && command -v chromedriver >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing chromium and chromium-driver for the browser test (about a minute)"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium chromium-driver >/dev/null \
		|| echo "!!! SKIPPED: apt-get could not install chromium; the browser test will not run"; \
	else echo "!!! SKIPPED: no chromium and chromedriver here, and no root with apt-get; the browser test will not run"; fi

weaviate: $(INSTALLED) ## the Weaviate server in the cache folder (a first build takes about 3 minutes)
	@$(BIN)/sightline-weaviate --install-only \
		|| echo "!!! SKIPPED: no Weaviate server is to be had (reason above); its tests will not run"

redis: ## redis-server for the app's sessions and limits, where it can be installed
	@if command -v redis-server >/dev/null || command -v valkey-server >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing redis-server for sessions and limits (a few seconds; the system's service stays off)"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq redis-server >/dev/null \
		&& { systemctl disable --now redis-server >/dev/null 2>&1 || true; } \
		|| echo "!!! SKIPPED: apt-get could not install redis-server: sessions and limits live in one process, and their tests will not run"; \
	else echo "!!! SKIPPED: no redis-server here, and no root with apt-get: sessions and limits live in one process, and their tests will not run"; fi

rabbitmq: ## rabbitmq-server, the other broker of ingestion's workers, where it can be installed
	@if command -v rabbitmq-server >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing rabbitmq-server for the test of its queue (half a minute; the system's service stays off)"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq rabbitmq-server >/dev/null \
		&& { systemctl disable --now rabbitmq-server >/dev/null 2>&1 || true; } \
		|| echo "!!! SKIPPED: apt-get could not install rabbitmq-server; the test of ingestion behind it will not run"; \
	else echo "!!! SKIPPED: no rabbitmq-server here, and no root with apt-get; the test of ingestion behind it will not run"; fi

kafka: $(INSTALLED) ## Kafka from Maven Central in the cache folder (48 MB; needs java and mvn)
	@$(BIN)/python tests/support/scale_peers.py kafka \
		|| echo "!!! SKIPPED: no Kafka is to be had (reason above); its tests will not run"

otelcol: $(INSTALLED) ## the official Collector with ClickHouse and Kafka (needs Go; a first build takes some minutes)
	@$(BIN)/python tests/support/scale_peers.py otelcol \
		|| echo "!!! SKIPPED: no Collector is to be had (reason above); its tests will not run"

temporal: $(INSTALLED) ## Temporal's development server in the cache folder (Go; a first build takes some 8 minutes)
	@$(BIN)/python tests/support/scale_peers.py temporal \
		|| echo "!!! SKIPPED: no Temporal is to be had (reason above); its tests will not run"

drivers: $(INSTALLED) ## ClickHouse's clients for Go, Java and JavaScript in the cache folder (15 MB, a minute; where their tools are)
	@$(BIN)/python tests/support/honest_clients.py \
		|| echo "!!! SKIPPED: not all clients are to be had (reason above); their tests will not run"

bench-ingest: $(INSTALLED) ## spans per CPU-second, beside rotel and the OpenTelemetry Collector (needs Go; about 5 minutes)
	@$(BIN)/python benchmarks/ingest.py

bench-faults: $(INSTALLED) ## 200 times kill -9, outages, a full disk, damage: every acknowledged span is counted
	@$(BIN)/python benchmarks/faults.py

bench-sdk: $(INSTALLED) ## what one traced call, one chunk and the import cost, beside the bare SDK and the peers
	@$(BIN)/python benchmarks/sdk.py

bench-app: $(INSTALLED) weaviate ## what tracing costs the reference application under load (about 10 minutes)
	@$(BIN)/python benchmarks/app.py

bench-rag: $(INSTALLED) weaviate ## requests per second and time to the first token at 50 streams, beside a LangChain chain (6 minutes)
	@$(BIN)/python benchmarks/rag.py

bench-ttft: $(INSTALLED) weaviate ## whether the platform's time to the first token is the one that clients see (2 minutes)
	@$(BIN)/python benchmarks/ttft.py

bench-insert: $(INSTALLED) ## what the typed tables add to an INSERT of spans (about 4 minutes)
	@$(BIN)/python benchmarks/insert.py

bench-autoscale: $(INSTALLED) ## scaling on CPU, on queue depth and on TTFT, simulated (about a minute)
	@$(BIN)/python benchmarks/autoscale.py

bench-chaos: $(INSTALLED) weaviate redis ## whether the platform points at the cause of each harm (about 15 minutes)
	@$(BIN)/python benchmarks/chaos.py

bench-backend: $(INSTALLED) weaviate redis rabbitmq kafka temporal ## ingestion's workers killed 20 times: lost, doubled; batches; tuning (long)
	@$(BIN)/python benchmarks/ingestion.py

bench-settle: $(INSTALLED) ## what bringing traces together costs the store (about a minute)
	@$(BIN)/python benchmarks/settle.py

bench-alerts: $(INSTALLED) ## false pages and minutes to detection of the ready alert rules, beside a plain threshold (some minutes)
	@$(BIN)/python benchmarks/alerts.py

bench-pages: $(INSTALLED) browser ## first paint of every page with 10 million spans, and of a trace of 50,000 (ROWS=n for less, DATA=folder keeps the store)
	@$(BIN)/python benchmarks/pages.py $(if $(ROWS),--rows $(ROWS)) $(if $(DATA),--data "$(DATA)")

bench-query: $(INSTALLED) ## every question of the pages with 10 million spans in the store (20 minutes, 3 GB of disk; ROWS=n, DATA=folder; PAGES_ONLY=1 asks nothing else)
	@$(BIN)/python benchmarks/query.py $(if $(ROWS),--rows $(ROWS)) $(if $(DATA),--data "$(DATA)") $(if $(PAGES_ONLY),--pages-only)

bench-slow-clients: $(INSTALLED) ## 3,000 slow clients at the store and the collector, and how others fare meanwhile (3 minutes)
	@$(BIN)/python benchmarks/slow_clients.py

bench-retrieval: $(INSTALLED) weaviate ## how often retrieval finds the answer, and what each part of it adds (5 minutes; MTRAG=folder adds MTRAG-UN)
	@$(BIN)/python benchmarks/retrieval.py $(if $(MTRAG),--mtrag "$(MTRAG)")

bench-guardrails: $(INSTALLED) ## what the guardrails catch, what they flag by mistake, and what they cost (a minute)
	@$(BIN)/python benchmarks/guardrails.py

bench-judging: $(INSTALLED) ## 10,000 stored traces judged offline, and again with two kill -9: each scored once (about 20 minutes)
	@$(BIN)/python benchmarks/judging.py

bench-gate: $(INSTALLED) ## false alarms and power of the evaluation gate, beside mean thresholds (about 20 minutes)
	@$(BIN)/python benchmarks/gate.py

bench-drift: $(INSTALLED) ## false alarms and power of `sightline-evals drift`, beside Evidently and NannyML (long)
	@$(BIN)/python benchmarks/drift.py

bench-judge: $(INSTALLED) ## how well the offline judge ranks answers, beside overlap of words and its version 1 (5 minutes; SETS=folder adds public sets)
	@$(BIN)/python benchmarks/judge.py $(if $(SETS),--sets "$(SETS)")

bench-answer-cache: $(INSTALLED) ## which questions the answer cache takes for the same, and which it must not (a minute)
	@$(BIN)/python benchmarks/answer_cache.py

grafana: $(INSTALLED) ## deploy/grafana/sightline.json: the dashboard for Grafana, from the questions of the pages
	@$(BIN)/python deploy/grafana/dashboard.py

screenshots: $(INSTALLED) browser weaviate redis ## the README's pictures, of a demo that runs meanwhile (DATA=folder uses its index again)
	@$(BIN)/python tests/support/screenshots.py $(if $(MODEL),--model $(MODEL)) $(if $(QUESTIONS),--questions $(QUESTIONS)) $(if $(DATA),--data "$(DATA)")

settings: $(INSTALLED) ## write docs/settings.md from the settings classes
	@$(BIN)/python docs/settings_page.py

clean: ## remove what was built; the data in .sightline stays
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis dist build

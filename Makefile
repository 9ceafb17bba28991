# Each target installs what it needs on Debian and its kin, and does no more than it says.

SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
# What is there already is not asked for again, so that no network is needed twice.
need = @command -v $(1) >/dev/null || { $(SUDO) apt-get update -q && \
	$(SUDO) apt-get install -yq --no-install-recommends $(2); } || \
	{ echo "make $@: needs $(1), and apt-get cannot install $(2)" >&2; exit 1; }

.PHONY: all test client browser screenshot lint deny bench

all: test

# The whole test suite: unit, property and integration tests, the latter against a real StatsD too, and the browser client
# by itself and in three engines.
test: tests/statsd/node_modules/.installed client browser
	$(call need,cc,build-essential)
	$(call need,curl,curl)
	REQUIRE_STATSD=1 DRAIN_ROUNDS=50 cargo test --locked

# The browser client: its types, its tests, and that what is committed in client/dist is what it builds to.
client: client/node_modules/.installed
	npm --prefix client run --silent check
	npm --prefix client test

# The browser client and the demo in Chromium, Firefox and WebKit, against the proxy. Where one of them is not there and
# cannot be installed, this fails.
browser: tests/browser/node_modules/.installed client/node_modules/.installed
	$(call need,cc,build-essential)
	$(call need,chromium,chromium)
	$(call need,firefox-esr,firefox-esr)
	$(call need,WebKitWebDriver,webkit2gtk-driver)
	$(call need,Xvfb,xvfb)
	$(call need,openssl,openssl)
	cargo build --locked
	cd tests/browser && node run.js

# The README's picture of the demo.
screenshot: tests/browser/node_modules/.installed
	$(call need,chromium,chromium)
	cargo build --locked
	cd tests/browser && node screenshot.js

# Packages are those of the lock file beside. StatsD does without its optional ones; of esbuild the program is one.
tests/statsd/node_modules/.installed: OMIT := --omit=optional
%/node_modules/.installed: %/package-lock.json
	$(call need,node,nodejs npm)
	$(call need,npm,npm)
	npm ci --prefix $* $(OMIT) --no-audit --no-fund
	touch $@

# Formatting, and the compiler's and clippy's warnings as errors.
lint:
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

# Bans, licences and sources of the dependencies, after the policy in deny.toml.
deny:
	command -v cargo-deny >/dev/null || cargo install --locked cargo-deny --version 0.20.2
	cargo deny --locked check bans licenses sources

# CPU time for a request beside a bare epoll loop and nginx; writes bench/results/.
bench:
	$(call need,wrk,wrk)
	$(call need,nginx,nginx-light)
	$(call need,taskset,util-linux)
	cargo build --locked --release --workspace
	target/release/bench

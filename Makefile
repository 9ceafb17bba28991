# Each target installs the tools that it needs, on Debian and its derivatives, and nothing else.

# Installs missing commands, each given with its Debian packages: `$(call need,cc:build-essential)`.
need = @tests/require $@ $(1)

RUST := cargo cc:build-essential
BROWSERS := chromium:chromium firefox-esr:firefox-esr WebKitWebDriver:webkit2gtk-driver Xvfb:xvfb openssl:openssl
CONTAINERS := buildah:buildah podman:podman runc:runc readelf:binutils nsenter:util-linux curl:curl
NODE := node:nodejs+npm npm:npm

# cargo uses all cores by itself, and two apt-get processes would wait for each other.
.NOTPARALLEL:

.PHONY: all setup test about-test quick client browser screenshot lint doc msrv deny bench microbench fuzz static image \
	test-image fleet

# The static binary of the image, for the architecture of this machine.
MACHINE := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
TARGET_DIR := $(abspath $(or $(CARGO_TARGET_DIR),target))
STATIC := $(TARGET_DIR)/$(MACHINE)/release/statsd-http-proxy

all: test

# Installs the requirements of `make test`: Debian's packages, and those of npm and crates.io in the lock files.
setup:
	$(call need,$(RUST) $(NODE) curl:curl ip:iproute2 iptables:iptables $(BROWSERS) $(CONTAINERS))
	@$(MAKE) --no-print-directory tests/statsd/node_modules/.installed client/node_modules/.installed \
		tests/browser/node_modules/.installed
	cargo fetch --locked

# Runs the whole test suite: unit, property and integration tests, some of them with a real StatsD, the browser client
# in Node and in three browsers, and the image in containers.
test: about-test setup client browser test-image
	REQUIRE_STATSD=1 DRAIN_ROUNDS=50 cargo test --locked

about-test:
	@echo "make test: takes some 15 minutes on two cores, including the first build. Before that, make setup installs missing"
	@echo "packages: with apt-get (as root, or with sudo) a C compiler, Node.js, three browsers and container tools, which takes"
	@echo "some minutes on a bare Debian; with npm and cargo the packages of the lock files. The tests of the network and of the"
	@echo "image need root. make quick needs only a C compiler and curl: no browser, no container and no root."

# A short test run for use between edits: under a minute once it is built.
quick:
	$(call need,$(RUST) curl:curl)
	cargo fmt --all --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo test --locked --lib
	cargo test --locked --test integration -- contract:: documents:: batch::formats::

# Checks the types of the browser client, runs its tests, and compares client/dist with a new build.
client: client/node_modules/.installed
	npm --prefix client run --silent check
	npm --prefix client test

# Tests the browser client and the demo in Chromium, Firefox and WebKit, with the proxy. Fails if a browser is missing
# and cannot be installed.
browser: tests/browser/node_modules/.installed client/node_modules/.installed
	$(call need,$(RUST) $(BROWSERS))
	cargo build --locked
	cd tests/browser && node run.js

# Makes the README's picture of the demo.
screenshot: tests/browser/node_modules/.installed
	$(call need,$(RUST) chromium:chromium)
	cargo build --locked
	cd tests/browser && node screenshot.js

# Installs the packages of the lock file in the same folder. StatsD works without its optional packages; the program of
# esbuild is an optional package.
tests/statsd/node_modules/.installed: OMIT := --omit=optional
%/node_modules/.installed: %/package-lock.json
	$(call need,$(NODE))
	npm ci --prefix $* $(OMIT) --no-audit --no-fund
	touch $@

# Builds a binary that needs no C library and no loader, since the image has none.
static:
	$(call need,$(RUST))
	RUSTFLAGS="$$RUSTFLAGS -C target-feature=+crt-static" cargo build --locked --release --target $(MACHINE)

# Builds the container image statsd-http-proxy, in buildah's storage.
image: static
	$(call need,buildah:buildah readelf:binutils)
	image/build $(STATIC)

# Tests the image in containers, with a separate storage. Needs root, and a machine that can run containers.
test-image: static
	$(call need,$(CONTAINERS))
	IMAGE_BINARY=$(STATIC) cargo test --locked --test image

# Tests a fleet on loopback addresses: HAProxy and nginx in front of three proxies in front of three StatsD. It checks exact
# totals, a rolling restart, and a StatsD that is killed. FLEET_SECONDS is the duration of each load.
FLEET_SECONDS ?= 10
fleet: tests/statsd/node_modules/.installed
	$(call need,$(RUST) $(NODE) haproxy:haproxy nginx:nginx-light)
	FLEET_SECONDS=$(FLEET_SECONDS) cargo test --locked --test fleet -- --test-threads=1 --nocapture

# Checks the formatting, and treats warnings of the compiler and of clippy as errors.
lint:
	$(call need,$(RUST))
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo clippy --locked --test image --test fleet -- -D warnings
	cargo clippy --locked --features internals --lib --bench micro -- -D warnings

# Builds the documentation of the crate, with its private items. A broken link is an error.
doc:
	$(call need,$(RUST))
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items

# Builds the proxy with the oldest supported Rust (rust-version in Cargo.toml).
msrv:
	$(call need,$(RUST))
	.ci/msrv

# Checks bans, licences and sources of the dependencies against deny.toml.
deny:
	$(call need,$(RUST))
	command -v cargo-deny >/dev/null || cargo install --locked cargo-deny --version 0.20.2
	cargo deny --locked check bans licenses sources

# Compares the CPU time of a request with an epoll loop and nginx, and writes bench/results/.
bench:
	$(call need,$(RUST) wrk:wrk nginx:nginx-light taskset:util-linux)
	cargo build --locked --release --workspace
	target/release/bench

# Measures each pure module: make microbench, or make microbench FILTER=lines.
microbench:
	$(call need,$(RUST))
	cargo bench --locked --features internals --bench micro -- $(FILTER)

# Searches for an input that breaks a property of tests/properties: make fuzz TARGET=lines SECONDS=60. TARGET=all runs
# all targets one by one. The first run installs cargo-fuzz and builds all code with instrumentation, which takes some
# minutes. Inputs that reach new code are kept in fuzz/found, outside the repository; an input that breaks a property is
# in fuzz/artifacts. SANITIZER=address also finds memory errors, in dependencies with unsafe code, at half the speed.
TARGET ?= lines
SECONDS ?= 60
SANITIZER ?= none
FUZZED = $(if $(filter all,$(TARGET)),$(notdir $(wildcard fuzz/corpus/*)),$(TARGET))
fuzz:
	$(call need,$(RUST) c++:build-essential)
	command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz --version 0.13.2
	@for target in $(FUZZED); do \
		test -d fuzz/corpus/$$target || { echo "make fuzz: TARGET is all, or one of: $(notdir $(wildcard fuzz/corpus/*))" >&2; exit 1; }; \
		mkdir -p fuzz/found/$$target && echo "make fuzz: $$target for $(SECONDS) s" && \
		RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$(TARGET_DIR)/fuzz cargo fuzz run --sanitizer $(SANITIZER) $$target \
			fuzz/found/$$target fuzz/corpus/$$target -- -max_total_time=$(SECONDS) -max_len=8192 -timeout=10 || exit 1; \
	done

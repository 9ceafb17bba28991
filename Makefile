# Each target installs what it needs on Debian and its kin, and does no more than it says.

# Installs the commands that are missing, each named with its Debian packages: `$(call need,cc:build-essential)`.
need = @tests/require $@ $(1)

RUST := cargo cc:build-essential
BROWSERS := chromium:chromium firefox-esr:firefox-esr WebKitWebDriver:webkit2gtk-driver Xvfb:xvfb openssl:openssl
CONTAINERS := buildah:buildah podman:podman runc:runc readelf:binutils nsenter:util-linux curl:curl
NODE := node:nodejs+npm npm:npm

# cargo uses all cores by itself, and two apt-get at a time would wait for each other.
.NOTPARALLEL:

.PHONY: all setup test about-test quick client browser screenshot lint doc msrv deny bench microbench fuzz static image \
	test-image

# The static binary of the image, for the kind of machine that builds it.
MACHINE := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
TARGET_DIR := $(abspath $(or $(CARGO_TARGET_DIR),target))
STATIC := $(TARGET_DIR)/$(MACHINE)/release/statsd-http-proxy

all: test

# All that `make test` needs: Debian's packages, and the packages of npm and crates.io after the lock files.
setup:
	$(call need,$(RUST) $(NODE) curl:curl ip:iproute2 iptables:iptables $(BROWSERS) $(CONTAINERS))
	@$(MAKE) --no-print-directory tests/statsd/node_modules/.installed client/node_modules/.installed \
		tests/browser/node_modules/.installed
	cargo fetch --locked

# The whole test suite: unit, property and integration tests, the latter against a real StatsD too, the browser client
# by itself and in three engines, and the image in a container.
test: about-test setup client browser test-image
	REQUIRE_STATSD=1 DRAIN_ROUNDS=50 cargo test --locked

about-test:
	@echo "make test: runs for some 15 minutes on two cores, the first build included. Before that make setup installs what is"
	@echo "missing: with apt-get (as root, or with sudo) Debian's packages for a C compiler, Node.js, three browsers and"
	@echo "containers, some minutes on a bare Debian; with npm and cargo the packages of the lock files. The tests of the"
	@echo "network and of the image need root. make quick needs a C compiler and curl, and no browser, container or root."

# What to run between two edits: under a minute once it is built.
quick:
	$(call need,$(RUST) curl:curl)
	cargo fmt --all --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo test --locked --lib
	cargo test --locked --test integration -- contract:: documents:: batch::formats::

# The browser client: its types, its tests, and that what is committed in client/dist is what it builds to.
client: client/node_modules/.installed
	npm --prefix client run --silent check
	npm --prefix client test

# The browser client and the demo in Chromium, Firefox and WebKit, against the proxy. Where one of them is not there and
# cannot be installed, this fails.
browser: tests/browser/node_modules/.installed client/node_modules/.installed
	$(call need,$(RUST) $(BROWSERS))
	cargo build --locked
	cd tests/browser && node run.js

# The README's picture of the demo.
screenshot: tests/browser/node_modules/.installed
	$(call need,$(RUST) chromium:chromium)
	cargo build --locked
	cd tests/browser && node screenshot.js

# Packages are those of the lock file beside. StatsD does without its optional ones; of esbuild the program is one.
tests/statsd/node_modules/.installed: OMIT := --omit=optional
%/node_modules/.installed: %/package-lock.json
	$(call need,$(NODE))
	npm ci --prefix $* $(OMIT) --no-audit --no-fund
	touch $@

# A binary that needs no C library and no loader, for an image that has none.
static:
	$(call need,$(RUST))
	RUSTFLAGS="$$RUSTFLAGS -C target-feature=+crt-static" cargo build --locked --release --target $(MACHINE)

# The container image statsd-http-proxy, in buildah's storage.
image: static
	$(call need,buildah:buildah readelf:binutils)
	image/build $(STATIC)

# The image in containers, in a storage of its own. It needs root, and a machine on which containers run.
test-image: static
	$(call need,$(CONTAINERS))
	IMAGE_BINARY=$(STATIC) cargo test --locked --test image

# Formatting, and the compiler's and clippy's warnings as errors.
lint:
	$(call need,$(RUST))
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo clippy --locked --test image -- -D warnings
	cargo clippy --locked --features internals --lib --bench micro -- -D warnings

# The crate's documentation, private items included; a broken link is an error.
doc:
	$(call need,$(RUST))
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items

# The oldest Rust that Cargo.toml promises (rust-version) builds the proxy.
msrv:
	$(call need,$(RUST))
	.ci/msrv

# Bans, licences and sources of the dependencies, after the policy in deny.toml.
deny:
	$(call need,$(RUST))
	command -v cargo-deny >/dev/null || cargo install --locked cargo-deny --version 0.20.2
	cargo deny --locked check bans licenses sources

# CPU time for a request beside a bare epoll loop and nginx; writes bench/results/.
bench:
	$(call need,$(RUST) wrk:wrk nginx:nginx-light taskset:util-linux)
	cargo build --locked --release --workspace
	target/release/bench

# The time that each pure module takes: make microbench, or make microbench FILTER=lines.
microbench:
	$(call need,$(RUST))
	cargo bench --locked --features internals --bench micro -- $(FILTER)

# Searches for an input that breaks a property of tests/properties: make fuzz TARGET=lines SECONDS=60. TARGET=all takes one
# after the other. The first run installs cargo-fuzz and builds all that is instrumented, some minutes. Inputs that are found
# on the way stay in fuzz/found, which is not kept in the repository; one that breaks a property is in fuzz/artifacts.
# SANITIZER=address looks at memory too, in dependencies that use it unsafely, at half the speed.
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

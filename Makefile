# Each target installs what it needs on Debian and its kin, and does no more than it says.

SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
# What is there already is not asked for again, so that no network is needed twice.
need = @command -v $(1) >/dev/null || { $(SUDO) apt-get update -q && \
	$(SUDO) apt-get install -yq --no-install-recommends $(2); } || \
	{ echo "make $@: needs $(1), and apt-get cannot install $(2)" >&2; exit 1; }

.PHONY: all test client browser screenshot lint deny bench static image test-image

# The static binary of the image, for the kind of machine that builds it.
TARGET := $(shell rustc -vV | sed -n 's/^host: //p')
STATIC := $(abspath $(or $(CARGO_TARGET_DIR),target))/$(TARGET)/release/statsd-http-proxy

all: test

# The whole test suite: unit, property and integration tests, the latter against a real StatsD too, the browser client
# by itself and in three engines, and the image in a container.
test: tests/statsd/node_modules/.installed client browser test-image
	$(call need,cc,build-essential)
	$(call need,curl,curl)
	$(call need,ip,iproute2)
	$(call need,iptables,iptables)
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

# A binary that needs no C library and no loader, for an image that has none.
static:
	$(call need,cc,build-essential)
	RUSTFLAGS="$$RUSTFLAGS -C target-feature=+crt-static" cargo build --locked --release --target $(TARGET)

# The container image statsd-http-proxy, in buildah's storage.
image: static
	$(call need,buildah,buildah)
	$(call need,readelf,binutils)
	image/build $(STATIC)

# The image in containers, in a storage of its own. It needs root, and a machine on which containers run.
test-image: static
	$(call need,buildah,buildah)
	$(call need,podman,podman)
	$(call need,runc,runc)
	$(call need,readelf,binutils)
	$(call need,nsenter,util-linux)
	$(call need,curl,curl)
	IMAGE_BINARY=$(STATIC) cargo test --locked --test image

# Formatting, and the compiler's and clippy's warnings as errors.
lint:
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo clippy --locked --test image -- -D warnings

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

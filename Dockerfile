# Builds the image from the source: docker build -t statsd-http-proxy .
#
# The image is the last stage. `make image` builds the same stage with an existing binary.

# A Debian with glibc 2.36. From glibc 2.35 on, a static binary in a container without /etc/nsswitch.conf reads
# /etc/hosts, and then asks the name servers.
FROM docker.io/library/rust:1-bookworm AS build
# The commit for --version: .dockerignore excludes the repository.
ARG COMMIT=unknown
WORKDIR /source
COPY . .
RUN STATSD_HTTP_PROXY_COMMIT=$COMMIT RUSTFLAGS="-C target-feature=+crt-static" \
    cargo build --locked --release --target "$(rustc -vV | sed -n 's/^host: //p')" && \
    cp target/*/release/statsd-http-proxy /statsd-http-proxy

FROM scratch
LABEL org.opencontainers.image.title="statsd-http-proxy" \
      org.opencontainers.image.description="Receives metrics over HTTP(S) and forwards them to StatsD over UDP" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /statsd-http-proxy /statsd-http-proxy
# The default, 127.0.0.1, can be reached only from inside the container.
ENV STATSD_HTTP_PROXY_HTTP_HOST=::
EXPOSE 80/tcp
# A number, because the image has no /etc/passwd, and because Kubernetes can check only a number for runAsNonRoot.
USER 65532:65532
ENTRYPOINT ["/statsd-http-proxy"]

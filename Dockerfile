# The image for those who build at home: docker build -t statsd-http-proxy .
#
# The last stage is all of the image. `make image` builds the same stage around a binary that is there already.

# A Debian with glibc 2.36 or later: from 2.35 on, a static binary reads /etc/hosts and then asks the name servers in a
# container that has no /etc/nsswitch.conf.
FROM docker.io/library/rust:1-bookworm AS build
# The commit for --version, since the repository itself is not sent to the builder.
ARG COMMIT=unknown
WORKDIR /source
COPY . .
RUN STATSD_HTTP_PROXY_COMMIT=$COMMIT RUSTFLAGS="-C target-feature=+crt-static" \
    cargo build --locked --release --target "$(rustc -vV | sed -n 's/^host: //p')" && \
    cp target/*/release/statsd-http-proxy /statsd-http-proxy

FROM scratch
LABEL org.opencontainers.image.title="statsd-http-proxy" \
      org.opencontainers.image.description="Takes metrics over HTTP(S) and forwards them to StatsD over UDP" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /statsd-http-proxy /statsd-http-proxy
# 127.0.0.1, the program's default, is reachable inside the container only.
ENV STATSD_HTTP_PROXY_HTTP_HOST=::
EXPOSE 80/tcp
# A number, since there is no /etc/passwd; and so that Kubernetes sees that it is not root.
USER 65532:65532
ENTRYPOINT ["/statsd-http-proxy"]

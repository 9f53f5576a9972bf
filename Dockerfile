# Drawbridge as a container: one static binary, no shell, no root, nothing to
# write to but the state. The file system comes from `make image-root`, which the
# tests run too (test/image).
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=container
RUN make image-root VERSION=${VERSION}

FROM scratch
COPY --from=build /src/build/root/ /
COPY --from=build --chown=65532:65532 /src/build/root/var/lib/drawbridge/ /var/lib/drawbridge/
USER 65532:65532
WORKDIR /var/lib/drawbridge
VOLUME ["/var/lib/drawbridge"]
EXPOSE 4444
ENTRYPOINT ["/usr/bin/drawbridge"]
CMD ["serve", "--listen", "0.0.0.0:4444", "--state-dir", "/var/lib/drawbridge"]
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 CMD ["/usr/bin/drawbridge", "healthcheck"]

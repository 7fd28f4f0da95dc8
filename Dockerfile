# An image of tsbuild itself. README.md, "In a container", has the line that runs it.
# Without a registry: tsbuild bootstrap debian:trixie
#                     tsbuild build --build-arg BASE=debian:trixie -t tsbuild .
ARG BASE=node:20-bookworm-slim

FROM ${BASE} AS build
RUN command -v npm || (apt-get update && apt-get install -y --no-install-recommends nodejs npm)
WORKDIR /src
COPY package.json package-lock.json tsconfig.json ./
COPY scripts scripts
COPY src src
COPY cmd cmd
RUN npm ci && npm prune --omit=dev && find dist -name '*.test.*' -delete

FROM ${BASE}
RUN apt-get update \
    && apt-get install -y --no-install-recommends uidmap mmdebstrap ca-certificates zstd \
    && (command -v node || apt-get install -y --no-install-recommends nodejs) \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/package.json /usr/local/lib/tsbuild/package.json
COPY --from=build /src/node_modules /usr/local/lib/tsbuild/node_modules
COPY --from=build /src/dist /usr/local/lib/tsbuild/dist
# useradd gives the user its subordinate ids; node:20 has a user 1000 already.
RUN ln -s ../lib/tsbuild/dist/cmd/main.js /usr/local/bin/tsbuild \
    && useradd --create-home --uid 1001 tsbuild \
    && grep -q '^tsbuild:' /etc/subuid
USER tsbuild
WORKDIR /work
ENTRYPOINT ["tsbuild"]
CMD ["--help"]

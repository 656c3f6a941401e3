# The tags name exact versions. To pin the bytes too, put the digest behind the tag, as
#   FROM oven/bun:1.4.5-slim@sha256:…
# where `docker buildx imagetools inspect oven/bun:1.4.5-slim` prints it.

FROM oven/bun:1.4.5-slim AS build
WORKDIR /app
COPY package.json bun.lock bunfig.toml ./
RUN bun install --frozen-lockfile --production \
  && mkdir /data
COPY tsconfig.json ./
COPY core ./core
COPY plugins ./plugins
COPY views ./views
COPY migrations ./migrations
RUN bun run build

# Neither a shell nor a package manager.
FROM oven/bun:1.4.5-distroless
WORKDIR /app
# One file, compiled ahead: ready in half the time, in less memory, and without node_modules.
COPY --from=build /app/dist/llm-proxy ./
COPY LICENSE ./
# A new volume takes over the owner of the folder it is mounted on. 65532 is the image's `nonroot`.
COPY --from=build --chown=65532:65532 /data /data

# Bun reads its own variables only at the start of the process. Without the first no more than 256 upstream calls run at once;
# the second says how often garbage is looked for when nothing happens, in ms; the third for how much memory it is collected,
# where the whole machine's would let the heap double for long.
ENV BUN_CONFIG_MAX_HTTP_REQUESTS=65535 \
    BUN_GC_TIMER_INTERVAL=10000 \
    BUN_JSC_forceRAMSize=268435456 \
    HOST=0.0.0.0 \
    LLM_PROXY_DATA=/data \
    NODE_ENV=production
USER 65532:65532
VOLUME /data
EXPOSE 8787
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["/usr/local/bin/bun", "-e", "fetch(`http://127.0.0.1:${process.env.PORT ?? 8787}/readyz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["/app/llm-proxy"]
CMD ["serve"]

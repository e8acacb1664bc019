# One image for every process of tapewatch: `docker build -t tapewatch .`; the command says which one it is.
FROM python:3.13.9-slim-bookworm AS build
COPY --from=ghcr.io/astral-sh/uv:0.9.5 /uv /usr/local/bin/uv
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
WORKDIR /app
# What we depend on changes seldom: a layer of its own.
COPY pyproject.toml uv.lock ./
RUN uv sync --frozen --no-dev --no-install-project --extra cluster
COPY README.md LICENSE NOTICE ./
COPY src src
RUN uv sync --frozen --no-dev --no-editable --extra cluster

FROM python:3.13.9-slim-bookworm
RUN groupadd --gid 10001 tapewatch \
 && useradd --uid 10001 --gid tapewatch --no-create-home --home-dir /data tapewatch \
 && install -d -o tapewatch -g tapewatch /data /cache
COPY --from=build /app/.venv /app/.venv
COPY --from=build /app/LICENSE /app/NOTICE /app/
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TAPEWATCH_DATA_DIR=/data \
    TAPEWATCH_CACHE_DIR=/cache
WORKDIR /data
VOLUME ["/data", "/cache"]
USER 10001:10001
STOPSIGNAL SIGTERM
ENTRYPOINT ["tapewatch"]
CMD ["--help"]

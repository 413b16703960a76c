# VibeVoice, cloned and built in stages.
#
# Works by hand:   docker compose build                      the tip of the branch, when the clone is not cached yet
#                  CACHE_BUST=x docker compose build         clones again
# and is driven by `cargo xtask rebuild`, which sets CACHE_BUST and GITHUB_COMMIT to what the remote really has.
#
# BuildKit keys `COPY --from` by content: dependencies are installed again only when their own manifest changed.

ARG NODE_IMAGE=node:22-bookworm-slim
ARG PYTHON_IMAGE=python:3.11-bookworm
# Must have the same Python at the same path as PYTHON_IMAGE. PyTorch brings its own CUDA libraries.
ARG RUNTIME_IMAGE=python:3.11-slim-bookworm
ARG WORKDIR=/workspace/zhao-kun/vibevoice

# ---- model-downloader: the expensive download; nothing about the code may appear here ----
FROM ${PYTHON_IMAGE} AS model-downloader
# Version 1 deletes what it has when a connection breaks; this one goes on from there.
RUN python3 -m venv /opt/hf && /opt/hf/bin/pip install --no-cache-dir 'huggingface_hub>=0.34,<1'
ARG HF_ENDPOINT=https://huggingface.co
ARG MODEL_REPO=zhaokun/vibevoice-large
ARG MODEL_REVISION=main
# Separated by spaces.
ARG MODEL_FILES=vibevoice7b_float8_e4m3fn.safetensors
# The download happens in a cache mount, so a failed one goes on where it stopped, and the finished files move out of it.
# Exit status 69 (EX_UNAVAILABLE of sysexits.h) tells a remote that failed from a step that failed.
RUN --mount=type=cache,id=vibevoice-model,target=/var/cache/model,sharing=locked <<'EOR'
set -eu
export HF_HUB_DISABLE_XET=1 HF_HUB_DISABLE_TELEMETRY=1 HF_HUB_DISABLE_PROGRESS_BARS=1
fail() { echo "error: $2" >&2; exit "$1"; }
download=/var/cache/model/download
printf '%s' "$MODEL_FILES" |
    xargs /opt/hf/bin/hf download --revision "$MODEL_REVISION" --local-dir "$download" "$MODEL_REPO" 2>&1 |
    tee /tmp/download.log
mkdir -p /models
printf '%s' "$MODEL_FILES" | xargs -n 1 | while read -r file; do
    if [ ! -f "$download/$file" ]; then
        ! grep -qi 'consistency check failed' /tmp/download.log || fail 1 "$file is not as long as the hub said"
        fail 69 "$file could not be downloaded from $HF_ENDPOINT"
    fi
    # The second line of the client's metadata is the hub's ETag: the SHA-256 of a large file.
    etag=$(sed -n 2p "$download/.cache/huggingface/download/$file.metadata")
    if [ "${#etag}" -eq 64 ] && ! printf '%s  %s\n' "$etag" "$download/$file" | sha256sum --check --status; then
        rm -f "$download/$file"
        fail 1 "$file does not have the SHA-256 that the hub announced"
    fi
    mkdir -p "/models/$(dirname "$file")"
    mv "$download/$file" "/models/$file"
done
rm -rf "$download"
EOR

# ---- source: exactly one commit, without .git ----
# Empty; `cargo xtask rebuild --local PATH` puts a directory in its place.
FROM scratch AS local-source

FROM ${PYTHON_IMAGE} AS source
WORKDIR /source
ARG GITHUB_REPO=https://github.com/zhao-kun/vibevoicefusion.git
ARG GITHUB_BRANCH=main
# Empty: the tip of GITHUB_BRANCH.
ARG GITHUB_COMMIT=
ARG CACHE_BUST=unknown
# The user name that goes with the token; GitLab's job token wants `gitlab-ci-token`.
ARG GIT_AUTH_USER=x-access-token
# The bare repository stays in a cache mount, and a ref keeps the last commit alive: the next fetch is a delta.
# A private repository takes a token as the secret GIT_AUTH_TOKEN, which is in no layer, or an SSH agent.
# Frontend and application part here, because `COPY --exclude` makes BuildKit read the whole root file system (0.6 s).
RUN --mount=type=cache,id=vibevoice-source,target=/var/cache/source,sharing=locked \
    --mount=type=bind,from=local-source,target=/var/local-source \
    --mount=type=secret,id=GIT_AUTH_TOKEN --mount=type=ssh <<'EOR'
set -eu
export GIT_TERMINAL_PROMPT=0 GIT_ALLOW_PROTOCOL=https:http:ssh:git
# Whoever answers instead of the host would have to have the commit that is asked for.
export GIT_SSH_COMMAND='ssh -oBatchMode=yes -oStrictHostKeyChecking=accept-new -oConnectTimeout=30 -oServerAliveInterval=20'
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0="credential.$GITHUB_REPO.helper"
export GIT_CONFIG_VALUE_0='!echo "username=$GIT_AUTH_USER"; sed s/^/password=/ /run/secrets/GIT_AUTH_TOKEN #'
fail() { echo "error: $2" >&2; exit "$1"; }
format=sha1
[ "${#GITHUB_COMMIT}" -ne 64 ] || format=sha256
repository=/var/cache/source/$format.git
# A fetch stays a pack however small it is: one that was cut leaves no commit without its files.
in_repository() {
    git -C "$repository" -c fetch.unpackLimit=1 -c gc.autoDetach=false -c maintenance.autoDetach=false "$@"
}
# A server that sends nothing for a minute is given up.
fetch() {
    in_repository -c http.lowSpeedLimit=1 -c http.lowSpeedTime=60 fetch --quiet --no-tags "$1" -- "$GITHUB_REPO" "$2"
}
start_over() { rm -rf "$repository" && git init --quiet --bare --object-format="$format" "$repository"; }

# Puts the files of the commit into app/: one chain, so that whatever fails in it is a failure of the function.
take() {
    rm -rf app && mkdir app || return
    commit=$GITHUB_COMMIT
    if [ -z "$commit" ]; then
        fetch --depth=1 "$GITHUB_BRANCH" && commit=$(in_repository rev-parse --verify 'FETCH_HEAD^{commit}') || return
    elif [ "$(in_repository rev-parse --quiet --verify refs/kept/last)" != "$commit" ]; then
        # A server that speaks only the first protocol may refuse a commit that no ref points to: the branch has it.
        fetch --depth=1 "$commit" || fetch --depth=1000 "$GITHUB_BRANCH" || return
    fi
    export GIT_INDEX_FILE=/tmp/index
    rm -f "$GIT_INDEX_FILE" &&
        in_repository update-ref refs/kept/last "$commit" &&
        in_repository read-tree "$commit" &&
        in_repository --work-tree=/source/app checkout-index --all
}

fetch_commit() {
    # Nobody else uses the locked mount: a lock or an unfinished pack in it was left by a step that was killed.
    rm -f "$repository"/*.lock "$repository"/refs/kept/*.lock "$repository"/objects/pack/tmp_*
    # What the mount keeps may be damaged, so a failure counts only when it is one of an empty repository, too.
    { [ -d "$repository" ] && take; } || { start_over && take; } ||
        fail 69 "$GITHUB_REPO does not serve ${GITHUB_COMMIT:-$GITHUB_BRANCH}"
    rm "$GIT_INDEX_FILE"
    ! in_repository ls-tree -r "$commit" | grep -q '^160000 ' ||
        fail 69 'the repository has submodules, which this Dockerfile does not fetch'
    revision=$(in_repository rev-parse --verify "$commit^{commit}")
    [ "$revision" = "${GITHUB_COMMIT:-$revision}" ] || fail 1 "exported $revision instead of $GITHUB_COMMIT"
}

if [ -n "$(ls -A /var/local-source)" ]; then
    mkdir app
    cp -R /var/local-source/. app
    revision=$GITHUB_COMMIT
else
    fetch_commit
fi
! grep -qs 'filter=lfs' app/.gitattributes || echo 'warning: files in Git LFS stay pointers' >&2
mkdir -p app/backend app/frontend
# The export of the frontend is there already when the application is copied over it.
rm -rf app/backend/dist
printf '%s\n' "$revision" > app/backend/version.txt
mv app/frontend .
EOR

# ---- frontend: dependencies by lock file, then the static export into out/ ----
FROM ${NODE_IMAGE} AS frontend-deps
WORKDIR /frontend
COPY --from=source /source/frontend/package.json /source/frontend/package-lock.json ./
RUN --mount=type=cache,target=/root/.npm npm ci --no-audit --no-fund

FROM frontend-deps AS frontend
ENV NEXT_TELEMETRY_DISABLED=1
COPY --from=source /source/frontend/ ./
RUN --mount=type=cache,target=/frontend/.next/cache npm run build

# ---- python-builder: a venv with the dependencies only; sources are imported from WORKDIR ----
FROM ${PYTHON_IMAGE} AS python-builder
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir 'uv>=0.8,<1'
ENV UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1
ARG WORKDIR
WORKDIR ${WORKDIR}
COPY --from=source /source/app/pyproject.toml /tmp/project/
RUN --mount=type=cache,target=/root/.cache/uv /opt/uv/bin/uv venv --python "$(command -v python3)" venv && \
    /opt/uv/bin/uv pip install --python venv/bin/python -r /tmp/project/pyproject.toml

# ---- vibevoice: what changes least comes first ----
FROM ${RUNTIME_IMAGE} AS vibevoice
ARG RUNTIME_PACKAGES=ffmpeg
RUN apt-get update && printf '%s' "$RUNTIME_PACKAGES" | xargs apt-get install --yes --no-install-recommends && \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/*
ARG WORKDIR
WORKDIR ${WORKDIR}
RUN useradd --create-home --uid 1000 vibevoice && mkdir -p workspace uploads && chown vibevoice: workspace uploads
COPY --link --from=model-downloader /models/ ${WORKDIR}/models/vibevoice/
COPY --link --from=python-builder ${WORKDIR}/venv/ ${WORKDIR}/venv/
COPY --link --from=frontend /frontend/out/ ${WORKDIR}/backend/dist/
COPY --link --from=source /source/app/ ${WORKDIR}/
USER vibevoice
# Upstream starts Flask's debugger unless it is told otherwise.
ENV PATH=${WORKDIR}/venv/bin:${PATH} PYTHONUNBUFFERED=1 FLASK_ENV=production FLASK_DEBUG=false FLASK_PORT=9527
EXPOSE 9527
# Python ends on SIGINT at once, and as process 1 never on SIGTERM.
STOPSIGNAL SIGINT
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9527/health', timeout=5)"]
LABEL org.opencontainers.image.title="VibeVoice" \
      org.opencontainers.image.description="Multi-speaker voice generation: Flask backend, Next.js frontend and model" \
      org.opencontainers.image.licenses="MIT"
CMD ["python", "backend/run.py"]

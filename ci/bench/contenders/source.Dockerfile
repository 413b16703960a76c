# The code of the small projects, in the form that README asks for; each has its own stages behind it.
ARG PYTHON_IMAGE

# ---- source ----
FROM ${PYTHON_IMAGE} AS source
WORKDIR /source/app
ARG GITHUB_REPO
ARG GITHUB_BRANCH
ARG GITHUB_COMMIT
ARG CACHE_BUST
RUN git init --quiet && git fetch --depth=1 -- "$GITHUB_REPO" "${GITHUB_COMMIT:-$GITHUB_BRANCH}" && \
    git checkout --quiet FETCH_HEAD && rm -rf .git


# The same as the old script has it: every service clones.
ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE} AS service
ARG SERVICE
ARG GITHUB_REPO
ARG GITHUB_BRANCH
ARG CACHE_BUST
RUN echo "$CACHE_BUST" && git clone --branch "$GITHUB_BRANCH" "$GITHUB_REPO" /source && cp -r "/source/services/$SERVICE" /app
WORKDIR /app
RUN python3 -m venv venv && venv/bin/pip install -r requirements.txt

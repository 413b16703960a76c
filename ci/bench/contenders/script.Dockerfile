# The Dockerfile of the old script: one stage clones, installs and builds everything, and all of that is copied at the end.
ARG PYTHON_IMAGE
ARG RUNTIME_IMAGE
ARG WORKDIR

FROM ${PYTHON_IMAGE} AS model-downloader
RUN python3 -m venv /opt/hf && /opt/hf/bin/pip install --no-cache-dir 'huggingface_hub>=0.34,<1'
ARG HF_ENDPOINT
ARG MODEL_REPO
ARG MODEL_FILES
RUN /opt/hf/bin/hf download --local-dir /models "$MODEL_REPO" $MODEL_FILES

FROM ${PYTHON_IMAGE} AS python-builder
ARG WORKDIR
ARG GITHUB_REPO
ARG GITHUB_BRANCH
ARG CACHE_BUST
RUN echo "$CACHE_BUST" && git clone --branch "$GITHUB_BRANCH" "$GITHUB_REPO" "$WORKDIR"
WORKDIR ${WORKDIR}
RUN cd frontend && npm ci && npm run build && cp -r out ../backend/dist
RUN python3 -m venv venv && venv/bin/pip install .

FROM ${RUNTIME_IMAGE} AS vibevoice
ARG WORKDIR
COPY --from=python-builder ${WORKDIR} ${WORKDIR}
COPY --from=model-downloader /models ${WORKDIR}/models/vibevoice
WORKDIR ${WORKDIR}
CMD ["venv/bin/python", "backend/run.py"]

# `riffengine serve` on a CPU. Build and run:
#
#   docker build -t riffengine .
#   docker run --init --shm-size=1g --stop-timeout 60 -p 127.0.0.1:9464:9464 -p 127.0.0.1:9000:9000/udp riffengine
#   docker run … riffengine techno-walk --record sets/night.flac     another preset, and options of `riffengine serve`
#
# --shm-size: loops cross between processes in /dev/shm, and Docker's default of 64 MiB is too small for them.
# --stop-timeout: SIGTERM fades out and finishes the recording, which may take longer than Docker's 10 seconds.
# --device /dev/snd --group-add audio: plays on the sound card of the host; without it the music is only recorded.
# Build for a machine without a GPU: --build-arg TORCH_INDEX=… names the package index with the CPU builds of PyTorch
# (see its installation page); the image is then several gigabytes smaller.

FROM python:3.11-slim AS wheel
WORKDIR /source
COPY pyproject.toml setup.py README.md LICENSE ./
COPY presets presets
COPY riffengine riffengine
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheel .

FROM python:3.11-slim
ARG TORCH_INDEX=""
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libportaudio2 \
    && rm -rf /var/lib/apt/lists/*
COPY constraints.txt /tmp/
COPY --from=wheel /wheel /tmp/wheel
RUN pip install --no-cache-dir ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} \
        --constraint /tmp/constraints.txt /tmp/wheel/*.whl \
    && rm -rf /tmp/wheel /tmp/constraints.txt

# Recordings, and the state that the next start resumes from, are in the volume.
RUN useradd --create-home --uid 1000 riffengine \
    && install --directory --owner=riffengine /var/lib/riffengine
USER riffengine
WORKDIR /var/lib/riffengine
VOLUME /var/lib/riffengine
# Torch threads that spin while they wait slow every other process on a small machine.
ENV XDG_STATE_HOME=/var/lib/riffengine OMP_WAIT_POLICY=PASSIVE OMP_NUM_THREADS=1

# OSC, OSCQuery on the same number, and /health with /metrics.
EXPOSE 9000/udp 9000/tcp 9464/tcp
STOPSIGNAL SIGTERM
# The model is loaded and the first loop rendered before /health answers 200.
HEALTHCHECK --interval=15s --timeout=5s --start-period=120s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9464/health', timeout=4)"]
# Inside the container every address is listened on; -p decides who reaches it. OSC has no password: name 127.0.0.1.
ENTRYPOINT ["riffengine", "serve", "--no-midi", "--osc-bind", "0.0.0.0", "--http-host", "0.0.0.0"]
CMD ["ambient-endless"]

# The image of every service of docker-compose.yaml: `docker run shopnow:local SERVICE`, see include/shopnow/cluster/.
# Python packages are locked by requirements.txt and locks/*.txt, jars by locks/jars.lock, all by hash; the rest are
# Debian packages.
# Behind mirrors: --build-arg PIP_INDEX_URL=…, UV_DEFAULT_INDEX=…, SHOPNOW_MAVEN_MIRROR=…, and a base image of the same
# name with the APT mirror configured (--build-context or docker tag).

FROM debian:bookworm-slim AS base
ENV DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8 JAVA_HOME=/usr/lib/jvm/java-17-openjdk-amd64
# The post-installation script of openjdk requires this folder, which the slim image lacks.
RUN mkdir -p /usr/share/man/man1 \
 && apt-get update \
 && apt-get install -y --no-install-recommends python3 openjdk-17-jre-headless \
 && rm -rf /var/lib/apt/lists/* /var/log/* /var/cache/apt/*
WORKDIR /opt/shopnow


FROM base AS packages
RUN apt-get update && apt-get install -y --no-install-recommends python3-venv
ARG PIP_INDEX_URL
ARG UV_DEFAULT_INDEX
COPY locks/uv.txt locks/
RUN python3 -m venv .venv && .venv/bin/python -m pip install -q --no-cache-dir --require-hashes -r locks/uv.txt
COPY requirements.txt ./
COPY locks/cluster.txt locks/
RUN VIRTUAL_ENV=/opt/shopnow/.venv UV_NO_CONFIG=1 .venv/bin/uv pip install -q --no-cache --no-deps --require-hashes --compile-bytecode \
      -r requirements.txt -r locks/cluster.txt


FROM packages AS jars
ARG UV_DEFAULT_INDEX
ARG SHOPNOW_MAVEN_MIRROR
COPY locks/jars.lock locks/openlineage.txt locks/
COPY include/shopnow/__init__.py include/shopnow/errors.py include/shopnow/launch_environment.py \
     include/shopnow/network_errors.py include/shopnow/paths.py include/shopnow/settings.py include/shopnow/
COPY include/shopnow/local_stack/__init__.py include/shopnow/local_stack/download.py include/shopnow/local_stack/jars.py \
     include/shopnow/local_stack/openlineage.py include/shopnow/local_stack/optional_packages.py include/shopnow/local_stack/
RUN XDG_CACHE_HOME=/var/cache PYTHONPATH=include .venv/bin/python -c \
      "import os; from shopnow.local_stack import jars; jars.install(os.environ.get('SHOPNOW_MAVEN_MIRROR'))" \
 && XDG_CACHE_HOME=/var/cache PYTHONPATH=include .venv/bin/python -c "from shopnow.local_stack import openlineage; openlineage.install()"


FROM base
# Leaves out PostgreSQL's JIT compiler (100 MB), which a metadata database does not need, and Prometheus' web UI and
# promtool (300 MB), which are not used here.
RUN apt-get update \
 && apt-get install -y --no-install-recommends -o DPkg::Options::=--path-exclude=/usr/lib/*/libLLVM* \
      -o DPkg::Options::=--path-exclude=/usr/lib/postgresql/*/lib/bitcode/* -o DPkg::Options::=--path-exclude=/usr/lib/postgresql/*/lib/llvmjit* \
      -o DPkg::Options::=--path-exclude=/usr/share/javascript/* -o DPkg::Options::=--path-exclude=/usr/share/nodejs/* \
      -o DPkg::Options::=--path-exclude=/usr/share/prometheus/* -o DPkg::Options::=--path-exclude=/usr/bin/promtool \
      postgresql-15 redis-server prometheus \
 && rm -rf /var/lib/apt/lists/* /var/log/* /var/cache/apt/* /var/lib/postgresql /var/lib/prometheus /etc/redis /etc/prometheus \
 && useradd --uid 10001 --user-group --no-create-home --home-dir /var/lib/shopnow --shell /usr/sbin/nologin shopnow \
 && install -d -o shopnow -g shopnow -m 0700 /run/shopnow /var/lib/shopnow /var/lib/shopnow/airflow /var/lib/shopnow/airflow/logs
COPY --from=packages /opt/shopnow/.venv .venv
COPY --from=jars /var/cache/shopnow /var/cache/shopnow
COPY locks/jars.lock locks/openlineage.txt locks/
COPY include include
COPY spark_apps spark_apps
COPY plugins plugins
COPY dags dags
COPY monitoring/prometheus monitoring/prometheus
# uv's lock files are writable by everyone.
RUN .venv/bin/python -m compileall -q include spark_apps plugins dags \
 && find .venv /var/cache/shopnow -name .lock -delete
ENV PATH=/opt/shopnow/.venv/bin:/usr/lib/postgresql/15/bin:$PATH \
    PYTHONPATH=/opt/shopnow/include:/opt/shopnow/spark_apps \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    XDG_CACHE_HOME=/var/cache \
    SHOPNOW_DATA_DIR=/var/lib/shopnow
USER shopnow
ENTRYPOINT ["python", "-m", "shopnow.cluster.run"]
HEALTHCHECK --interval=15s --timeout=10s --start-period=180s --retries=4 CMD ["python", "-m", "shopnow.cluster.health"]

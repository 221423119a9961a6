"""Servers of others that tests need: a Kafka broker, a Temporal server and the official OpenTelemetry Collector.

`python tests/support/scale_peers.py kafka` fetches Kafka from Maven Central, `... otelcol` and `... temporal` build the
Collectors and Temporal's development server from Go modules; all stay in the cache folder. The contrib modules that
Kafka needs are published in other versions than the ClickHouse exporter, so there are two Collectors.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

CACHE = Path(os.environ.get("SIGHTLINE_CACHE_DIR") or Path.home() / ".cache" / "sightline")
KAFKA_VERSION = "3.9.1"
KAFKA = CACHE / "kafka" / KAFKA_VERSION
TEMPORAL_VERSION = "1.5.1"
"""Later ones do not build from the module proxy: they replace a module by a folder that is not published."""
TEMPORAL = CACHE / "temporal" / TEMPORAL_VERSION / "temporal"
_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>sightline</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging><dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>
<version>{KAFKA_VERSION}</version></dependency>
<dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId>
<version>2.24.3</version></dependency></dependencies></project>
"""
_CORE = "go.opentelemetry.io/collector"
_CONTRIB = "github.com/open-telemetry/opentelemetry-collector-contrib"
_COLLECTORS = {
    "scale": (
        "0.161.0",
        {
            "receivers": [f"{_CORE}/receiver/otlpreceiver"],
            "processors": [f"{_CORE}/processor/memorylimiterprocessor"],
            "exporters": [f"{_CORE}/exporter/otlpexporter", f"{_CONTRIB}/exporter/clickhouseexporter"],
            "extensions": [f"{_CONTRIB}/extension/storage/filestorage"],
        },
    ),
    "kafka": (
        "0.155.0",
        {
            "receivers": [f"{_CORE}/receiver/otlpreceiver", f"{_CONTRIB}/receiver/kafkareceiver"],
            "processors": [f"{_CORE}/processor/memorylimiterprocessor"],
            "exporters": [f"{_CORE}/exporter/otlpexporter", f"{_CONTRIB}/exporter/kafkaexporter"],
            "extensions": [f"{_CONTRIB}/extension/storage/filestorage"],
        },
    ),
}


def collector(name: str) -> Path:
    """Where the Collector of that name is, once it is built: `scale` writes ClickHouse, `kafka` Kafka."""
    return CACHE / "bench" / f"otelcol-{_COLLECTORS[name][0]}-{name}" / "out" / "otelcol"


def why_no_temporal() -> str:
    """Why no Temporal server can be started here, '' where one can."""
    return "" if TEMPORAL.is_file() else "Temporal is not in the cache: `make temporal` builds it"


def install_temporal() -> None:
    """Build Temporal's command line with its development server, some 210 MB, unless it is there."""
    if TEMPORAL.is_file():
        return
    if shutil.which("go") is None:
        raise RuntimeError("no go on PATH")
    part = TEMPORAL.parent.with_name(f"{TEMPORAL.parent.name}.{os.getpid()}.part")
    part.mkdir(parents=True)
    sys.stderr.write(f"building Temporal {TEMPORAL_VERSION} (Go; some 8 minutes of CPU the first time)\n")
    try:
        command = ["go", "install", "-ldflags", "-s -w", f"github.com/temporalio/cli/cmd/temporal@v{TEMPORAL_VERSION}"]
        subprocess.run(command, env={**os.environ, "GOBIN": str(part)}, check=True, timeout=3600)
        part.replace(TEMPORAL.parent)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def why_no_kafka() -> str:
    """Why no broker can be started here, '' where one can."""
    if shutil.which("java") is None:
        return "no java on PATH"
    return "" if list(KAFKA.glob("libs/kafka_2.13-*.jar")) else "Kafka is not in the cache: `make kafka` fetches it"


def install_kafka() -> None:
    """Fetch Kafka's jars, about 48 MB, unless they are there."""
    if not why_no_kafka():
        return
    for tool in ("java", "mvn"):
        if shutil.which(tool) is None:
            raise RuntimeError(f"no {tool} on PATH")
    part = KAFKA.with_name(f"{KAFKA.name}.{os.getpid()}.part")
    part.mkdir(parents=True)
    try:
        (part / "pom.xml").write_text(_POM)
        command = ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=libs"]
        subprocess.run(command, cwd=part, check=True, timeout=600)
        part.replace(KAFKA)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def install_collectors() -> None:
    """Build the Collectors that are absent, with their own builder."""
    for name, (version, parts) in _COLLECTORS.items():
        if collector(name).exists():
            continue
        if shutil.which("go") is None:
            raise RuntimeError("no go on PATH")
        folder = collector(name).parents[1]
        folder.mkdir(parents=True, exist_ok=True)
        lines = [f"dist: {{name: otelcol, output_path: ./out, version: {version}}}"]
        for kind, modules in parts.items():
            lines += [f"{kind}:", *(f"  - gomod: {module} v{version}" for module in modules)]
        (folder / "build.yaml").write_text("\n".join(lines) + "\n")
        sys.stderr.write(f"building the OpenTelemetry Collector {version} with {name} (Go; some minutes)\n")
        command = ["go", "run", f"{_CORE}/cmd/builder@v{version}", "--config", "build.yaml"]
        subprocess.run(command, cwd=folder, check=True, timeout=1200)


class Broker:
    """One Kafka broker on loopback that is its own controller (KRaft). Use as a context manager."""

    def __init__(self, folder: Path) -> None:
        """Prepare one that keeps its log under `folder`."""
        self._folder = folder
        self._port, self._controller = _free_port(), _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.address = f"127.0.0.1:{self._port}"

    def __enter__(self) -> Broker:
        """Format the log, start, and wait until it listens."""
        (self._folder / "server.properties").write_text(self._properties())
        java = ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", str(KAFKA / "libs" / "*")]
        config = str(self._folder / "server.properties")
        log_path = self._folder / "kafka.log"
        with log_path.open("wb") as log:
            cluster_id = "AAAAAAAAAAAAAAAAAAAAAQ"
            format_log = [*java, "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", config]
            subprocess.run(format_log, check=True, stdout=log, stderr=log, timeout=120)
            self._process = subprocess.Popen([*java, "kafka.Kafka", config], stdout=log, stderr=log)
        deadline = time.monotonic() + 120
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise RuntimeError(f"Kafka did not start:\n{log_path.read_text(errors='replace')[-2000:]}")
            time.sleep(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        """Kill it: its log is thrown away."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _listens(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(0.5)
            return probe.connect_ex(("127.0.0.1", self._port)) == 0

    def _properties(self) -> str:
        return f"""process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{self._controller}
listeners=PLAINTEXT://127.0.0.1:{self._port},CONTROLLER://127.0.0.1:{self._controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{self._port}
controller.listener.names=CONTROLLER
log.dirs={self._folder}/log
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
num.partitions=2
"""


class Temporal:
    """A Temporal server on loopback, as its command line runs one for development. Use as a context manager."""

    def __init__(self, folder: Path) -> None:
        """Prepare one that keeps its database under `folder`."""
        self._folder = folder
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.address = f"127.0.0.1:{self._port}"

    def __enter__(self) -> Temporal:
        """Start it and wait until it answers."""
        command = [str(TEMPORAL), "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", str(self._port)]
        command += ["--log-level", "error", "--db-filename", str(self._folder / "temporal.db")]
        log_path = self._folder / "temporal.log"
        with log_path.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        health = [str(TEMPORAL), "operator", "cluster", "health", "--address", self.address]
        deadline = time.monotonic() + 60
        while subprocess.run(health, capture_output=True, check=False).returncode != 0:
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise RuntimeError(f"Temporal did not start:\n{log_path.read_text(errors='replace')[-2000:]}")
            time.sleep(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    try:
        {"kafka": install_kafka, "otelcol": install_collectors, "temporal": install_temporal}[sys.argv[1]]()
    except (RuntimeError, subprocess.SubprocessError, OSError) as exc:
        sys.exit(f"{sys.argv[1]} is not to be had: {exc}")

"""Other people's clients of ClickHouse, for tests: clickhouse-go, the JDBC driver and `@clickhouse/client`.

`python tests/support/honest_clients.py` fetches them through the clients of their registries into the cache folder and
builds the driver programs of `clients/`: some 15 MB and a minute for the Go program.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

CACHE = Path(os.environ.get("SIGHTLINE_CACHE_DIR") or Path.home() / ".cache" / "sightline") / "clients"
SOURCES = Path(__file__).with_name("clients")
GO_VERSION = "v2.51.0"
JDBC_VERSION = "0.9.8"
JS_VERSION = "1.23.1"
_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>sightline</groupId><artifactId>jdbc</artifactId><version>1</version><packaging>pom</packaging><dependencies>
<dependency><groupId>com.clickhouse</groupId><artifactId>clickhouse-jdbc</artifactId><version>{JDBC_VERSION}</version>
<classifier>all</classifier><exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>
</dependency><dependency><groupId>org.slf4j</groupId><artifactId>slf4j-nop</artifactId><version>2.0.17</version>
</dependency></dependencies></project>
"""


def command(name: str, address: str, key: str) -> list[str]:
    """How to run one client's program against a node; empty where the client is not to be had.

    Args:
        name: go, jdbc or js.
        address: host and port.
        key: a reader's.
    """
    if name == "go":
        return [str(_go()), address, key] if _go().exists() else []
    if name == "jdbc":
        if shutil.which("java") is None or not list(_jdbc().glob("*.jar")):
            return []
        return ["java", "-Xmx512m", "-cp", f"{_jdbc()}/*", str(SOURCES / "JdbcClient.java"), address, key]
    if shutil.which("node") is None or not _js().exists():
        return []
    return ["node", str(SOURCES / "js_client.mjs"), f"http://{address}", key, str(_js())]


def install() -> None:
    """Fetch and build what is absent and can be had."""
    for tools, place, fetch in (
        (("go",), _go().parent, _build_go),
        (("java", "mvn"), _jdbc(), _fetch_jdbc),
        (("node", "npm"), _js(), _fetch_js),
    ):
        missing = [tool for tool in tools if shutil.which(tool) is None]
        if place.exists() or missing:
            sys.stderr.write(f"{place.name}: {'no ' + missing[0] + ' on PATH' if missing else 'there'}\n")
            continue
        _into(place, fetch)


def _go() -> Path:
    """The program's place changes with its source."""
    source = (SOURCES / "go_client.go").read_bytes()
    return CACHE / f"go-{GO_VERSION}-{hashlib.sha256(source).hexdigest()[:12]}" / "client"


def _jdbc() -> Path:
    return CACHE / f"jdbc-{JDBC_VERSION}"


def _js() -> Path:
    return CACHE / f"js-{JS_VERSION}"


def _into(place: Path, fetch: Callable[[Path], None]) -> None:
    part = place.with_name(f"{place.name}.{os.getpid()}.part")
    part.mkdir(parents=True)
    try:
        fetch(part)
        part.replace(place)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _build_go(folder: Path) -> None:
    shutil.copy(SOURCES / "go_client.go", folder / "main.go")
    for arguments in (
        ["mod", "init", "client"],
        ["get", f"github.com/ClickHouse/clickhouse-go/v2@{GO_VERSION}"],
        ["build", "-o", "client", "."],
    ):
        subprocess.run(["go", *arguments], cwd=folder, check=True, timeout=600)


def _fetch_jdbc(folder: Path) -> None:
    (folder / "pom.xml").write_text(_POM)
    subprocess.run(
        ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=."], cwd=folder, check=True, timeout=600
    )


def _fetch_js(folder: Path) -> None:
    (folder / "package.json").write_text('{"private": true}\n')
    subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", f"@clickhouse/client@{JS_VERSION}"],
        cwd=folder,
        check=True,
        timeout=600,
    )


if __name__ == "__main__":
    install()

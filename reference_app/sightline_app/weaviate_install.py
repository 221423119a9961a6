"""Where a Weaviate server binary comes from.

In this order: a binary on ``PATH``; the cache folder (``bin/weaviate-server``); the release that weaviate-client's
embedded mode would download; ``go install`` of a pinned version into the cache folder. Each way that fails leaves one
sentence behind, so the final error says everything that was tried.
"""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path

import httpx
from tqdm import tqdm

from sightline_app.errors import WeaviateNotToBeHad

VERSION = "1.35.2"
"""Version downloaded or built; a binary on PATH may be another one."""

PACKAGE = f"github.com/weaviate/weaviate/cmd/weaviate-server@v{VERSION}"
"""What ``go install`` builds."""

BUILD_TIMEOUT_S = 1800.0
"""Longest a build may take."""

_NAMES = ("weaviate", "weaviate-server")
_log = logging.getLogger("sightline.weaviate")


def cached(cache_dir: Path) -> Path:
    """Return where the cache folder keeps the binary."""
    return cache_dir / "bin" / "weaviate-server"


def find(cache_dir: Path, search_path: str | None) -> Path | None:
    """Return a binary that is already here: PATH first, then the cache folder."""
    for name in _NAMES:
        if found := shutil.which(name, path=search_path):
            return Path(found)
    binary = cached(cache_dir)
    if binary.is_file() and os.access(binary, os.X_OK):
        return binary
    return None


def obtain(cache_dir: Path, env: Mapping[str, str]) -> Path:
    """Find, download or build the server.

    Args:
        cache_dir: Sightline's cache folder; created when needed.
        env: environment for the search path and for the build.

    Raises:
        WeaviateNotToBeHad: with one sentence for each way that failed.
    """
    if binary := find(cache_dir, env.get("PATH")):
        return binary
    tried = [f"none named {' or '.join(_NAMES)} on PATH or in {cached(cache_dir).parent}"]
    for way in (_download, _build):
        try:
            return way(cache_dir, env)
        except (OSError, subprocess.SubprocessError, httpx.HTTPError, _WayFailed) as exc:
            tried.append(str(exc))
            _log.info("%s", exc)
    raise WeaviateNotToBeHad(tried)


class _WayFailed(Exception):
    """One way to get the server did not work; the message says why."""


def release_url() -> str:
    """Return the address of the release file that weaviate-client's embedded mode would fetch for this machine.

    Source: ``weaviate/embedded.py`` of weaviate-client 4.23.
    """
    base = f"https://github.com/weaviate/weaviate/releases/download/v{VERSION}/weaviate-v{VERSION}"
    if platform.system() == "Darwin":
        return f"{base}-darwin-all.zip"
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return f"{base}-linux-{machine}.tar.gz"


def _download(cache_dir: Path, env: Mapping[str, str]) -> Path:
    del env
    url = release_url()
    host = httpx.URL(url).host
    try:
        with socket.create_connection((host, 443), timeout=3):
            pass
    except OSError as exc:
        raise _WayFailed(f"the release can't be downloaded: {host} is not reachable ({exc})") from exc
    target = cached(cache_dir)
    target.parent.mkdir(parents=True, exist_ok=True)
    _log.info("downloading %s", url)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        archive = Path(folder) / "archive"
        with httpx.stream("GET", url, follow_redirects=True, timeout=httpx.Timeout(15, read=30)) as answer:
            if answer.status_code != 200:
                raise _WayFailed(f"the release can't be downloaded: {url} answered {answer.status_code}")
            total = int(answer.headers.get("content-length", 0)) or None
            bar = tqdm(total=total, unit="B", unit_scale=True, desc="Weaviate", file=sys.stderr)
            with archive.open("wb") as out, bar:
                for piece in answer.iter_bytes():
                    out.write(piece)
                    bar.update(len(piece))
        _unpack(archive, Path(folder))
        binary = next((path for path in Path(folder).rglob("weaviate*") if path.is_file()), None)
        if binary is None:
            raise _WayFailed(f"{url} holds no weaviate binary")
        _place(binary, target)
    return target


def _unpack(archive: Path, folder: Path) -> None:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder)  # noqa: S202  # zipfile never writes outside
        return
    try:
        with tarfile.open(archive) as packed:
            packed.extractall(
                folder, filter="data"
            )  # the filter refuses what lies outside  # the filter refuses paths outside
    except tarfile.TarError as exc:
        raise _WayFailed(f"the downloaded release is damaged: {exc}") from exc


def _place(binary: Path, target: Path) -> None:
    binary.chmod(0o755)
    binary.replace(target)


def _build(cache_dir: Path, env: Mapping[str, str]) -> Path:
    go = shutil.which("go", path=env.get("PATH"))
    if go is None:
        raise _WayFailed("it can't be built: no `go` on PATH (https://go.dev/doc/install)")
    target = cached(cache_dir)
    target.parent.mkdir(parents=True, exist_ok=True)
    _log.info("building Weaviate %s with `go install` (once; 3 to 4 minutes on 2 cores)", VERSION)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        command = [go, "install", "-v", "-ldflags", "-s -w", PACKAGE]
        last = _run_with_progress(command, dict(env) | {"GOBIN": folder, "GOFLAGS": "-mod=mod", "CGO_ENABLED": "0"})
        binary = Path(folder) / "weaviate-server"
        if not binary.is_file():
            raise _WayFailed(f"`go install {PACKAGE}` failed: {last}")
        _place(binary, target)
    return target


def _run_with_progress(command: list[str], env: Mapping[str, str]) -> str:
    """Run a build, show elapsed time and what it prints, return its last line."""
    started = time.monotonic()
    shown = sys.stderr.isatty()
    last, packages = "it printed nothing", 0
    with subprocess.Popen(
        command, env=dict(env), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as build:
        stopper = threading.Timer(BUILD_TIMEOUT_S, build.kill)
        stopper.start()
        told = started
        try:
            assert build.stdout is not None
            for raw in build.stdout:
                if not (line := raw.strip()):
                    continue
                last, packages = line, packages + 1
                elapsed = time.monotonic() - started
                if shown:
                    sys.stderr.write(f"\r\033[K{elapsed:5.0f} s  {packages} packages  {line[:80]}")
                    sys.stderr.flush()
                elif time.monotonic() - told >= 10:
                    told = time.monotonic()
                    _log.info("building Weaviate: %.0f s, %d packages, now %s", elapsed, packages, line[:80])
        except BaseException:
            build.kill()
            raise
        finally:
            stopper.cancel()
            if shown:
                sys.stderr.write("\r\033[K")
    _log.info("the build ended after %.0f s with code %s", time.monotonic() - started, build.returncode)
    return last


def embedded_name() -> str:
    """Return the file name under which weaviate-client's embedded mode looks for this version.

    ``connect_to_embedded(version="1.35.2", binary_path=folder)`` then runs the cached server without a download.
    """
    return f"weaviate-v{VERSION}-{hashlib.sha256(f'v{VERSION}'.encode()).hexdigest()}"

"""The walk over a request's bytes stays inside of them, by the compiler's sanitizers."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from otlp_spellings import KNOWN, Speller
from whole_requests import whole_requests

from sightline_collector.errors import BadRequest
from sightline_collector.request import otlp, spelling
from sightline_collector.request.flat_types import request_types
from sightline_collector.request.spelling import Spelling
from sightline_store.ingest import Signal

_DRIVER = Path(__file__).parents[2] / "support" / "spelling_fuzz.c"
_REQUESTS = 300_000


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The driver with the walk in it, which ends at the first access that the sanitizers do not allow."""
    path = tmp_path_factory.mktemp("driver") / "spelling_fuzz"
    sanitizers = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    include = f"-I{Path(spelling.__file__).parent}"
    command = ["cc", "-std=c11", "-O1", "-g", *sanitizers, include, str(_DRIVER)]
    try:
        done = subprocess.run([*command, "-o", str(path)], capture_output=True, text=True, check=False, timeout=60)
    except FileNotFoundError:
        pytest.skip("no C compiler here")
    if done.returncode and re.search("sanitize|asan|ubsan", done.stderr):
        pytest.skip("the C compiler has no sanitizers here")
    assert done.returncode == 0, done.stderr
    return path


def test_damaged_requests_are_read_within_their_bytes(driver: Path, tmp_path: Path) -> None:
    """Valid requests of each signal, odd spellings, and what damage makes of them: some still get a yes."""
    tables = {signal: Spelling(types.flat).table for signal, types in request_types().items()}
    bodies = [(signal, request.SerializeToString()) for signal, request in whole_requests()]
    bodies += [(Signal(signal), body) for signal, body in KNOWN.values()]
    for seed in range(100):
        for signal in Signal:
            body = Speller(seed).request(signal)
            try:
                bodies.append((signal, otlp.check(signal, body).payload))
            except BadRequest:
                bodies.append((signal, body))
    corpus = tmp_path / "corpus"
    parts = (part for signal, body in bodies for part in (tables[signal], body))
    corpus.write_bytes(b"".join(len(part).to_bytes(4, sys.byteorder) + part for part in parts))
    command = [str(driver), str(corpus), str(_REQUESTS), "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    looked_at, yes = (int(word) for word in done.stdout.split() if word.isdigit())
    assert looked_at == _REQUESTS
    assert yes > _REQUESTS / 20

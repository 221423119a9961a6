"""Regular expressions of the user's own, from a file: their matches are masked like those of the library's rules.

Each is tried on hostile texts before it is accepted, in a process that can be stopped, since a running match of
Python's regular expressions cannot.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

_PROBE_LIMIT_S = 0.05
_PROBES_TIMEOUT_S = 20.0
_MAX_PATTERNS = 100


def load_patterns(path: Path, window_chars: int) -> list[re.Pattern[str]]:
    """Read own patterns: Python regular expressions, one a line; empty lines and those that start with # are skipped.

    Each is tried on texts of `window_chars` characters made of what it names, in a process of its own.

    Raises:
        ValueError: the file cannot be read, or a pattern does not compile, matches nothing at all, or takes too long.
    """
    where = f"SIGHTLINE_COLLECTOR_REDACT_MASK_PATTERNS={path}"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError) as exc:
        raise ValueError(f"cannot read {where}: {exc}") from exc
    numbered = [(n, line.strip()) for n, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]
    if len(numbered) > _MAX_PATTERNS:
        raise ValueError(f"{where} holds {len(numbered)} patterns; at most {_MAX_PATTERNS} are applied to every text")
    patterns = []
    for number, line in numbered:
        try:
            pattern = re.compile(line)
        except (re.error, RecursionError, OverflowError) as exc:
            raise ValueError(f"{where}, line {number}: not a regular expression: {exc}") from None
        if pattern.search("") or pattern.fullmatch("", 0, 0):
            raise ValueError(f"{where}, line {number}: matches the empty text; it must need at least one character")
        patterns.append(pattern)
    slow = _first_slow([pattern.pattern for pattern in patterns], window_chars)
    if slow is not None:
        raise ValueError(
            f"{where}, line {numbered[slow][0]}: takes more than {_PROBE_LIMIT_S * 1000:.0f} ms on a text of "
            f"{window_chars} characters: bound its repeats (\\w{{1,64}} for \\w+), make them possessive (\\w++), or "
            "lower SIGHTLINE_COLLECTOR_REDACT_WINDOW_CHARS"
        )
    return patterns


_PROBE = r"""
import json, re, sys, time
task = json.load(sys.stdin)
size, limit_s = task["size"], task["limit_s"]
for pattern in task["patterns"]:
    known = sorted(set(re.sub(r"\\[A-Za-z]|[^\w@:/. =+-]", "", pattern)))[:16]
    units = [*known, *"aA1 -.@:/_=", "a1", "a ", "1 ", "a.", "1-", "aA1 ", "a@", *map("".join, zip(known, known[1:]))]
    compiled, slow = re.compile(pattern), False
    for unit in dict.fromkeys(units):
        # In steps, so that exponential time shows at a small size.
        for size_now in (12, 16, 20, 24, 28, 32, 40, 64, 256, 1024, 4096, size):
            text = (unit * (size_now // len(unit) + 1))[: size_now - 1] + "\0"
            started_s = time.process_time()
            for _ in compiled.finditer(text):
                pass
            slow = slow or time.process_time() - started_s > limit_s
            if slow:
                break
        if slow:
            break
    print(int(slow), flush=True)
    if slow:
        break
"""


def _first_slow(patterns: list[str], size: int) -> int | None:
    """Index of the first pattern that takes too long on a hostile text, None where none does."""
    if not patterns:
        return None
    task = json.dumps({"patterns": patterns, "size": size, "limit_s": _PROBE_LIMIT_S})
    child = subprocess.Popen(
        [sys.executable, "-I", "-S", "-W", "ignore", "-c", _PROBE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    with child:
        try:
            output, _ = child.communicate(task, timeout=_PROBES_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            output, _ = child.communicate()
    answers = output.split()
    if "1" in answers:
        return answers.index("1")
    return len(answers) if len(answers) < len(patterns) else None

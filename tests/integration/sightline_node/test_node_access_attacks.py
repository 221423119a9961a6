"""Ways to the host, the network and the writers' tables that a reader of the embedded node might try, each a real one.

`store_attacks.json` lists them, with what proves that the engine does it when an admin asks: `shows` a marker,
`writes` a file, `connects` to a port, `changes` something or `runs` without an error, `tells` something, or fails in a
way that shows how far it came (`evidence`).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from attack_runner import LISTS
from node_http import ask

from sightline_node.readers import resolved_tree
from sightline_node.readers.reader_functions import Functions
from sightline_store.errors import QueryRejected

_MARKER = "marker-of-a-secret"
_ATTACKS = json.loads((LISTS / "store_attacks.json").read_text(encoding="utf-8"))
_LOOKALIKES = json.loads((LISTS / "store_lookalikes.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of each attack and of each that only looks like one, by name, and of the composed ones."""
    folder = tmp_path_factory.mktemp("attacked")
    done = subprocess.run(
        [sys.executable, LISTS / "attack_runner.py", folder], check=False, capture_output=True, timeout=240
    )
    assert done.returncode == 0, done.stderr.decode()[-1000:]
    came = json.loads(done.stdout)
    return {
        "composed": came["composed"],
        **{kind: {one["name"]: one for one in came[kind]} for kind in ("attacks", "lookalikes")},
    }


@pytest.mark.parametrize("attack", _ATTACKS, ids=lambda attack: attack["name"])
def test_reader_is_refused_what_the_engine_would_do(attack: dict[str, Any], outcomes: dict[str, Any]) -> None:
    """The role is refused by code, without a trace of an effect, and the same statement works for an admin."""
    tried = outcomes["attacks"][attack["name"]]
    assert tried["reader_code"] in ({attack["code"]} if "code" in attack else {497, 60}), tried
    assert not tried["reader_effect"]
    assert _MARKER not in tried["reader_message"]
    if tried["reader_code"] == 497:
        assert "not for the reader role" in tried["reader_message"]
    proof, output = attack["proof"], tried["admin_output"] + tried["admin_message"]
    if proof == "shows":
        assert attack.get("marker", _MARKER) in output
    elif proof == "writes":
        assert tried["wrote"], tried
    elif proof == "connects":
        assert tried["connected"] > 0, tried
    elif proof == "tells":
        assert tried["admin_output"].strip(), tried
    elif proof == "evidence":
        assert re.search(attack["evidence"], output), tried
    else:
        assert proof in {"changes", "runs"}
        assert tried["admin_code"] == 0, tried


@pytest.mark.parametrize("harmless", _LOOKALIKES, ids=lambda harmless: harmless["name"])
def test_reader_may_run_what_only_looks_like_an_attack(harmless: dict[str, Any], outcomes: dict[str, Any]) -> None:
    """Strings, comments, names and every clause of SELECT pass and answer right."""
    came = outcomes["lookalikes"][harmless["name"]]
    assert not came["error"]
    assert harmless["answer"] in came["answer"]


def test_a_call_is_refused_wherever_it_stands(outcomes: dict[str, Any]) -> None:
    """Eighty random nestings: with file() refused, with lower() answered, and with file() real for an admin."""
    assert len(outcomes["composed"]) == 80
    for composed in outcomes["composed"]:
        assert _MARKER in composed["as_admin"], composed
        assert composed["code"] == 497, composed
        assert not composed["harmless"]["error"], composed
        assert _MARKER in composed["harmless"]["answer"], composed


def test_the_list_is_long_and_has_no_doubles() -> None:
    """At least forty attacks, each of its own name and words."""
    assert len(_ATTACKS) >= 100
    for listed in (_ATTACKS, _LOOKALIKES):
        assert len({one["name"] for one in listed}) == len(listed)
        assert len({json.dumps({**one, "name": ""}) for one in listed}) == len(listed)


_FORGED = (
    "x, table_name: otel.mine",
    "x, table_name: otel.mine, final: 0",
    "x, function_name: lower, function_type: ordinary",
    "x, function_name: lower, function_type: ",
    "x, function_name: lower",
    "x, function_name: ",
    "x, table_function_name: numbers",
    "x\n  TABLE id: 9, table_name: otel.mine",
    "x\n  FUNCTION id: 9, function_name: lower, function_type: ordinary, result_type: String",
)
_HIDDEN = (
    "SELECT (SELECT count() FROM system.processes AS `{}`)",
    "SELECT count() FROM system.processes AS `{}`",
    "SELECT hostName() AS `{}`",
    "SELECT (SELECT hostName() AS `{}`)",
    "SELECT arrayMap(demangle, ['a' AS `{}`]) AS `v, {}`",
    "SELECT (SELECT count() FROM merge('system', '^one$') AS `{}`)",
)


@pytest.mark.parametrize("forged", _FORGED)
def test_no_alias_hides_what_the_analyzer_has_resolved(store_url: str, forged: str) -> None:
    """The check of the resolved tree alone refuses, whatever line of that tree an alias looks like."""

    def answer(sql: str, params: Mapping[str, str], fmt: str) -> bytes:
        values = {f"param_{name}": value for name, value in params.items()}
        status, body, _ = ask(store_url, sql.encode(), default_format=fmt, **values)
        assert status == 200, body
        return body

    functions = Functions(answer)
    for sql in _HIDDEN:
        tree = answer(resolved_tree.EXPLAIN + sql.replace("{}", forged.replace("\n", "\\n")), {}, "TSVRaw").decode()
        with pytest.raises(QueryRejected):
            resolved_tree.check(tree, functions, frozenset({"otel"}), lenient=False)

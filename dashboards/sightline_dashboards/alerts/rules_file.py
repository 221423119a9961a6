"""Reads a rules file and says, for whatever is wrong, in which line, rule and field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from sightline_dashboards.alerts.errors import RulesInvalid
from sightline_dashboards.alerts.rules import RulesFile, faults

READY_RULES: Final = "ready_rules.yaml"
_MOST_BYTES: Final = 1 << 20
_KINDS: Final = ("webhook", "slack", "email", "log")
_Place = tuple[str | int, ...]


def ready_text() -> str:
    """The rules that Sightline ships, as text."""
    return resources.files(__package__).joinpath(READY_RULES).read_text(encoding="utf-8")


def load(path: Path | None) -> RulesFile:
    """The rules of a file; without one, those that Sightline ships.

    Raises:
        RulesInvalid: it can't be read, or something in it is wrong.
    """
    if path is None:
        return parse(ready_text(), READY_RULES)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise RulesInvalid(str(path), [": is larger than 1 MiB"])
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "is not UTF-8"
        raise RulesInvalid(str(path), [f": {reason}"]) from exc
    return parse(text, str(path))


def parse(text: str, file: str) -> RulesFile:
    """The rules of a text.

    Args:
        text: YAML.
        file: its name, for messages.

    Raises:
        RulesInvalid: something in it is wrong; all of it is told at once.
    """
    document, lines = _read(text, file)
    if not isinstance(document, dict):
        raise RulesInvalid(file, [":1: needs `version: 1` and `rules:`"])
    try:
        rules = RulesFile.model_validate(document)
    except ValidationError as exc:
        found = [(error["loc"], _words(error)) for error in exc.errors(include_url=False)]
        raise RulesInvalid(file, [_told(place, words, lines, document) for place, words in found]) from exc
    wrong = [_told(place, words, lines, document) for place, words in faults(rules)]
    if wrong:
        raise RulesInvalid(file, wrong)
    return rules


def _read(text: str, file: str) -> tuple[Any, dict[_Place, int]]:
    """A document, and the line, from 1, of each of its keys and items, by path."""
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                # Nested aliases grow without limit, and a line would have several paths.
                raise RulesInvalid(file, [f":{event.start_mark.line + 1}: aliases (*{event.anchor}) are not read"])
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        document = yaml.safe_load(text)
    except yaml.MarkedYAMLError as exc:
        line = exc.problem_mark.line + 1 if exc.problem_mark else 1
        raise RulesInvalid(file, [f":{line}: is no YAML: {exc.problem}"]) from exc
    except yaml.YAMLError as exc:
        raise RulesInvalid(file, [f": is no YAML: {exc}"]) from exc
    return document, dict(_walk(root, (), file)) if root else {}


def _walk(node: yaml.Node, path: _Place, file: str) -> Iterator[tuple[_Place, int]]:
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                raise RulesInvalid(file, [f":{key.start_mark.line + 1}: {key.value!r} is there twice"])
            seen.add(key.value)
            yield (*path, key.value), key.start_mark.line + 1
            yield from _walk(value, (*path, key.value), file)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield (*path, number), value.start_mark.line + 1
            yield from _walk(value, (*path, number), file)


def _told(place: _Place, words: str, lines: Mapping[_Place, int], document: Mapping[str, Any]) -> str:
    """One problem as `:LINE: rule NAME, field PATH: words`."""
    known: _Place = ()
    for step in place:  # pydantic's path also names the kind of a channel, which the file's does not
        if (*known, step) in lines:
            known = (*known, step)
    fields = list(known)
    if place and isinstance(place[-1], str) and place[-1] not in {*known, *_KINDS}:
        fields.append(place[-1])  # a field that is not there
    subject = ""
    if known[:1] == ("rules",) and len(known) > 1:
        subject = _rule_name(document, int(known[1]))
        fields = fields[2:]
    field = f"field {'.'.join(map(str, fields))}" if fields else ""
    where = ", ".join(part for part in (subject, field) if part)
    return f":{lines.get(known, 1)}: {where}{': ' if where else ''}{words}"


def _rule_name(document: Mapping[str, Any], number: int) -> str:
    rules = document.get("rules")
    rule = rules[number] if isinstance(rules, list) and number < len(rules) else None
    name = rule.get("name") if isinstance(rule, dict) else None
    return f"rule {name}" if name else f"rule {number + 1}"


def _words(error: Mapping[str, Any]) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return "there is no such field"
    if kind == "missing":
        return "is missing"
    if kind == "union_tag_not_found":
        return "needs a kind: webhook, slack, email or log"
    if kind == "union_tag_invalid":
        return f"there is no kind {context.get('tag')!r}; there are webhook, slack, email and log"
    if kind == "string_pattern_mismatch":
        return f"{error['input']!r} does not fit: needs {context.get('pattern')}"
    message = str(error["msg"]).removeprefix("Value error, ")
    return message if kind == "value_error" else f"{message[:1].lower()}{message[1:]}"

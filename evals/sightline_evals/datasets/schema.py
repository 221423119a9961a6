"""The columns of a dataset: keys of a JSON line, header of a CSV or TSV file, columns of a Parquet file.

  question            text; needed. RAGAS: user_input
  answer              text; it or reference is needed. RAGAS: response
  contexts            list of texts: the retrieved passages, best first; [] where nothing was found. Needed, except
                      beside reference_contexts. RAGAS: retrieved_contexts
  reference           text: the right answer. RAGAS: reference, formerly ground_truth
  reference_contexts  list of texts: the passages that a right retrieval finds
  id                  text or whole number, unique; made from the question where it is absent
  conversation        text: cases of one conversation stay together when a dataset is split
  must_pass           true or false (default): the case fails a gate by itself
  weight              number above 0 (default 1): the case's part in a weighted mean
  trace_id, span_id   32 and 16 hexadecimal digits of the trace and the span that hold the answer
  tenant, model, note                 texts
  ttft_ms, duration_ms, cost_usd      numbers of at least 0
  input_tokens, output_tokens         whole numbers of at least 0
  metadata            object of anything else; further columns are kept in it under their names

An absent id is the beginning of the question's SHA-256, so that a case keeps it when rows are added. In CSV and TSV
the first row names the columns, an empty cell is an absent value, lists and metadata are JSON in the cell (lists in
Python's notation, as RAGAS writes them, are read too). Texts are UTF-8; half a surrogate pair becomes U+FFFD, as in
the collector, and so does an escaped NUL.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from enum import Enum
from typing import Any, Final

from sightline_evals.datasets.sample import Sample

_DEEPEST: Final = 100
_MOST: Final = 2**53
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_FLAGS: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_IDENTIFIER_DIGITS: Final = {"trace_id": 32, "span_id": 16}


class RowInvalid(ValueError):
    """A row is no case; the message names the column and the need."""


class Kind(Enum):
    """What a column holds."""

    IDENTITY = "a text or a whole number"
    TEXT = "a text"
    TEXTS = 'a list of texts, for example ["A passage."]'
    FLAG = "true or false"
    WEIGHT = "a number above 0"
    AMOUNT = "a number of at least 0"
    COUNT = "a whole number of at least 0"
    HEX = "hexadecimal digits"
    OBJECT = "a JSON object"


@dataclass(frozen=True, slots=True)
class Column:
    """A column; its name is that of the sample's attribute.

    Attributes:
        name: our name.
        kind: what it holds.
        aliases: RAGAS's names for it, present and former.
    """

    name: str
    kind: Kind
    aliases: tuple[str, ...] = ()


COLUMNS: Final = (
    Column("id", Kind.IDENTITY),
    Column("question", Kind.TEXT, ("user_input",)),
    Column("answer", Kind.TEXT, ("response",)),
    Column("contexts", Kind.TEXTS, ("retrieved_contexts",)),
    Column("reference", Kind.TEXT, ("ground_truth",)),
    Column("reference_contexts", Kind.TEXTS),
    Column("conversation", Kind.TEXT),
    Column("must_pass", Kind.FLAG),
    Column("weight", Kind.WEIGHT),
    Column("trace_id", Kind.HEX),
    Column("span_id", Kind.HEX),
    Column("tenant", Kind.TEXT),
    Column("model", Kind.TEXT),
    Column("note", Kind.TEXT),
    Column("ttft_ms", Kind.AMOUNT),
    Column("duration_ms", Kind.AMOUNT),
    Column("cost_usd", Kind.AMOUNT),
    Column("input_tokens", Kind.COUNT),
    Column("output_tokens", Kind.COUNT),
    Column("metadata", Kind.OBJECT),
)
"""All columns in the order in which they are written."""

QUESTION_NAMES: Final = ("question", "user_input")
"""A file without one of these columns is no dataset."""
_DEFAULTS: Final = {
    "answer": "",
    "metadata": {},
    **{field.name: field.default for field in fields(Sample) if field.default is not MISSING},
}
_INDEX_NAMES: Final = frozenset({"", "Unnamed: 0", "__index_level_0__"})  # pandas' numbers of rows
_KNOWN: Final = frozenset(name for column in COLUMNS for name in (column.name, *column.aliases))


def storable(text: str) -> str:
    """The text with half surrogates and NUL as U+FFFD, so that every format and the store can hold it."""
    return _UNSTORABLE.sub("\ufffd", text)


def sample_of(row: Mapping[str, Any], *, from_cells: bool = False) -> Sample:
    """Make a sample from a row; its id is "" where the row has none.

    Args:
        row: values by column name.
        from_cells: values are the texts of cells, in which an empty one is absent and lists are JSON.

    Raises:
        RowInvalid: a value is missing, of another kind, or nested too deep.
    """
    values: dict[str, Any] = {}
    for column in COLUMNS:
        name, value = _find(row, column, from_cells)
        if value is not None:
            values[column.name] = _READERS[column.kind](name, value)
    further = {
        storable(str(name)): _json_value(value)
        for name, value in row.items()
        if name not in _KNOWN and name not in _INDEX_NAMES and not _is_absent(value, from_cells)
    }
    if further:
        values["metadata"] = {**further, **values.get("metadata", {})}
    if not values.get("question"):
        raise RowInvalid("question is missing or empty")
    if not values.get("answer") and not values.get("reference"):
        raise RowInvalid("answer and reference are both missing or empty; needs one of them")
    if "contexts" not in values:
        if not values.get("reference_contexts"):
            raise RowInvalid(f"contexts must be {Kind.TEXTS.value}; write [] where nothing was retrieved")
        values["contexts"] = ()
    return Sample(**{"id": "", "answer": "", **values})


def row_of(sample: Sample) -> dict[str, Any]:
    """The JSON values of a sample by column name, without those that are the default; contexts are always there."""
    row: dict[str, Any] = {}
    for column in COLUMNS:
        value = getattr(sample, column.name)
        if column.name in _DEFAULTS and value == _DEFAULTS[column.name]:
            continue
        row[column.name] = _json_value(value)
    return row


def _find(row: Mapping[str, Any], column: Column, from_cells: bool) -> tuple[str, Any]:
    """(name in the file, value) of a column; None where it is absent."""
    found = [
        (name, row[name])
        for name in (column.name, *column.aliases)
        if name in row and not _is_absent(row[name], from_cells)
    ]
    if not found:
        return column.name, None
    if any(value != found[0][1] for _, value in found):
        names = " and ".join(name for name, _ in found)
        raise RowInvalid(f"{names} mean the same and differ; keep one of them")
    name, value = found[0]
    return name, _from_cell(name, column.kind, value) if from_cells else value


def _is_absent(value: Any, from_cells: bool) -> bool:
    # pandas writes NaN where a text is missing.
    return value is None or (isinstance(value, float) and math.isnan(value)) or (from_cells and not value.strip())


def _from_cell(name: str, kind: Kind, cell: str) -> Any:
    """The JSON value that the text of a cell stands for."""
    text = cell.strip()
    try:
        if kind is Kind.TEXTS:
            return _listed(text)
        if kind is Kind.OBJECT:
            return json.loads(text)
        if kind in (Kind.WEIGHT, Kind.AMOUNT, Kind.COUNT):
            return float(text)
        if kind is Kind.FLAG:
            return _FLAGS[text.lower()]
    except (ValueError, KeyError, RecursionError) as exc:
        example = " in JSON" if kind is Kind.TEXTS else ""
        raise RowInvalid(f"{name} is {_preview(text)}; needs {kind.value}{example}") from exc
    return cell


def _listed(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        try:
            return ast.literal_eval(text)
        except (SyntaxError, MemoryError, RecursionError) as exc:
            raise ValueError("neither JSON nor Python's notation") from exc


def _identity(name: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise RowInvalid(f"{name} must be {Kind.IDENTITY.value}")
    return storable(str(value)).strip()


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        turns = "; a case is one turn: write a row for each, and `conversation`" if isinstance(value, list) else ""
        raise RowInvalid(f"{name} must be a text, not {type(value).__name__}{turns}")
    return storable(value).strip()


def _texts(name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise RowInvalid(f"{name} must be {Kind.TEXTS.value}")
    return tuple(storable(text) for text in value if text.strip())


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise RowInvalid(f"{name} is {_preview(value)}; needs {Kind.FLAG.value}")
    return value


def _weight(name: str, value: Any) -> float:
    return _number(name, value, Kind.WEIGHT, lambda number: number > 0)


def _amount(name: str, value: Any) -> float:
    return _number(name, value, Kind.AMOUNT, lambda number: number >= 0)


def _count(name: str, value: Any) -> int:
    return int(_number(name, value, Kind.COUNT, lambda number: 0 <= number <= _MOST and number == int(number)))


def _number(name: str, value: Any, kind: Kind, is_allowed: Callable[[float], bool]) -> float:
    try:
        number = math.nan if isinstance(value, bool) or not isinstance(value, int | float) else float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number) or not is_allowed(number):
        raise RowInvalid(f"{name} is {_preview(value)}; needs {kind.value}")
    return number


def _hex(name: str, value: Any) -> str:
    digits = _IDENTIFIER_DIGITS[name]
    if not isinstance(value, str) or not re.fullmatch(f"[0-9a-fA-F]{{{digits}}}", value.strip()):
        raise RowInvalid(f"{name} is {_preview(value)}; needs {digits} hexadecimal digits")
    return value.strip().lower()


def _object(name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, str):  # a Parquet column holds it as JSON text
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            value = None
    if not isinstance(value, dict):
        raise RowInvalid(f"{name} must be {Kind.OBJECT.value}")
    cleaned: dict[str, Any] = _json_value(value)
    return cleaned


def _json_value(value: Any, depth: int = 0) -> Any:
    """The value as JSON has it: NaN and infinities are null, what JSON does not have is its text."""
    if depth > _DEEPEST:
        raise RowInvalid(f"holds a value that is nested more than {_DEEPEST} levels deep")
    if isinstance(value, str):
        return storable(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {storable(str(key)): _json_value(member, depth + 1) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(member, depth + 1) for member in value]
    return storable(str(value))


def _preview(value: object, limit: int = 60) -> str:
    text = repr(value) if isinstance(value, str | int | float) else f"a {type(value).__name__}"
    return text if len(text) <= limit else text[: limit - 1] + "…"


_READERS: Final[Mapping[Kind, Callable[[str, Any], Any]]] = {
    Kind.IDENTITY: _identity,
    Kind.TEXT: _text,
    Kind.TEXTS: _texts,
    Kind.FLAG: _flag,
    Kind.WEIGHT: _weight,
    Kind.AMOUNT: _amount,
    Kind.COUNT: _count,
    Kind.HEX: _hex,
    Kind.OBJECT: _object,
}

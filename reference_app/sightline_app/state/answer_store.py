"""Where whole answers are kept for the semantic cache: in Redis, or in this process alone.

In Redis a tenant has three keys, and one small key for each answer that a reader may judge:

============= ==================================================================
order         sorted set of ids, by the moment (us of Redis's clock) of keeping
vectors       hash: id -> vector of the question, float32 in base64
answers       hash: id -> the answer, as JSON
trace:<id>    string: id of the answer that the trace of a request gave
============= ==================================================================

An id is ``<scope>:<digest of the question>``, so the same question is kept once however often it is asked at the same
time. A process keeps a copy of the vectors and asks Redis only for those that are new; the answer itself is read from
Redis each time, so what was forgotten there is never given again.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from sightline_app.retriever import Hit
from sightline_app.settings import AppSettings, CacheSettings
from sightline_app.state.redis_link import RedisLink, open_link
from sightline_app.state.vector_table import VectorTable

Vector = NDArray[np.float32]
_SCRIPTS = Path(__file__).with_name("scripts")
_MAX_TENANTS = 32
_CANDIDATES = 3
"""Nearest rows that are read, since some may be gone."""
_MEMORY_SHARE = 0.8
"""Part of Redis's memory beyond which no answer is kept: conversations and budgets share it and are never evicted."""


@dataclass(frozen=True)
class CachedAnswer:
    """An answer that was given before."""

    question: str
    text: str
    hits: list[Hit]
    """The passages that it cites."""
    input_tokens: int
    output_tokens: int
    took_s: float
    """From the look-up to the answer's end."""
    note: str | None = None
    """What the model says of itself."""
    trace_id: str = ""
    """Of the request that it was made for."""
    age_s: float = 0.0
    similarity: float = 1.0

    def as_json(self) -> str:
        """Return it as a store keeps it."""
        kept = asdict(self)
        del kept["age_s"], kept["similarity"]
        return json.dumps(kept)

    @classmethod
    def from_json(cls, text: str) -> CachedAnswer:
        """Read what `as_json` wrote.

        Raises:
            ValueError: it is something else.
        """
        try:
            kept = json.loads(text)
            return cls(**{**kept, "hits": [Hit(**each) for each in kept["hits"]]})
        except (ValueError, TypeError, KeyError) as exc:
            raise ValueError(f"this is no kept answer: {exc!r}") from exc


class Nearest(NamedTuple):
    """What a look-up found."""

    answer: CachedAnswer | None
    similarity: float
    """Of the nearest question in the scope; 0 where there is none."""
    refused: bool = False
    """Whether a question was near enough, but its answer was not accepted."""


Accepts = Callable[[CachedAnswer], bool]
"""Whether an answer that is near enough may be given."""


class AnswerStore(Protocol):
    """Keeps answers by tenant and scope. Each method raises `StateAway` when the store does not answer."""

    kind: str
    """`redis` or `process`."""

    async def nearest(self, tenant: str, scope: str, vector: Vector, trace_id: str, accepts: Accepts) -> Nearest:
        """Return the nearest answer that is near enough and accepted; `trace_id` points to it from then on."""

    async def keep(self, tenant: str, scope: str, vector: Vector, answer: CachedAnswer) -> bool:
        """Keep an answer; False where the store has no room for it."""

    async def forget(self, tenant: str, trace_id: str) -> bool:
        """Forget the answer that a request got; False where it is not kept."""

    async def close(self) -> None:
        """Let go of connections."""


def open_answers(settings: AppSettings) -> AnswerStore:
    """Return the store that the settings name.

    Its connections to Redis are its own: while Redis refuses to keep answers, conversations and limits go on.

    Raises:
        InvalidSetting: Redis is asked for and no Redis is named that could be asked.
    """
    link = open_link(settings.state, "cached answers")
    return ProcessAnswers(settings.cache) if link is None else RedisAnswers(link, settings.cache)


def entry_id(scope: str, question: str) -> str:
    """Return the id of a question in a scope; case and blanks make no difference."""
    return f"{scope}:{_digest(' '.join(question.casefold().split()))}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _group(scope: str, vector: Vector) -> str:
    """Return the group of a vector in the table: whatever stands in Redis, only vectors of one length are compared."""
    return f"{scope}:{len(vector)}"


class _Copy:
    """The vectors of one tenant, as far as this process knows them."""

    def __init__(self, max_rows: int) -> None:
        self.table = VectorTable(max_rows)
        self.newest = "0"


class RedisAnswers:
    """Answers in Redis, shared by all processes of the app.

    Args:
        link: the server; closed with the store.
        settings: threshold, time to live and bound.
    """

    kind = "redis"

    def __init__(self, link: RedisLink, settings: CacheSettings) -> None:
        self._link = link
        self._settings = settings
        self._ttl_ms = max(1, int(settings.ttl_s * 1000))
        self._copies: OrderedDict[str, _Copy] = OrderedDict()
        self._keep = link.script(_SCRIPTS / "keep_answer.lua")
        self._new = link.script(_SCRIPTS / "new_answers.lua")
        self._read = link.script(_SCRIPTS / "read_answer.lua")
        self._forget = link.script(_SCRIPTS / "forget_answer.lua")

    async def nearest(self, tenant: str, scope: str, vector: Vector, trace_id: str, accepts: Accepts) -> Nearest:
        """Return the nearest answer that is near enough and accepted."""
        table = await self._table(tenant)
        found = table.nearest(_group(scope, vector), vector, _CANDIDATES)
        keys = [_key(tenant, "order"), _key(tenant, "answers"), *_pointer(tenant, trace_id)]
        refused = False
        for row, similarity in found:
            if similarity < self._settings.threshold:
                break
            answer = _answer(await self._read(keys, [row, self._ttl_ms]))
            if answer is None:
                table.drop(row)
            elif accepts(answer):
                return Nearest(replace(answer, similarity=similarity), similarity)
            else:
                refused = True
        return Nearest(None, found[0].similarity if found else 0.0, refused)

    async def keep(self, tenant: str, scope: str, vector: Vector, answer: CachedAnswer) -> bool:
        """Keep an answer; False where Redis is short of memory."""
        settings = self._settings
        keys = [_key(tenant, name) for name in ("order", "vectors", "answers")]
        text = base64.b64encode(np.asarray(vector, dtype="<f4").tobytes()).decode()
        row = entry_id(scope, answer.question)
        arguments: list[str | int] = [
            row,
            text,
            answer.as_json(),
            self._ttl_ms,
            settings.max_entries,
            str(_MEMORY_SHARE),
        ]
        return bool(await self._keep([*keys, *_pointer(tenant, answer.trace_id)], arguments))

    async def forget(self, tenant: str, trace_id: str) -> bool:
        """Forget the answer that a request got."""
        keys = [_key(tenant, name) for name in ("order", "vectors", "answers")]
        return bool(await self._forget([*keys, *_pointer(tenant, trace_id)], [])) if trace_id else False

    async def close(self) -> None:
        """Close the connections."""
        await self._link.close()

    async def _table(self, tenant: str) -> VectorTable:
        """Return the vectors of a tenant after asking for new ones."""
        copy = self._copies.setdefault(tenant, _Copy(self._settings.max_entries))
        self._copies.move_to_end(tenant)
        while len(self._copies) > _MAX_TENANTS:
            self._copies.popitem(last=False)
        keys = [_key(tenant, "order"), _key(tenant, "vectors")]
        told: Sequence[str] = await self._new(keys, [copy.newest, self._settings.max_entries])
        for row, _, text in reversed(list(zip(told[::3], told[1::3], told[2::3], strict=True))):
            vector = _vector(text)
            if vector is not None:
                copy.table.put(_group(row.partition(":")[0], vector), row, vector)
        # Another request may have learned more while this one waited.
        copy.newest = max([copy.newest, *told[1:2]], key=float)
        return copy.table


@dataclass
class _Kept:
    """The answers of one tenant in this process."""

    table: VectorTable
    answers: dict[str, tuple[CachedAnswer, float]] = field(default_factory=dict)
    """Each with the moment of keeping."""
    rows: OrderedDict[str, str] = field(default_factory=OrderedDict)
    """Trace id -> id of the answer that it got."""


class ProcessAnswers:
    """Answers in this process: for one process without Redis. The least recently asked tenants beyond 32 are forgotten.

    Args:
        settings: threshold, time to live and bound.
        clock: seconds that never go back.
    """

    kind = "process"

    def __init__(self, settings: CacheSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._tenants: OrderedDict[str, _Kept] = OrderedDict()

    async def nearest(self, tenant: str, scope: str, vector: Vector, trace_id: str, accepts: Accepts) -> Nearest:
        """Return the nearest answer that is near enough and accepted."""
        kept = self._tenant(tenant)
        found = kept.table.nearest(_group(scope, vector), vector, _CANDIDATES)
        refused = False
        for row, similarity in found:
            if similarity < self._settings.threshold:
                break
            answer, kept_s = kept.answers[row]
            age_s = self._clock() - kept_s
            if age_s > self._settings.ttl_s:
                self._drop(kept, row)
            elif accepts(answer):
                self._point(kept, trace_id, row)
                return Nearest(replace(answer, age_s=age_s, similarity=similarity), similarity)
            else:
                refused = True
        return Nearest(None, found[0].similarity if found else 0.0, refused)

    async def keep(self, tenant: str, scope: str, vector: Vector, answer: CachedAnswer) -> bool:
        """Keep an answer; there is always room."""
        kept, row = self._tenant(tenant), entry_id(scope, answer.question)
        for each in kept.table.put(_group(scope, vector), row, vector):
            kept.answers.pop(each, None)
        kept.answers[row] = answer, self._clock()
        self._point(kept, answer.trace_id, row)
        return True

    async def forget(self, tenant: str, trace_id: str) -> bool:
        """Forget the answer that a request got."""
        kept = self._tenant(tenant)
        row = kept.rows.pop(trace_id, "")
        known = row in kept.answers
        self._drop(kept, row)
        return known

    async def close(self) -> None:
        """Nothing to let go of."""

    def _tenant(self, tenant: str) -> _Kept:
        kept = self._tenants.setdefault(tenant, _Kept(VectorTable(self._settings.max_entries)))
        self._tenants.move_to_end(tenant)
        while len(self._tenants) > _MAX_TENANTS:
            self._tenants.popitem(last=False)
        return kept

    def _point(self, kept: _Kept, trace_id: str, row: str) -> None:
        if trace_id:
            kept.rows[trace_id] = row
            while len(kept.rows) > self._settings.max_entries:
                kept.rows.popitem(last=False)

    @staticmethod
    def _drop(kept: _Kept, row: str) -> None:
        kept.table.drop(row)
        kept.answers.pop(row, None)


def _key(tenant: str, name: str) -> str:
    """Name of a key. A digest, so that no tenant's id names another one's; the braces keep them on one slot."""
    return f"sightline:answers:{{{_digest(tenant)}}}:{name}"


def _pointer(tenant: str, trace_id: str) -> list[str]:
    return [_key(tenant, f"trace:{trace_id}")] if trace_id else []


def _vector(text: str) -> Vector | None:
    """Read a vector; None where somebody else wrote it."""
    try:
        vector = np.frombuffer(base64.b64decode(text, validate=True), dtype="<f4")
    except (binascii.Error, ValueError):
        return None
    return vector if len(vector) and np.isfinite(vector).all() else None


def _answer(told: Sequence[Any]) -> CachedAnswer | None:
    """Read what read_answer.lua returns."""
    if not told:
        return None
    try:
        return replace(CachedAnswer.from_json(told[0]), age_s=int(told[1]) / 1e6)
    except ValueError:
        return None

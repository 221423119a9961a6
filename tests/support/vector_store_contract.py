"""What every vector store of the app is held to, and the table of it in docs/vector-stores.md.

    python tests/support/vector_store_contract.py [--write]

starts each store, checks each capability and prints the table; `--write` puts it into the page. A check returns what
stands in the table, "yes" or what the store has instead, and fails where the store is silent about a lack.
`tests/integration/sightline_app/test_vector_stores.py` runs the same checks and compares.
"""

from __future__ import annotations

import asyncio
import datetime
import functools
import logging
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vector_store_places import DIMENSIONS, TITLES, NotHere, Place, opened

from sightline_app.corpus import Passage, make_passage
from sightline_app.embeddings.protocol import Matrix, unit
from sightline_app.errors import IndexStale, InvalidSetting, RetrievalUnavailable
from sightline_app.retriever import Hit
from sightline_app.vector_stores.freshness import wait_until_searchable
from sightline_app.vector_stores.protocol import VectorStore

PAGE = Path(__file__).parents[2] / "docs" / "vector-stores.md"
BEGIN, END = "<!-- table: tests/support/vector_store_contract.py -->", "<!-- end of table -->"
MANY = 10_000
FIRST_DAY = datetime.date(2020, 1, 1)
TENANTS = ("public", "acme", "public", "globex")
"""Whose passage the first, second, ... is."""
YES = "yes"


def _quiet(done: int, total: int) -> None:
    """Progress that nobody watches."""


def vectors_of(count: int, seed: int) -> Matrix:
    """Return float32[count, DIMENSIONS], random directions."""
    return unit(np.random.default_rng(seed).normal(size=(count, DIMENSIONS)))


def passage_of(number: int, **changes: Any) -> Passage:
    """Return one of the many passages."""
    fields: dict[str, Any] = {
        "title": "",
        "text": f"number{number}",
        "names": [f"passage{number}"],
        "module": f"module{number % 20}",
        "date": (FIRST_DAY + datetime.timedelta(days=number % 1000)).isoformat(),
        "tenant": TENANTS[number % 4],
    }
    return make_passage(**{**fields, **changes})


def document_of(texts: Sequence[str], tenant: str, document: str) -> list[Passage]:
    """Return the passages of an uploaded document, with ids of its own."""
    found = [passage_of(0, title=text, text=text, tenant=tenant) for text in texts]
    namespace = uuid.UUID(document)
    return [
        replace(each, id=str(uuid.uuid5(namespace, str(place))), document=document) for place, each in enumerate(found)
    ]


@functools.cache
def _many() -> tuple[list[Passage], Matrix]:
    return [passage_of(number) for number in range(MANY)], vectors_of(MANY, 1)


@dataclass
class Filled:
    """A store with ten thousand passages."""

    place: Place
    store: VectorStore
    collection: str
    passages: list[Passage]
    vectors: Matrix

    @classmethod
    def at(cls, place: Place) -> Filled:
        """Build the collection."""
        passages, vectors = _many()
        store = place.store()
        return cls(place, store, store.build("many", passages, vectors, _quiet), passages, vectors)

    def search(self, vector: Any, tenant: str, *, limit: int = 10, **more: Any) -> list[Hit]:
        """Search as the app does, by vector only unless `question` says otherwise."""
        return search(self.store, more.pop("collection", self.collection), vector, tenant, limit=limit, **more)


def search(
    store: VectorStore,
    collection: str,
    vector: Any,
    tenant: str,
    limit: int = 10,
    question: str = "",
    since: datetime.date | None = None,
) -> list[Hit]:
    """Search as the app does."""

    async def go() -> list[Hit]:
        retriever = store.retriever(collection)
        try:
            return await retriever.search(question, vector, tenant=tenant, since=since, limit=limit)
        finally:
            await retriever.close()

    return asyncio.run(go())


CAPABILITIES: dict[str, Callable[[Filled], str]] = {}
"""What is checked, by what the table calls it, in the order of the table."""


def capability(title: str) -> Callable[[Callable[[Filled], str]], Callable[[Filled], str]]:
    """Make a check a row of the table."""

    def add(check: Callable[[Filled], str]) -> Callable[[Filled], str]:
        CAPABILITIES[title] = check
        return check

    return add


@capability(f"{MANY:,} vectors")
def many(filled: Filled) -> str:
    """All are counted, and of the ten nearest that a tenant may see, nearly all are found."""
    assert filled.store.count(filled.collection) == MANY
    seen = np.array([each.tenant in {"public", "acme"} for each in filled.passages])
    asked, right = vectors_of(10, 2), 0
    for vector in asked:
        likeness = np.where(seen, filled.vectors @ vector, -np.inf)
        nearest = {filled.passages[row].id for row in np.argsort(-likeness)[:10]}
        found = filled.search(vector, "acme")
        assert len(found) == 10
        assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
        right += len(nearest & {each.id for each in found})
    assert right / (10 * len(asked)) >= 0.9
    return YES


@capability("insert")
def insert(filled: Filled) -> str:
    """When it returns, the passage is found by its vector, with everything that was stored."""
    document, vectors = str(uuid.uuid4()), vectors_of(2, 3)
    passages = document_of(["first of two", "second of two"], "acme", document)
    filled.store.insert(filled.collection, passages, vectors)
    for passage, vector in zip(passages, vectors, strict=True):
        best = filled.search(vector, "acme")[0]
        assert (best.id, best.title, best.text) == (passage.id, passage.title, passage.text)
        assert (best.names, best.module, best.kind) == (passage.names, passage.module, passage.kind)
    filled.store.delete(filled.collection, document)
    return YES


@capability("upsert: a document in the place of itself")
def upsert(filled: Filled) -> str:
    """What a document was is gone, what it is now is found, with others that came with it, and the count is right."""
    document, other, vectors = str(uuid.uuid4()), str(uuid.uuid4()), vectors_of(4, 4)
    before = filled.store.count(filled.collection)
    old = document_of(["old one", "old two"], "acme", document)
    filled.store.insert(filled.collection, old, vectors[:2])
    new, beside = document_of(["new one"], "acme", document), document_of(["beside it"], "acme", other)
    filled.store.insert(filled.collection, [*new, *beside], vectors[2:])
    assert new[0].id == old[0].id
    assert [filled.search(vector, "acme")[0].title for vector in vectors[2:]] == ["new one", "beside it"]
    titles = {each.title for vector in vectors for each in filled.search(vector, "acme")}
    assert not titles & {"old one", "old two"}
    assert filled.store.count(filled.collection) == before + 2
    filled.store.delete(filled.collection, document, other)
    assert filled.store.count(filled.collection) == before
    return YES


@capability("delete")
def delete(filled: Filled) -> str:
    """A document is gone from searches and counts; unknown ones, and an unknown collection, are no error."""
    document, vectors = str(uuid.uuid4()), vectors_of(1, 5)
    before = filled.store.count(filled.collection)
    filled.store.insert(filled.collection, document_of(["to be deleted"], "acme", document), vectors)
    filled.store.delete(filled.collection, document)
    assert "to be deleted" not in {each.title for each in filled.search(vectors[0], "acme")}
    assert filled.store.count(filled.collection) == before
    filled.store.delete(filled.collection, str(uuid.uuid4()))
    filled.store.delete("Nowhere_1", document)
    assert filled.store.count("Nowhere_1") == 0
    return YES


@capability("tenant filter")
def tenant_filter(filled: Filled) -> str:
    """A tenant finds its own passages and the public ones, and the public finds the public ones."""
    of = {each.id: each.tenant for each in filled.passages}
    for tenant in ("acme", "globex", "public"):
        found = [each for vector in vectors_of(2, 6) for each in filled.search(vector, tenant, limit=50)]
        assert {of[each.id] for each in found} == {"public", tenant}
    return YES


@capability("isolation of tenants")
def isolation(filled: Filled) -> str:
    """Nobody finds another's passages: not without a tenant, and not with a name that is no name."""
    own = next(row for row, each in enumerate(filled.passages) if each.tenant == "acme")
    of = {each.id: each.tenant for each in filled.passages}
    names = ("", "*", "ACME", "' OR 1=1 --", '"] or tenant != ["', "acme\\")
    for name in names:
        found = filled.search(filled.vectors[own], name, limit=20)
        assert {of[each.id] for each in found} <= {"public"}, name
    retriever: Any = filled.store.retriever(filled.collection)
    with pytest.raises(TypeError, match="tenant"):
        retriever.search("", filled.vectors[own], since=None, limit=1)
    asyncio.run(retriever.close())
    return YES


@capability("date filter")
def date_filter(filled: Filled) -> str:
    """Passages of an earlier day are left out, together with those of other tenants; that of the day is not."""
    of = {each.id: each for each in filled.passages}
    since = FIRST_DAY + datetime.timedelta(days=990)
    found = [each for vector in vectors_of(2, 7) for each in filled.search(vector, "acme", since=since, limit=50)]
    assert {of[each.id].tenant for each in found} == {"public", "acme"}
    assert min(of[each.id].date for each in found) == since.isoformat()
    assert filled.search(filled.vectors[0], "acme", since=since + datetime.timedelta(days=10)) == []
    return YES


@capability("empty collection")
def empty(filled: Filled) -> str:
    """Without passages, searches find nothing and a first document can be inserted."""
    collection = filled.store.build("empty", [], vectors_of(0, 8), _quiet)
    assert filled.store.count(collection) == 0
    assert filled.search(filled.vectors[0], "acme", collection=collection) == []
    document = str(uuid.uuid4())
    filled.store.insert(collection, document_of(["the first"], "acme", document), vectors_of(1, 9))
    assert filled.search(vectors_of(1, 9)[0], "acme", collection=collection)[0].title == "the first"
    return YES


@capability("Unicode in texts, names and tenants")
def unicode(filled: Filled) -> str:
    """Every text comes back as it was, and a tenant's name can hold anything."""
    text = "Zażółć gęślą jaźń — 東京 🙂\n\t\"'\\ \u202eعربى {x:String} %s ?"
    vectors = vectors_of(1, 10)
    tenant, document = "münchen 東京 🙂 a\"b\\c o'neil", str(uuid.uuid4())
    made = document_of([text], tenant, document)
    filled.store.insert(filled.collection, made, vectors)
    best = filled.search(vectors[0], tenant)[0]
    assert (best.id, best.title, best.text) == (made[0].id, text, text)
    assert made[0].id not in {each.id for each in filled.search(vectors[0], "acme")}
    filled.store.delete(filled.collection, document)
    return YES


@capability("stale index is told")
def stale(filled: Filled) -> str:
    """Passages that the store is said to hold and no search finds are named, and waiting for them ends in an error."""
    missing, vectors = [passage_of(MANY + 1), passage_of(MANY + 2)], vectors_of(2, 11)
    sample, sampled = [filled.passages[0], *missing], np.concatenate([filled.vectors[:1], vectors])
    told = filled.store.unsearchable(filled.collection, sample, sampled)
    assert told == [each.id for each in missing]

    def unsearchable(passages: Sequence[Passage], among: Matrix) -> list[str]:
        return filled.store.unsearchable(filled.collection, passages, among)

    with pytest.raises(IndexStale, match="STALE INDEX") as waited:
        wait_until_searchable(filled.place.backend, sample, sampled, unsearchable, 0.0)
    assert waited.value.missing == told
    return _stale_for_real(filled) if filled.place.late is not None else YES


def _stale_for_real(filled: Filled) -> str:
    """Let the store show a write late: `insert` waits for it, or says that it is not found."""
    assert filled.place.late is not None
    document, vectors = str(uuid.uuid4()), vectors_of(1, 12)
    made = document_of(["late"], "acme", document)
    filled.place.late(0.5)
    filled.store.insert(filled.collection, made, vectors)
    assert filled.search(vectors[0], "acme")[0].title == "late"
    filled.store.delete(filled.collection, document)
    filled.place.late(3600)
    with pytest.raises(IndexStale) as waited:
        filled.place.store(index_wait_s=0.0).insert(filled.collection, made, vectors)
    assert waited.value.missing == [made[0].id]
    filled.place.late(0)
    filled.store.delete(filled.collection, document)
    return YES


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextmanager
def logged() -> Iterator[list[str]]:
    """Yield the lines that the app logs meanwhile."""
    handler, logger = _Lines(), logging.getLogger("sightline.app")
    logger.addHandler(handler)
    try:
        yield handler.lines
    finally:
        logger.removeHandler(handler)


@capability("hybrid search (vectors and words)")
def words(filled: Filled) -> str:
    """A word that one passage holds finds it; a store without words says so at the start, and refuses words alone."""
    wanted = next(each for each in filled.passages[4321:] if each.tenant == "public")
    question = wanted.text  # one word, which only this passage holds
    elsewhere = vectors_of(1, 13)[0]
    with logged() as lines:
        by_words = filled.place.store(alpha=0.5)
        retriever = by_words.retriever(filled.collection)
    asyncio.run(retriever.close())
    if retriever.operation == "hybrid":
        found = search(by_words, filled.collection, elsewhere, "acme", question=question)
        assert wanted.id in {each.id for each in found}
        alone = search(by_words, filled.collection, np.zeros(DIMENSIONS, np.float32), "acme", question=question)
        assert alone[0].id == wanted.id
        return YES
    assert any("SIGHTLINE_APP_ALPHA" in line for line in lines), "the lack of words is not said"
    with pytest.raises(InvalidSetting, match="SIGHTLINE_APP_ALPHA"):
        filled.place.store(alpha=0.0).retriever(filled.collection)
    assert search(filled.store, filled.collection, np.zeros(DIMENSIONS, np.float32), "acme", question=question) == []
    return "vectors only, said at the start"


@capability("vectors of zeros")
def zeros(filled: Filled) -> str:
    """A passage without a known word has one: it is kept and not found by vectors, or refused with its title."""
    document, before = str(uuid.uuid4()), filled.store.count(filled.collection)
    made = document_of(["no known word"], "acme", document)
    try:
        filled.store.insert(filled.collection, made, np.zeros((1, DIMENSIONS), np.float32))
    except RetrievalUnavailable as exc:
        assert "no known word" in str(exc)  # noqa: PT017
        return "refused, naming the passage"
    assert filled.store.count(filled.collection) == before + 1
    filled.store.delete(filled.collection, document)
    return YES


@capability("versions beside each other")
def versions(filled: Filled) -> str:
    """A version that is built again replaces itself only, and those that nobody serves are dropped."""
    passages, vectors = filled.passages[:3], filled.vectors[:3]
    for count in (3, 2):
        collection = filled.store.build("next", passages[:count], vectors[:count], _quiet)
        assert filled.store.count(collection) == count
    assert filled.store.count(filled.collection) == MANY
    filled.store.drop_others({filled.collection})
    assert filled.store.count(collection) == 0
    assert filled.store.count(filled.collection) == MANY
    return YES


@capability("a store that is away")
def away(filled: Filled) -> str:
    """It is not reachable, and a search says so with the app's own error."""
    nowhere = _nowhere(filled.place)
    if nowhere is None:
        return "in the app's process"
    assert not nowhere.reachable()
    with pytest.raises(RetrievalUnavailable):
        search(nowhere, "Contract_1", filled.vectors[0], "acme")
    return YES


def _nowhere(place: Place) -> VectorStore | None:
    settings = place.settings
    if place.backend == "milvus":
        return None
    if place.backend == "pinecone":
        return place.store(pinecone=replace(settings.pinecone, index_host="http://127.0.0.1:9"), search_timeout_s=1.0)
    return place.store(
        store_url="http://127.0.0.1:9", local_weaviate_port=9, local_weaviate_grpc_port=10, search_timeout_s=1.0
    )


def table(cells: dict[str, dict[str, str]]) -> str:
    """Return the table of the page.

    Args:
        cells: capability -> place -> what stands there.
    """
    lines = ["| | " + " | ".join(TITLES.values()) + " |", "|---" * (len(TITLES) + 1) + "|"]
    lines += [f"| {title} | " + " | ".join(row[name] for name in TITLES) + " |" for title, row in cells.items()]
    return "\n".join(lines) + "\n"


def read_table() -> dict[str, dict[str, str]]:
    """Return the cells that stand on the page."""
    text = PAGE.read_text(encoding="utf-8")
    rows = text.partition(BEGIN)[2].partition(END)[0].strip().splitlines()[2:]
    cells = ([cell.strip() for cell in row.strip("| ").split("|")] for row in rows)
    return {title: dict(zip(TITLES, found, strict=True)) for title, *found in cells}


def main() -> int:
    """Check everything and print or write the table."""
    cells: dict[str, dict[str, str]] = {title: {} for title in CAPABILITIES}
    for name in TITLES:
        with tempfile.TemporaryDirectory(prefix="sightline-stores-") as folder:
            try:
                with opened(name, Path(folder)) as place:
                    filled = Filled.at(place)
                    for title, check in CAPABILITIES.items():
                        started = time.monotonic()
                        cells[title][name] = check(filled)
                        sys.stderr.write(f"{name}: {title}: {cells[title][name]}, {time.monotonic() - started:.2f} s\n")
            except NotHere as exc:
                sys.stderr.write(f"!!! NOT WRITTEN: {exc}\n")
                return 2
    made = table(cells)
    if "--write" in sys.argv[1:]:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{made}{END}{rest.partition(END)[2]}", encoding="utf-8")
    sys.stdout.write(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())

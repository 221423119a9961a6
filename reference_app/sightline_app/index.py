"""The index: passages, embedding and a collection in a vector store, kept together by a manifest.

``<data_dir>/manifest.json`` says which collection is served, with which embedding it was built, and which corpora went
into it. A corpus belongs to one tenant (``public`` is for all). An ingest compares fingerprints first and does nothing
when nothing changed; otherwise it builds the new version beside the old one and switches the manifest in one step.
Documents that clients uploaded are a second source of a tenant: a new version gets their passages too.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

import sightline
from sightline import semconv
from sightline_app import embeddings, index_lock
from sightline_app.corpus import Passage, Source, content_version, read_passages, write_passages
from sightline_app.embeddings import LexicalEmbedding, vector_cache
from sightline_app.errors import CorpusError, IndexMissing
from sightline_app.ingestion.folder import UploadFolder
from sightline_app.ingestion.indexing import LAG, PASSAGES, STAGE
from sightline_app.lexicon import Lexicon, weighted_terms
from sightline_app.retriever import PUBLIC, Retriever
from sightline_app.settings import AppSettings
from sightline_app.stages.embed import index_attributes
from sightline_app.vector_stores.opening import choose_store, open_store, warn_of_fallback
from sightline_app.vector_stores.protocol import VectorStore

FORMAT = 6
"""Raise when stored collections or files of an older version can no longer be served."""

SOURCE = "sightline_app.ingest.source"
"""Attribute of `index.ingest`: what was read."""
BUILT = "sightline_app.ingest.built"
"""Attribute of `index.ingest`: whether there was anything to do."""
_SAY_EVERY_S = 10.0
_log = logging.getLogger("sightline.app")


@dataclass(frozen=True)
class CorpusRecord:
    """What is known of one tenant's corpus."""

    source: str
    fingerprint: str
    content: str
    passages: int


@dataclass(frozen=True)
class Manifest:
    """The index that is being served."""

    version: str
    """Hash of everything that went in: corpora, embedding, format."""
    backend: str
    collection: str
    embedding: str
    embedding_version: str
    dimensions: int
    embedding_wish: str
    """The settings that led to the embedding; another wish means another index."""
    corpora: dict[str, CorpusRecord] = field(default_factory=dict)
    vector_index: str = ""
    """Settings of the vector index that are not at their default; others mean another index."""
    format: int = FORMAT

    @property
    def passages(self) -> int:
        """Number of passages of all corpora."""
        return sum(corpus.passages for corpus in self.corpora.values())


def manifest_path(data_dir: Path) -> Path:
    """Return where the manifest is."""
    return data_dir / "manifest.json"


def read_manifest(data_dir: Path) -> Manifest:
    """Return the manifest.

    Raises:
        IndexMissing: nothing was ingested, or with another format.
    """
    try:
        stored = json.loads(manifest_path(data_dir).read_text())
        corpora = {tenant: CorpusRecord(**record) for tenant, record in stored.pop("corpora").items()}
        manifest = Manifest(**stored, corpora=corpora)
    except (OSError, ValueError, TypeError, KeyError) as exc:
        raise IndexMissing(data_dir) from exc
    if manifest.format != FORMAT:
        raise IndexMissing(data_dir)
    return manifest


def write_manifest(data_dir: Path, manifest: Manifest) -> None:
    """Serve another index, in one step. The caller holds the lock of the index alone."""
    draft = manifest_path(data_dir).with_suffix(".draft")
    draft.write_text(json.dumps(asdict(manifest), indent=1))
    draft.replace(manifest_path(data_dir))


def version_folder(data_dir: Path, version: str) -> Path:
    """Return the folder of the files that belong to one index version (lexicon, fitted embedding)."""
    return data_dir / "index" / version


def open_writer(settings: AppSettings, backend: str) -> VectorStore:
    """Return the writing side of the store that the index is in."""
    return open_store(settings, backend)


def open_retriever(settings: AppSettings, manifest: Manifest) -> Retriever:
    """Return the serving side of the store that the index is in.

    Raises:
        MissingExtra: its client is not installed.
        InvalidSetting: it needs a setting that is not there, or cannot search as the settings ask.
    """
    if manifest.backend == "clickhouse":
        warn_of_fallback(settings)
    return open_store(settings, manifest.backend).retriever(manifest.collection)


class Steps:
    """Progress on standard error: a bar on a terminal; elsewhere a line a step, and one now and then in a long one."""

    def __init__(self) -> None:
        self._bar: Any = None

    def step(self, title: str) -> Callable[[int, int], None]:
        """Begin a step; the result is called with what is done and what there is in all."""
        self.close()
        on_terminal = sys.stderr.isatty()
        bar = tqdm(desc=title, unit="", file=sys.stderr, disable=not on_terminal, leave=True)
        self._bar = bar
        if not on_terminal:
            _log.info("%s", title)
        said = time.monotonic()

        def progress(done: int, total: int) -> None:
            nonlocal said
            bar.total = total
            bar.update(done - bar.n)
            if not on_terminal and done < total and time.monotonic() - said > _SAY_EVERY_S:
                said = time.monotonic()
                _log.info("%s: %d of %d", title, done, total)

        return progress

    def close(self) -> None:
        """End the last step's bar."""
        if self._bar is not None:
            self._bar.close()


def ingest(
    settings: AppSettings,
    source: Source,
    *,
    tenant: str = PUBLIC,
    force: bool = False,
    wait_s: float = 3.0,
    changed_at: float = 0.0,
) -> tuple[Manifest, bool]:
    """Bring the index up to date with a source, as one trace of the stage `ingest`.

    Args:
        settings: where everything is.
        source: the documents.
        tenant: whose documents they are; replaces what that tenant had.
        force: build again even when nothing changed.
        wait_s: how long to wait for the vector store; `auto` takes ClickHouse then.
        changed_at: when the source changed last, in seconds since 1970; 0 where that is not known.

    Returns:
        The manifest now in force, and whether anything was built.

    Raises:
        CorpusError: the documents can't be read or hold nothing.
        RetrievalUnavailable: no vector store answers.
    """
    store = choose_store(settings, wait_s)
    with (
        sightline.trace("index.ingest", stage=STAGE, capture="recorded"),
        index_lock.held(settings.data_dir),
    ):
        sightline.identify(tenant=tenant)
        manifest, is_built = _ingest(settings, source, store, tenant, force=force)
        sightline.annotate(
            {
                semconv.DB_SYSTEM_NAME: manifest.backend,
                semconv.DB_COLLECTION_NAME: manifest.collection,
                PASSAGES: manifest.passages,
                SOURCE: source.describe(),
                BUILT: is_built,
            }
        )
        if is_built and changed_at:
            sightline.annotate({LAG: round(max(0.0, time.time() - changed_at), 3)})
        return manifest, is_built


def _ingest(
    settings: AppSettings, source: Source, store: VectorStore, tenant: str, *, force: bool
) -> tuple[Manifest, bool]:
    """Do what `ingest` does, while nobody else writes to the index."""
    try:
        known: Manifest | None = read_manifest(settings.data_dir)
    except IndexMissing:
        known = None
    fingerprint = source.fingerprint()
    wish = embeddings.wish(settings)
    uploads = UploadFolder(settings.data_dir)
    uploaded = sum(document.passages for document in uploads.stored())
    if (
        known is not None
        and not force
        and _is_current(known, store, tenant, fingerprint, wish, settings.vector_index.describe(), uploaded)
    ):
        return known, False
    steps = Steps()
    try:
        return _build(settings, source, store, known, tenant, fingerprint, wish, steps, uploads), True
    finally:
        steps.close()


def _is_current(  # noqa: PLR0917  # one private step of ingest()
    known: Manifest, store: VectorStore, tenant: str, fingerprint: str, wish: str, vector_index: str, uploaded: int
) -> bool:
    corpus = known.corpora.get(tenant)
    return (
        corpus is not None
        and corpus.fingerprint == fingerprint
        and known.embedding_wish == wish
        and known.backend == store.backend
        and known.vector_index == vector_index
        and store.count(known.collection) == known.passages + uploaded
    )


def _build(  # noqa: PLR0917  # one private step of ingest()
    settings: AppSettings,
    source: Source,
    store: VectorStore,
    known: Manifest | None,
    tenant: str,
    fingerprint: str,
    wish: str,
    steps: Steps,
    uploads: UploadFolder,
) -> Manifest:
    corpora_dir = settings.data_dir / "corpora"
    with sightline.trace("corpus.read", stage=STAGE, capture="recorded"):
        passages = source.passages(steps.step(f"reading {source.describe()}"))
        sightline.annotate({PASSAGES: len(passages)})
    if not passages:
        raise CorpusError(f"{source.describe()} holds no passages")
    by_tenant = {tenant: passages}
    records = {tenant: CorpusRecord(source.describe(), fingerprint, content_version(passages), len(passages))}
    for other, record in (known.corpora if known else {}).items():
        if other != tenant:
            by_tenant[other] = read_passages(corpora_dir / f"{_file_name(other)}.jsonl")
            records[other] = record
    order = sorted(by_tenant)
    everything = list({passage.id: passage for name in order for passage in by_tenant[name]}.values())
    # A tenant's private words never shape what others are served with, unless there is nothing else to learn from.
    basis = by_tenant.get(PUBLIC) or everything
    fit = steps.step("counting words")
    lexicon = Lexicon.fit(weighted_terms(passage) for passage in basis)
    fit(1, 1)
    content = hashlib.sha256("|".join(f"{name}:{records[name].content}" for name in order).encode()).hexdigest()[:16]
    fitted_on = records[PUBLIC].content if PUBLIC in records else content

    def fitted() -> LexicalEmbedding:
        progress = steps.step("fitting the lexical embedding")
        made = LexicalEmbedding.fit(basis, lexicon, fitted_on, settings.lexical_dimensions)
        progress(1, 1)
        return made

    embedding = embeddings.choose(settings, fitted)
    everything += [passage for document in uploads.stored() for passage in uploads.passages(document)]
    progress = steps.step(f"embedding with {embedding.name} {embedding.version}")
    with sightline.embedding(embedding.model, provider=embedding.provider, capture="recorded"):
        sightline.annotate({PASSAGES: len(everything), **index_attributes(embedding)})
        if isinstance(embedding, LexicalEmbedding):
            vectors = embedding.embed_passages(everything, progress)
        else:
            vectors = vector_cache.embed(embedding, everything, settings.data_dir / "vectors", progress)
    vector_index = settings.vector_index.describe()
    told = f"{FORMAT}|{content}|{embedding.name}|{embedding.version}{vector_index and '|'}{vector_index}"
    version = hashlib.sha256(told.encode()).hexdigest()[:12]
    folder = version_folder(settings.data_dir, version)
    lexicon.save(folder / "lexicon.json")
    if isinstance(embedding, LexicalEmbedding):
        embedding.save(folder)
    with sightline.trace("index.build", stage=STAGE, capture="recorded"):
        collection = store.build(version, everything, vectors, steps.step(f"writing to {store.backend}"))
        sightline.annotate({PASSAGES: len(everything), semconv.DB_COLLECTION_NAME: collection})
    write_passages(corpora_dir / f"{_file_name(tenant)}.jsonl", passages)
    manifest = Manifest(
        version=version,
        backend=store.backend,
        collection=collection,
        embedding=embedding.name,
        embedding_version=embedding.version,
        dimensions=embedding.dimensions,
        embedding_wish=wish,
        corpora=records,
        vector_index=vector_index,
    )
    write_manifest(settings.data_dir, manifest)
    # The version before stays until the next ingest: apps that serve it need a moment to notice the new one.
    store.drop_others({collection, known.collection} if known else {collection})
    return manifest


def read_corpora(data_dir: Path) -> list[Passage]:
    """Return the passages of all tenants, as they were ingested.

    Raises:
        IndexMissing: nothing was ingested.
        CorpusError: a file of passages is missing or damaged.
    """
    files = [data_dir / "corpora" / f"{_file_name(tenant)}.jsonl" for tenant in read_manifest(data_dir).corpora]
    return [passage for path in files for passage in read_passages(path)]


def _file_name(tenant: str) -> str:
    """Return a file name for a tenant; names are free text, so they are hashed when they are not plain."""
    plain = tenant.isascii() and tenant.replace("-", "").replace("_", "").isalnum() and len(tenant) <= 64
    return tenant if plain else "t-" + hashlib.sha256(tenant.encode()).hexdigest()[:24]

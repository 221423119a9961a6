"""A new version of the whole index with another embedding, in steps that can each be done again.

::

    reembed/<version>/plan.json         what it is made from, and with which embedding
                      passages.jsonl    all passages, as they were at the plan
                      <first row>.npy   vectors of a part of them, float32[n_passages, dimensions]

Until the switch, everything goes on in the index that is served; uploads too. The switch holds the lock of the index,
brings what was uploaded or deleted meanwhile into the new collection, and replaces the manifest in one step. Cached
answers are not given again: their scope names the version.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

import sightline
from sightline import semconv
from sightline_app import embeddings, index_lock
from sightline_app.corpus import Passage, read_passages, write_passages
from sightline_app.embeddings import Embedding, LexicalEmbedding
from sightline_app.embeddings.protocol import Matrix
from sightline_app.errors import CorpusError
from sightline_app.index import (
    FORMAT,
    Manifest,
    open_writer,
    read_corpora,
    read_manifest,
    version_folder,
    write_manifest,
)
from sightline_app.ingestion.folder import UploadFolder
from sightline_app.ingestion.indexing import PASSAGES, STAGE
from sightline_app.lexicon import Lexicon
from sightline_app.retriever import PUBLIC
from sightline_app.settings import AppSettings
from sightline_app.stages.embed import index_attributes

Progress = Callable[[int, int], None]
"""Called with what is done and what there is in all; may raise to stop."""


class IndexChanged(CorpusError):
    """An ingest replaced the index meanwhile: the new version would lose its documents; begin again."""


@dataclass(frozen=True)
class Made:
    """The plan, as its file holds it."""

    version: str
    base: str
    """Version of the index that its passages are from."""
    embedding: str
    embedding_version: str
    model: str
    dimensions: int
    wish: str
    passages: int
    documents: list[str]
    """Uploaded documents whose passages are among them."""


class Reembedding:
    """The steps.

    Args:
        settings: the data folder, and the embedding that is wished for.
    """

    def __init__(self, settings: AppSettings) -> None:
        self._settings = settings
        self._uploads = UploadFolder(settings.data_dir)

    def _home(self, version: str) -> Path:
        return self._settings.data_dir / "reembed" / version

    @sightline.trace("reembed.plan", stage=STAGE, capture="recorded")
    def plan(self, run: str) -> Made:
        """Decide what is embedded, and with what; the same run gets the same plan.

        Args:
            run: id of the run.

        Raises:
            IndexMissing: nothing was ingested.
            InvalidSetting: the embedding cannot be had.
        """
        settings = self._settings
        with index_lock.held(settings.data_dir):
            manifest = read_manifest(settings.data_dir)
            version = hashlib.sha256(f"{FORMAT}|{manifest.version}|{run}".encode()).hexdigest()[:12]
            home = self._home(version)
            if (home / "plan.json").is_file():
                return self._made(version)
            corpora = list({each.id: each for each in read_corpora(settings.data_dir)}.values())
            embedding = self._embedding(manifest, corpora, version)
            documents = self._uploads.stored()
            passages = corpora + [passage for each in documents for passage in self._uploads.passages(each)]
        write_passages(home / "passages.jsonl", passages)
        made = Made(
            version,
            manifest.version,
            embedding.name,
            embedding.version,
            embedding.model,
            embedding.dimensions,
            embeddings.wish(settings),
            len(passages),
            [each.id for each in documents],
        )
        draft = home / "plan.draft"
        draft.write_text(json.dumps(asdict(made)))
        draft.replace(home / "plan.json")
        sightline.annotate({PASSAGES: len(passages)})
        return made

    def _embedding(self, manifest: Manifest, corpora: list[Passage], version: str) -> Embedding:
        """Return the embedding that is wished for, with the files of its version beside those of the index."""
        settings = self._settings
        folder = version_folder(settings.data_dir, version)
        lexicon = Lexicon.load(version_folder(settings.data_dir, manifest.version) / "lexicon.json")

        def fit() -> LexicalEmbedding:
            basis = [each for each in corpora if each.tenant == PUBLIC] or corpora
            return LexicalEmbedding.fit(basis, lexicon, manifest.version, settings.lexical_dimensions)

        embedding = embeddings.choose(settings, fit)
        lexicon.save(folder / "lexicon.json")
        if isinstance(embedding, LexicalEmbedding):
            embedding.save(folder)
        return embedding

    def _made(self, version: str) -> Made:
        try:
            return Made(**json.loads((self._home(version) / "plan.json").read_text()))
        except (OSError, ValueError, TypeError) as exc:
            raise CorpusError(f"the plan of {version} cannot be read ({exc}); begin again") from exc

    def _load(self, made: Made) -> Embedding:
        folder = version_folder(self._settings.data_dir, made.version)
        return embeddings.load(made.embedding, made.embedding_version, made.dimensions, folder, self._settings)

    def embed(self, version: str, start: int, count: int, progress: Progress) -> None:
        """Embed a part of the passages, unless that is done.

        Raises:
            EmbeddingUnavailable: its endpoint did not answer.
        """
        made = self._made(version)
        if self._part(made, start, count) is not None:
            return
        passages = read_passages(self._home(version) / "passages.jsonl")[start : start + count]
        path = self._home(version) / f"{start}.npy"
        draft = path.with_suffix(".draft")
        with draft.open("wb") as file:
            np.save(file, self._vectors(self._load(made), passages, progress))
        draft.replace(path)

    @sightline.embedding(capture="recorded")
    def _vectors(self, embedding: Embedding, passages: list[Passage], progress: Progress) -> Matrix:
        sightline.annotate(
            {
                semconv.GEN_AI_REQUEST_MODEL: embedding.model,
                semconv.GEN_AI_PROVIDER_NAME: embedding.provider,
                semconv.GEN_AI_EMBEDDINGS_DIMENSION_COUNT: embedding.dimensions,
                PASSAGES: len(passages),
                **index_attributes(embedding),
            }
        )
        return embedding.embed_passages(passages, progress)

    def _part(self, made: Made, start: int, count: int) -> Matrix | None:
        """Return the vectors of a part; None where they are not there as a whole."""
        try:
            with (self._home(made.version) / f"{start}.npy").open("rb") as file:
                found: Matrix = np.load(file, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        return found if found.shape == (count, made.dimensions) else None

    @sightline.trace("reembed.build", stage=STAGE, capture="recorded")
    def build(self, version: str, progress: Progress) -> None:
        """Write all passages into the new collection; a second time begins with an empty one.

        Raises:
            CorpusError: vectors are missing.
            RetrievalUnavailable: the vector store did not answer.
        """
        made = self._made(version)
        passages = read_passages(self._home(version) / "passages.jsonl")
        starts = sorted(int(path.stem) for path in self._home(version).glob("*.npy"))
        ends = [*starts[1:], made.passages]
        parts = [self._part(made, start, end - start) for start, end in zip(starts, ends, strict=True)]
        found = [each for each in parts if each is not None]
        if sum(len(each) for each in found) != len(passages):
            raise CorpusError(f"vectors of {version} are missing; begin again")
        store = open_writer(self._settings, read_manifest(self._settings.data_dir).backend)
        (self._home(version) / "collection").write_text(store.build(version, passages, np.concatenate(found), progress))
        sightline.annotate({PASSAGES: len(passages)})

    @sightline.trace("reembed.switch", stage=STAGE, capture="recorded")
    def switch(self, version: str, progress: Progress) -> Manifest:
        """Serve the new version, with what was uploaded and without what was deleted meanwhile.

        Raises:
            IndexChanged: an ingest replaced the index meanwhile.
            Unavailable: the vector store or the embeddings endpoint did not answer.
        """
        with index_lock.held(self._settings.data_dir):
            known = read_manifest(self._settings.data_dir)
            if known.version == version:  # it switched, and was killed before it could say so
                shutil.rmtree(self._home(version), ignore_errors=True)
                return known
            made = self._made(version)
            if known.version != made.base:
                raise IndexChanged(f"an ingest replaced index {made.base} by {known.version} meanwhile; begin again")
            store = open_writer(self._settings, known.backend)
            collection = (self._home(version) / "collection").read_text()
            now = {each.id: each for each in self._uploads.stored()}
            store.delete(collection, *(set(made.documents) - now.keys()))
            fresh = [each for name, each in sorted(now.items()) if name not in made.documents]
            embedding = self._load(made)
            for document in fresh:
                passages = self._uploads.passages(document)
                store.insert(collection, passages, embedding.embed_passages(passages, progress))
            manifest = replace(
                known,
                version=version,
                collection=collection,
                embedding=made.embedding,
                embedding_version=made.embedding_version,
                dimensions=made.dimensions,
                embedding_wish=made.wish,
                vector_index=self._settings.vector_index.describe(),
            )
            write_manifest(self._settings.data_dir, manifest)
            # The version before stays until the next one: apps that serve it need a moment to notice.
            store.drop_others({collection, known.collection})
        sightline.annotate({PASSAGES: made.passages, semconv.DB_COLLECTION_NAME: collection})
        shutil.rmtree(self._home(version), ignore_errors=True)
        return manifest

    @sightline.trace("reembed.discard", stage=STAGE, capture="recorded")
    def discard(self, version: str) -> None:
        """Remove what was made for a version that is not served."""
        with index_lock.held(self._settings.data_dir):
            known = read_manifest(self._settings.data_dir)
            if known.version == version:
                return
            store = open_writer(self._settings, known.backend)
            store.drop_others({known.collection})
        shutil.rmtree(self._home(version), ignore_errors=True)
        shutil.rmtree(version_folder(self._settings.data_dir, version), ignore_errors=True)

"""`sightline-evals canaries`: questions in, canaries out that know what an exact search finds for them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from sightline_evals.datasets.writing import write_bytes
from sightline_evals.drift import canaries, exact
from sightline_evals.errors import UsageError
from sightline_evals.gate import ExitCode

_EPILOG: Final = """\
questions: one JSON object a line: question, and optionally id, tenant, and vector (the question's embedding, a list of
numbers; where every line has it, no endpoint is needed)

examples:
  sightline-evals canaries questions.jsonl --weaviate http://127.0.0.1:8080 --collection Docs \\
      --embeddings http://127.0.0.1:8081/v1 --model bge-small --out canaries.jsonl
  sightline-evals drift --canaries canaries.jsonl --ask http://127.0.0.1:8000/v1/chat

Each question is compared with every vector of the collection, without the index. What is nearest becomes `expected`:
the recall of canaries in `sightline-evals drift` is then the recall against exact search at the time of this command.
Make them anew after documents were changed on purpose. Of another database than Weaviate, write `expected` yourself.

exit codes: 0 written, 2 usage, 3 infrastructure (Weaviate or the endpoint does not answer)
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the subcommand, and return its parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "canaries",
        help="pin what an exact search finds for questions, as canaries of `drift`",
        description="Pin what an exact search of a Weaviate collection finds for questions, as canaries of `drift`.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("questions", metavar="QUESTIONS.jsonl", type=Path, help="questions, one JSON object a line")
    parser.add_argument("--weaviate", required=True, metavar="URL", help="address of Weaviate")
    parser.add_argument("--collection", required=True, metavar="NAME", help="collection that is searched")
    parser.add_argument("--tenant", default="", metavar="NAME", help="tenant, of a collection that has tenants")
    parser.add_argument("--vector", default="", metavar="NAME", help="named vector, where there are several")
    parser.add_argument(
        "--id-property",
        default="",
        metavar="NAME",
        help="property that documents are called by on the spans of searches (default: the object's id)",
    )
    parser.add_argument("--weaviate-header", action="append", default=[], metavar="NAME:VALUE", help="such as a key")
    parser.add_argument("--embeddings", metavar="URL", help="base of an OpenAI-compatible endpoint for the questions")
    parser.add_argument("--model", metavar="NAME", help="model of that endpoint: the one of the collection")
    parser.add_argument("--embeddings-header", action="append", default=[], metavar="NAME:VALUE", help="such as a key")
    parser.add_argument("--depth", type=int, default=5, metavar="K", help="documents a question (default: 5)")
    parser.add_argument(
        "--out", type=Path, default=Path("canaries.jsonl"), metavar="FILE", help="(default: canaries.jsonl)"
    )
    return parser


def run(arguments: argparse.Namespace, env: Mapping[str, str]) -> ExitCode:
    """Embed the questions, search exactly, write the canaries."""
    del env
    if not 1 <= arguments.depth <= canaries.MOST_EXPECTED:
        raise UsageError(f"--depth is {arguments.depth}; needs 1 to {canaries.MOST_EXPECTED}")
    if not arguments.out.parent.is_dir():
        raise UsageError(f"--out {arguments.out}: there is no folder {arguments.out.parent}")
    asked = canaries.read(arguments.questions)
    collection = exact.WeaviateCollection(
        url=arguments.weaviate.rstrip("/"),
        name=arguments.collection,
        tenant=arguments.tenant,
        vector=arguments.vector,
        id_property=arguments.id_property,
        headers=[canaries.header("--weaviate-header", text) for text in arguments.weaviate_header],
    )
    distance = collection.distance()
    found = exact.nearest(collection.pages(), _vectors(arguments, asked), depth=arguments.depth, distance=distance)
    if not found[0]:
        raise UsageError(f"{arguments.collection} holds no object with a vector")
    lines = [
        {"id": each.id, "question": each.question, "expected": ids, **({"tenant": each.tenant} if each.tenant else {})}
        for each, ids in zip(asked, found, strict=True)
    ]
    write_bytes(arguments.out, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode())
    sys.stdout.write(
        f"{len(lines)} canaries in {arguments.out}: the {arguments.depth} nearest documents of {arguments.collection} "
        f"by {distance}, found without its index\n"
    )
    return ExitCode.PASS


def _vectors(arguments: argparse.Namespace, asked: list[canaries.Canary]) -> exact.Matrix:
    """Of the questions: the file's own, else the endpoint's."""
    own = [each.vector for each in asked]
    if all(own):
        if len({len(vector) for vector in own}) > 1:
            raise UsageError(f"{arguments.questions}: the vectors have several lengths")
        return np.asarray(own, dtype=np.float32)
    if not arguments.embeddings or not arguments.model:
        raise UsageError("--embeddings and --model are needed: not every question has a member `vector`")
    headers = [canaries.header("--embeddings-header", text) for text in arguments.embeddings_header]
    return exact.embed(arguments.embeddings, arguments.model, [each.question for each in asked], headers)

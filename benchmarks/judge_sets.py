"""Public sets of answers that people checked against their passages, and the shipped labels of the demo's answers.

The public sets are not part of the project: `public_sets` reads the files of three repositories from a folder.

==========  ===============================================================================================  =========
set         files under the folder                                                                           unfaithful
==========  ===============================================================================================  =========
mtrag       ``mtrag/human_evaluations.json`` of https://github.com/IBM/mt-rag-benchmark (Apache-2.0)          median
                                                                                                             rating <= 3
faithdial   ``groundedness/faithdial_audit/*.csv``, the data audit of                                        a label
            https://github.com/McGill-NLP/FaithDial (MIT)                                                    says so
wice        ``groundedness/wice_{dev,test}.jsonl``, the claims of https://github.com/ryokamoi/wice           not fully
            (annotations ODC-BY)                                                                             supported
==========  ===============================================================================================  =========
"""

from __future__ import annotations

import csv
import json
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sightline_evals.judges.statements import plain


@dataclass(frozen=True, slots=True)
class Checked:
    """One checked answer.

    Attributes:
        answer: what was judged.
        context: its passages, joined by line breaks.
        unsupported: whether people found something in it that the passages do not support.
        group: answers that share passages share a group: it is never split between fitting and measuring.
        part: ``dev`` or ``test``, where a set has parts; else "".
    """

    answer: str
    context: str
    unsupported: bool
    group: str
    part: str = ""


def public_sets(folder: Path) -> dict[str, list[Checked]]:
    """The sets whose files are under `folder`, by name; a set that is not there is left out."""
    readers = {
        "mtrag": (_mtrag, folder / "mtrag" / "human_evaluations.json"),
        "faithdial": (_faithdial, folder / "groundedness" / "faithdial_audit"),
        "wice": (_wice, folder / "groundedness" / "wice_test.jsonl"),
    }
    return {name: list(read(path)) for name, (read, path) in readers.items() if path.exists()}


def demo_set(path: Path) -> list[Checked]:
    """The labelled statements of the demo's answers that claim something, each as an answer, without citation marks."""
    found: list[Checked] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        context = "\n".join(row["contexts"])
        found += [
            Checked(plain(each["text"]), context, each["label"] == "unsupported", row["id"])
            for each in row["statements"]
            if each["label"] != "no claim"
        ]
    return found


def _mtrag(path: Path) -> Iterator[Checked]:
    data = json.loads(path.read_text(encoding="utf-8"))
    texts = {document["document_id"]: document["text"] for document in data["documents"]}
    tasks = {task["task_id"]: task for task in data["tasks"]}
    for evaluation in data["evaluations"]:
        task = tasks[evaluation["task_id"]]
        context = "\n".join(texts[passage["document_id"]] for passage in task["contexts"])
        ratings = [int(rating["value"]) for rating in evaluation["annotations"]["faithfulness"].values()]
        if context and evaluation["model_response"].strip():
            yield Checked(evaluation["model_response"], context, statistics.median(ratings) <= 3, task["task_id"])


def _faithdial(folder: Path) -> Iterator[Checked]:
    for path in sorted(folder.glob("*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                checked = _faithdial_row(row, path.stem)
                if checked is not None:
                    yield checked


def _faithdial_row(row: dict[str, Any], stem: str) -> Checked | None:
    """A reply with its evidence; None for replies that claim nothing, in the words of the audit, or have no label."""
    context = row.get("knowledge") or row.get("evidence") or ""
    answer = row.get("response") or row.get(stem.split("_", maxsplit=1)[0].lower()) or ""
    label = (row.get("begin_label") or row.get("BEGIN") or "").lower()
    hallucinated = "hallucinat" in label
    if not context.strip() or not answer.strip() or not (hallucinated or "entail" in label):
        return None
    return Checked(answer, context, hallucinated, context)


def _wice(test_path: Path) -> Iterator[Checked]:
    for part in ("dev", "test"):
        path = test_path.with_name(f"wice_{part}.jsonl")
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            row = json.loads(line)
            context = "\n".join(row["evidence"])
            group = row["meta"].get("claim_title", row["meta"].get("id", row["claim"]))
            yield Checked(row["claim"], context, row["label"] != "supported", str(group), part)

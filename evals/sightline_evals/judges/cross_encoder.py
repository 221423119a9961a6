"""A classifier of pairs as judge: does the context entail the statement? Runs in this process, by ONNX Runtime.

For cross-encoders of natural language inference (labels entailment, neutral, contradiction) and of factual consistency
(one probability, or consistent and inconsistent). No weights are part of the project: the user names a folder with

    model.onnx       inputs of input_ids, attention_mask and token_type_ids (those that it has), int64[pairs, tokens];
                     first output float[pairs, labels], before softmax, or with one label before the logistic function
    tokenizer.json   of the `tokenizers` library, which joins context and statement as the model was trained
    config.json      with `id2label`, where no setting names the label

A context longer than the model reads is cut into windows that overlap by half; the window that supports the statement
best counts.

Sources: N. Reimers, I. Gurevych, Sentence-BERT, https://arxiv.org/abs/1908.10084, section 2, for cross-encoders;
P. Laban et al., SummaC, https://arxiv.org/abs/2111.09525, for the maximum over parts of the context
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import special

from sightline_evals.errors import JudgeInvalid, UsageError
from sightline_evals.judges import statement_judge
from sightline_evals.judges.statement_judge import DEFAULT_THRESHOLD, StatementJudge
from sightline_evals.onnx_model import INPUTS, OnnxModel, outputs
from sightline_evals.settings import JudgeSettings

VERSION: Final = "onnx-1"
"""Rises with every change to how windows are made and counted. Which model it is says the hash behind it."""

_FOLDER: Final = "SIGHTLINE_JUDGE_ONNX_FOLDER"
_LABEL: Final = "SIGHTLINE_JUDGE_ONNX_LABEL"
_FILES: Final = ("model.onnx", "tokenizer.json")
_SUPPORTING: Final = frozenset({"entailment", "entail", "entailed", "consistent", "supported", "faithful"})
_LEAST_WINDOW: Final = 16
_KEPT: Final = 512


@dataclass(frozen=True, slots=True)
class PairEvidence:
    """What the classifier says of one statement.

    Attributes:
        p_unsupported: 1 less the probability of the best window.
        window: which one that is, from 1.
        windows: how many the context has.
    """

    p_unsupported: float
    window: int
    windows: int

    def reason(self) -> str:
        """The evidence as a short text for a person."""
        where = f" in part {self.window} of {self.windows}" if self.windows > 1 else ""
        return f"p(unsupported)={self.p_unsupported:.2f}: best supported{where}"


class CrossEncoderJudge(StatementJudge):
    """Judges statements by a classifier of pairs.

    Args:
        session: an `onnxruntime.InferenceSession`.
        tokenizer: a `tokenizers.Tokenizer`.
        name: of the judge.
        digest: says which model, tokenizer and label it is.
        label: number of the output that says "supported"; None with one output.
        settings: window, batch and threshold.

    Raises:
        UsageError: the model has an input that is not known.
    """

    def __init__(
        self, session: Any, tokenizer: Any, *, name: str, digest: str, label: int | None, settings: JudgeSettings
    ) -> None:
        self.threshold = DEFAULT_THRESHOLD if settings.threshold is None else settings.threshold
        self._session = session
        self._tokenizer = tokenizer
        self._name = name
        self._digest = digest
        self._label = label
        self._tokens = settings.onnx_tokens
        self._batch = settings.onnx_batch
        if unknown := {each.name for each in session.get_inputs()} - INPUTS:
            raise UsageError(
                f"{_FOLDER}: the model wants {', '.join(sorted(unknown))}; known are {', '.join(sorted(INPUTS))}"
            )
        self._kept: OrderedDict[tuple[str, str], PairEvidence] = OrderedDict()

    @classmethod
    def read(cls, settings: JudgeSettings) -> CrossEncoderJudge:
        """The judge of the folder that the settings name.

        Raises:
            UsageError: no folder is named, a file is missing or cannot be used, or the label is not known.
        """
        folder = settings.onnx_folder
        if folder is None:
            raise UsageError(f"--judge onnx needs a model: set {_FOLDER} to a folder with {', '.join(_FILES)}")
        model = OnnxModel(folder / "model.onnx", "--judge onnx", settings.onnx_threads)
        label = _label_of(model.session, folder / "config.json", settings.onnx_label)
        return cls(
            model.session,
            model.tokenizer,
            name=f"onnx {folder.resolve().name}",
            digest=_digest(folder, label, settings),
            label=label,
            settings=settings,
        )

    @property
    def name(self) -> str:
        """``onnx`` and the name of the folder."""
        return self._name

    @property
    def version(self) -> str:
        """`VERSION`, eight digits of a hash over files, label and window, and a threshold that is not the default."""
        version = f"{VERSION}+{self._digest}"
        return version if self.threshold == DEFAULT_THRESHOLD else f"{version}@{self.threshold:g}"

    def evidence(self, statement: str, context: str) -> statement_judge.Evidence:
        """Evidence against one statement; kept, since several metrics ask for it."""
        return self.evidences([statement], context)[0]

    def evidences(self, texts: Sequence[str], context: str) -> list[statement_judge.Evidence]:
        """Evidence against each of some statements, in batches.

        Raises:
            JudgeInvalid: the model's output is not of the form that the module names.
        """
        keys = [(text, context) for text in texts]
        known = {key: self._kept[key] for key in keys if key in self._kept}
        missing = list(dict.fromkeys(key for key in keys if key not in known))
        pairs: list[tuple[str, str]] = []
        parts: list[range] = []
        for text, _ in missing:
            windows = self._windows(text, context)
            parts.append(range(len(pairs), len(pairs) + len(windows)))
            pairs += [(window, text) for window in windows]
        supported = self._supported(pairs)
        for key, part in zip(missing, parts, strict=True):
            best = int(np.argmax(supported[part.start : part.stop]))
            p_unsupported = 1 - float(supported[part.start + best])
            known[key] = self._kept[key] = PairEvidence(p_unsupported, best + 1, len(part))
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return [known[key] for key in keys]

    def useful(self, question: str, context: str, answer: str) -> tuple[bool, str]:
        """Whether a context supports a statement of the answer."""
        del question
        found = [each.p_unsupported for each in self.evidences(self.statements(answer), context)]
        if found and min(found) < self.threshold:
            return True, f"supports a statement of the answer (p(unsupported)={min(found):.2f})"
        return False, "supports no statement of the answer"

    async def close(self) -> None:
        """Nothing to close."""

    def _windows(self, statement: str, context: str) -> list[str]:
        """The context in parts that fit beside the statement, each of which begins in the middle of the one before."""
        special_tokens = self._tokenizer.num_special_tokens_to_add(is_pair=True)
        of_statement = len(self._tokenizer.encode(statement, add_special_tokens=False).ids)
        size = max(_LEAST_WINDOW, self._tokens - special_tokens - of_statement)
        offsets = self._tokenizer.encode(context, add_special_tokens=False).offsets
        windows = []
        for begin in range(0, max(1, len(offsets)), max(1, size // 2)):
            part = offsets[begin : begin + size]
            windows.append(context[part[0][0] : part[-1][1]] if part else context)
            if begin + size >= len(offsets):
                break
        return windows

    def _supported(self, pairs: Sequence[tuple[str, str]]) -> npt.NDArray[np.float64]:
        """Probability that each context supports its statement, float64[pairs]."""
        self._tokenizer.enable_truncation(self._tokens, strategy="longest_first")
        self._tokenizer.enable_padding()
        found = np.empty(len(pairs))
        try:
            for begin in range(0, len(pairs), self._batch):
                encoded = self._tokenizer.encode_batch(list(pairs[begin : begin + self._batch]))
                found[begin : begin + len(encoded)] = self._probabilities(encoded)
        finally:
            self._tokenizer.no_truncation()
            self._tokenizer.no_padding()
        return found

    def _probabilities(self, encoded: Sequence[Any]) -> npt.NDArray[np.float64]:
        try:
            logits = np.asarray(outputs(self._session, encoded), dtype=np.float64)
        except Exception as exc:  # ONNX Runtime's classes have no common root but this
            raise JudgeInvalid(f"the model of {self._name} failed: {' '.join(str(exc).split())[:200]}") from exc
        if logits.ndim != 2 or len(logits) != len(encoded) or not np.isfinite(logits).all():
            raise JudgeInvalid(
                f"the model of {self._name} gave {list(logits.shape)} numbers for {len(encoded)} pairs, "
                f"{int(np.sum(~np.isfinite(logits)))} of them not finite; needs [pairs, labels]"
            )
        labels = logits.shape[1]
        if self._label is None and labels == 1:
            return np.asarray(special.expit(logits[:, 0]))
        if self._label is None or self._label >= labels:
            raise JudgeInvalid(f"the model of {self._name} has {labels} labels; {_LABEL} is to name one of them")
        return np.asarray(special.softmax(logits, axis=1)[:, self._label])


def _label_of(session: Any, config: Path, named: str) -> int | None:
    """Number of the output that says "supported"; None where the model has one output.

    Raises:
        UsageError: it is not known.
    """
    known = (session.get_outputs()[0].shape or [None])[-1]  # a text where the model leaves it open
    if known == 1:
        return None
    if named.isdigit():
        if isinstance(known, int) and int(named) >= known:
            raise UsageError(f"{_LABEL} is {named}; the model's labels are 0 to {known - 1}")
        return int(named)
    try:
        labels = {int(key): str(text) for key, text in json.loads(config.read_text("utf-8"))["id2label"].items()}
    except FileNotFoundError:
        labels = {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise UsageError(f"{config}: has no id2label that can be read: {exc!r}; {_LABEL} may be a number") from exc
    if len(labels) == 1 and not named:
        return None
    wanted = {named.lower()} if named else _SUPPORTING
    found = [place for place, text in labels.items() if text.lower() in wanted]
    if len(found) != 1:
        there = ", ".join(f"{place} {text}" for place, text in sorted(labels.items())) or "no config.json with id2label"
        raise UsageError(f"which label says that the context supports the statement? Set {_LABEL}; there is {there}")
    return found[0]


def _digest(folder: Path, label: int | None, settings: JudgeSettings) -> str:
    digest = hashlib.sha256(f"{label} {settings.onnx_tokens}".encode())
    for name in _FILES:
        with (folder / name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:8]

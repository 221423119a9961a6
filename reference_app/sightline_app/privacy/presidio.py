"""Names of people, recognized by Presidio. An optional engine: the extra `presidio` and a spaCy model.

Source: https://microsoft.github.io/presidio/analyzer/customizing_nlp_models/
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from sightline_app.errors import InvalidSetting, MissingExtra
from sightline_app.privacy.finder import Found

SETTING: Final = "SIGHTLINE_APP_NAMES"
"""Setting that asks for this engine."""


class PresidioNames:
    """Recognizes names; one instance serves all requests.

    Args:
        model: installed spaCy model with entities, such as ``en_core_web_sm``, or its folder.
        language: two letters of that model.
        min_score: least score of an entity, from 0 to 1.

    Raises:
        MissingExtra: Presidio is not installed.
        InvalidSetting: the spaCy model is not installed.
    """

    def __init__(self, model: str, language: str, min_score: float) -> None:
        try:
            analyzer = importlib.import_module("presidio_analyzer")
            nlp_engine = importlib.import_module("presidio_analyzer.nlp_engine")
        except ImportError as exc:
            raise MissingExtra(SETTING, "presidio", "presidio") from exc
        # Presidio downloads a model that is missing; a server must not.
        if not importlib.import_module("spacy").util.is_package(model) and not Path(model).is_dir():
            way_out = "needs the name of an installed spaCy model, or the folder of one"
            raise InvalidSetting("SIGHTLINE_APP_NAMES_MODEL", model, way_out)
        models = [{"lang_code": language, "model_name": model}]
        provider = nlp_engine.NlpEngineProvider(nlp_configuration={"nlp_engine_name": "spacy", "models": models})
        self._analyzer: Any = analyzer.AnalyzerEngine(
            nlp_engine=provider.create_engine(), supported_languages=[language]
        )
        self._language = language
        self._min_score = min_score

    def __call__(self, text: str) -> Iterable[Found]:
        """Return the names of people in a text."""
        results = self._analyzer.analyze(
            text, language=self._language, entities=["PERSON"], score_threshold=self._min_score
        )
        return [Found("name", each.start, each.end) for each in sorted(results, key=lambda each: each.start)]

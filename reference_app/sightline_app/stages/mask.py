"""Masking: decides what the model, the embeddings endpoint and the vector store may see of this tenant's texts.

Each is a destination with an address; a second model, where there is one, is another. A destination in the tenant's
region sees everything; another one sees placeholders instead of personal data, or nothing: then the request is refused
before anything has left. The request can do without the second model, so it is then not asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import sightline
from sightline import semconv
from sightline_app import prompt
from sightline_app.errors import RequestRefused
from sightline_app.privacy.finder import NameFinder
from sightline_app.privacy.placeholders import Placeholders, Unmasking
from sightline_app.privacy.presidio import PresidioNames
from sightline_app.privacy.residency import Residency, Ruling, Sees
from sightline_app.privacy.residency_file import read_residency
from sightline_app.retriever import Hit
from sightline_app.settings import PrivacySettings
from sightline_app.stages.events import Question

NAME = "residency"
"""Name on spans."""
MODEL = "model"
LARGE_MODEL = "large-model"
EMBEDDINGS = "embeddings"
STORE = "store"
_RULINGS = "sightline_app.residency.rulings"


@dataclass(frozen=True)
class Masked:
    """What the destinations of one request get."""

    placeholders: Placeholders
    rulings: Mapping[str, Ruling]

    def sees(self, destination: str) -> Sees:
        """Return what a destination may see of this tenant's texts."""
        ruling = self.rulings.get(destination)
        return Sees.ALL if ruling is None else ruling.sees

    def text_for(self, destination: str, text: str) -> str:
        """Return a text as a destination may see it."""
        return self.placeholders.mask(text) if self.sees(destination) is Sees.MASKED else text

    def history_for(self, destination: str, history: Sequence[prompt.Message]) -> list[prompt.Message]:
        """Return earlier messages as a destination may see them."""
        return [{**message, "content": self.text_for(destination, message["content"])} for message in history]

    def hits_for(self, destination: str, hits: Sequence[Hit]) -> list[Hit]:
        """Return passages as a destination may see them."""
        return [
            replace(hit, title=self.text_for(destination, hit.title), text=self.text_for(destination, hit.text))
            for hit in hits
        ]

    def unmasking(self) -> Unmasking:
        """Return what puts the values back into the answer's stream."""
        return Unmasking(self.placeholders)


class MaskStage:
    """Applies the residency rules.

    Args:
        settings: the file of rules, kinds and the engine for names.
        addresses: of each destination that texts are sent to; one that is in this process has none.

    Raises:
        ResidencyFileInvalid: the file cannot be used.
        MissingExtra: the engine for names is not installed.
    """

    def __init__(self, settings: PrivacySettings, addresses: Mapping[str, str]) -> None:
        self._settings = settings
        self._addresses = dict(addresses)
        self._residency = read_residency(settings.residency_file) if settings.residency_file else Residency()
        self._on = settings.mask == "always" or settings.residency_file is not None
        self._names: NameFinder | None = None
        if settings.names == "presidio":
            self._names = PresidioNames(settings.names_model, settings.names_language, settings.names_min_score)

    def apply(self, question: Question) -> Masked:
        """Return what each destination gets; a stage that is turned off makes no span.

        Raises:
            RequestRefused: a destination may see nothing of this tenant's texts.
        """
        return self._apply(question.tenant) if self._on else Masked(Placeholders(()), {})

    @sightline.guardrail(NAME, capture="none")
    def _apply(self, tenant: str) -> Masked:
        rulings = {name: self._ruling(tenant, address) for name, address in self._addresses.items()}
        told = {name: f"{each.sees.value}: {each.reason}" for name, each in rulings.items()}
        refused = {n: each for n, each in rulings.items() if each.sees is Sees.NOTHING and n != LARGE_MODEL}
        masked = sorted(name for name, each in rulings.items() if each.sees is Sees.MASKED)
        reason = "data_residency" if refused else f"masked for {', '.join(masked)}" if masked else None
        sightline.annotate({semconv.GUARDRAIL_FLAGGED: bool(refused), semconv.GUARDRAIL_REASON: reason, _RULINGS: told})
        for name, ruling in refused.items():
            raise RequestRefused(
                f"the {name} cannot be used for tenant {tenant}: {ruling.reason}", kind="data_residency", status=403
            )
        kinds = {kind for each in rulings.values() for kind in each.kinds}
        return Masked(Placeholders(kinds, self._names), rulings)

    def _ruling(self, tenant: str, address: str) -> Ruling:
        if self._settings.mask == "always":
            provider = self._residency.provider_at(address)
            always = "SIGHTLINE_APP_MASK=always"
            return Ruling(Sees.MASKED, provider.name, provider.region, always, self._settings.mask_kinds)
        return self._residency.ruling(tenant, address)

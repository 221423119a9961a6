"""What a run may spend on its judge, and what it has spent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from sightline_evals.errors import BudgetReached

_CHARS_A_TOKEN: Final = 4
_FIRST_GUESS_OUTPUT: Final = 300


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens."""

    input: float
    output: float

    def of(self, input_tokens: int, output_tokens: int) -> float:
        """US dollars of so many tokens."""
        return (self.input * input_tokens + self.output * output_tokens) / 1e6


class Budget:
    """Counts calls and tokens, and stops calls that would exceed a limit.

    A call that runs is counted with an estimate until its tokens are known, so that calls at the same time do not
    exceed the limit together. The answer of a call is longer or shorter than estimated: the limit can be exceeded by
    the difference.

    Args:
        price: of the judge's model; None where it is unknown.
        usd: most US dollars; None for no limit. Needs a price.
        tokens: most tokens, input and output together; None for no limit.
    """

    def __init__(self, price: Price | None = None, *, usd: float | None = None, tokens: int | None = None) -> None:
        self._price = price
        self._usd = usd
        self._tokens = tokens
        self.calls = 0
        self.cached_calls = 0
        self.input_tokens = 0
        self.output_tokens = 0
        self._answers = 0
        self._running_input = 0
        self._running = 0
        self._tokens_before = 0
        self._usd_before = 0.0
        self.reached = ""
        """What stopped the calls; "" while nothing did."""

    @property
    def cost_usd(self) -> float | None:
        """US dollars spent; None where the price is unknown."""
        return None if self._price is None else self._price.of(self.input_tokens, self.output_tokens)

    def renew(self) -> None:
        """Begin to count towards the limits anew; what was spent in all stays known."""
        self._tokens_before = self.input_tokens + self.output_tokens
        self._usd_before = self.cost_usd or 0.0
        self.reached = ""

    @contextmanager
    def call(self, prompt: str) -> Iterator[None]:
        """Around one call: refuses it where the budget does not last.

        Raises:
            BudgetReached: it does not, or did not for an earlier call.
        """
        estimate = len(prompt) // _CHARS_A_TOKEN
        self._check(estimate)
        self.calls += 1
        self._running += 1
        self._running_input += estimate
        try:
            yield
        finally:
            self._running -= 1
            self._running_input -= estimate

    def spent(self, input_tokens: int, output_tokens: int) -> None:
        """Count the tokens of a call that was answered."""
        self._answers += 1
        self.input_tokens += input_tokens
        self.output_tokens += output_tokens

    def _check(self, estimate: int) -> None:
        each_output = self.output_tokens // self._answers if self._answers else _FIRST_GUESS_OUTPUT
        inputs = self.input_tokens + self._running_input + estimate
        outputs = self.output_tokens + (self._running + 1) * each_output
        if not self.reached and self._tokens is not None and inputs + outputs - self._tokens_before > self._tokens:
            spent = self.input_tokens + self.output_tokens - self._tokens_before
            self.reached = f"--budget-tokens {self._tokens} does not last for another call: {spent} spent"
        if not self.reached and self._usd is not None and self._price is not None:
            spent_usd = self._price.of(self.input_tokens, self.output_tokens) - self._usd_before
            if spent_usd + self._price.of(inputs - self.input_tokens, outputs - self.output_tokens) > self._usd:
                self.reached = f"--budget-usd {self._usd:g} does not last for another call: ${spent_usd:.4f} spent"
        if self.reached:
            raise BudgetReached(self.reached)

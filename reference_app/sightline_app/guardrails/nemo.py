"""NeMo Guardrails as the engine: our rules are actions of its rails, beside the rails that a team brings.

Optional: the extra `nemo`, imported only when ``SIGHTLINE_APP_GUARD_ENGINE=nemo``. Without a folder of its own the
configuration below is used, which needs no language model. A team's folder may run the same rules in its flows with
``execute sightline_check_question(text=$user_message)`` and ``execute sightline_check_answer(text=$bot_message)``.

Source: https://docs.nvidia.com/nemo/guardrails/latest/python-api.html (RailsConfig, LLMRails.register_action,
LLMRails.check_async)
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from sightline_app.errors import InvalidSetting, MissingExtra
from sightline_app.guardrails.decision import PASSED, Decision

REASON: Final = "nemo_rail"
"""Reason where a rail of the team blocked."""

_YAML: Final = """\
models: []
rails:
  input:
    flows:
      - sightline check question
  output:
    flows:
      - sightline check answer
"""
_COLANG: Final = """\
define bot sightline refuses
  "refused"

define subflow sightline check question
  $decision = execute sightline_check_question(text=$user_message)
  if $decision.flagged
    bot sightline refuses
    stop

define subflow sightline check answer
  $decision = execute sightline_check_answer(text=$bot_message)
  if $decision.flagged
    bot sightline refuses
    stop
"""

Judge = Callable[[str], Decision]


class NemoEngine:
    """Runs rails; one instance serves all requests.

    Args:
        judge_question: our rules for questions.
        judge_answer: our rules for whole answers.
        config: folder of a NeMo configuration; None for our own rules alone.

    Raises:
        MissingExtra: NeMo Guardrails is not installed.
        InvalidSetting: the folder holds no configuration that it can load.
    """

    def __init__(self, judge_question: Judge, judge_answer: Judge, config: Path | None = None) -> None:
        try:
            nemo = importlib.import_module("nemoguardrails")
            options = importlib.import_module("nemoguardrails.rails.llm.options")
        except ImportError as exc:
            raise MissingExtra("SIGHTLINE_APP_GUARD_ENGINE", "nemo", "nemo") from exc
        try:
            if config is None:
                loaded = nemo.RailsConfig.from_content(colang_content=_COLANG, yaml_content=_YAML)
            else:
                loaded = nemo.RailsConfig.from_path(str(config))
            self._rails: Any = nemo.LLMRails(loaded)
        except Exception as exc:  # NeMo has no root of its errors
            raise InvalidSetting("SIGHTLINE_APP_NEMO_CONFIG", config, f"NeMo cannot load it: {exc}") from exc
        self._judges = {"input": judge_question, "output": judge_answer}
        self._types = {"input": options.RailType.INPUT, "output": options.RailType.OUTPUT}
        self._has = {"input": bool(loaded.rails.input.flows), "output": bool(loaded.rails.output.flows)}
        self._rails.register_action(_action(judge_question), "sightline_check_question")
        self._rails.register_action(_action(judge_answer), "sightline_check_answer")

    async def question(self, text: str) -> Decision:
        """Run the input rails on a question."""
        return await self._run("input", text, [{"role": "user", "content": text}])

    async def answer(self, question: str, text: str) -> Decision:
        """Run the output rails on a whole answer."""
        messages = [{"role": "user", "content": question}, {"role": "assistant", "content": text}]
        return await self._run("output", text, messages)

    async def _run(self, kind: str, text: str, messages: list[dict[str, str]]) -> Decision:
        if not self._has[kind]:
            return PASSED
        result = await self._rails.check_async(messages, rail_types=[self._types[kind]])
        if result.status.value != "blocked":
            return PASSED
        ours = self._judges[kind](text)
        return ours if ours.flagged else Decision(True, f"nemo.{result.rail or kind}", REASON, None, 1.0)


def _action(judge: Judge) -> Callable[..., Any]:
    async def check(text: str) -> dict[str, Any]:
        decision = judge(text)
        return {"flagged": decision.flagged, "rule": decision.rule, "reason": decision.reason, "score": decision.score}

    return check

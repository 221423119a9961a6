"""Calls that a type checker must refuse: each marked line is an error for mypy. Never run."""

import sightline


@sightline.llm("m")
def decorated(prompt: str) -> str:
    """A decorated function."""
    return prompt


decorated(1)  # refused
decorated("a", "b")  # refused
number: int = decorated("a")  # refused
sightline.identify("s")  # refused
sightline.llm(5)  # refused
sightline.feedback("good")  # refused
sightline.feedback(True, request_id=("a",))  # refused
sightline.instrument("fastapi")  # refused
sightline.configure(redact=5)  # refused
broken = sightline.masks.EMAIL | 5  # refused

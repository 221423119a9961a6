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

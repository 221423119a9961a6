"""How many tokens a text has, without its model's tokenizer."""

from __future__ import annotations

_BYTES_PER_TOKEN = 3


def estimate_tokens(text: str) -> int:
    """Return a number of tokens that is rarely too small: one for three bytes of UTF-8.

    English prose has about 4.5 bytes a token in common sub-word vocabularies, code about 3.5.
    """
    return -(-len(text.encode("utf-8", "surrogatepass")) // _BYTES_PER_TOKEN)

"""Images, audio and files in captured values become references: media type, size, and a digest to recognise it.

``{"type": "image", "mime": "image/png", "bytes": 48213, "sha256": "9f86d0..."}`` stands for raw bytes, ``data:`` URLs,
base64 parts of chat messages (OpenAI's, Anthropic's, Gemini's and OpenTelemetry's shapes) and PIL-like objects, which
have their size in pixels instead. The same picture has the same digest in each of these forms. Above
``DIGEST_LIMIT_BYTES`` the digest is left out: hashing runs on the caller's thread.
"""

import binascii
import re
from collections.abc import Mapping
from typing import Any, Final

DIGEST_LIMIT_BYTES: Final = 4 * 1024 * 1024
"""Larger media have no digest."""
DATA_MARK: Final = ";base64,"
"""What a ``data:`` URL with base64 content has in it."""
_DATA_URL: Final = re.compile(
    r"data:([\w.+-]{1,100}/[\w.+-]{1,100})?(?:;[\w=.+-]{1,100}){0,4};base64,([A-Za-z0-9+/=_-]*+)"
)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/=_\-\r\n]++\Z")
_SHORTEST_BASE64_CHARS: Final = 64
_CONTENT_KEYS: Final = ("data", "b64_json", "content", "file_data")
_MIME_KEYS: Final = ("media_type", "mime_type", "mimeType", "mime")
_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"%PDF-", "application/pdf"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"PK\x03\x04", "application/zip"),
)
_UNKNOWN_MIME: Final = "application/octet-stream"


def of_bytes(value: bytes | bytearray | memoryview, mime: str | None = None) -> dict[str, Any]:
    """Return the reference for raw bytes; the media type is read from the first bytes when it is not given."""
    size = value.nbytes if isinstance(value, memoryview) else len(value)
    mime_type = mime or _mime_of_head(bytes(value[:16]) if not isinstance(value, memoryview) else b"")
    reference: dict[str, Any] = {"type": _kind(mime_type), "mime": mime_type, "bytes": size}
    if size <= DIGEST_LIMIT_BYTES:
        import hashlib  # noqa: PLC0415  loads OpenSSL: only where there are media

        reference["sha256"] = hashlib.sha256(value).hexdigest()
    return reference


def of_base64(text: str, mime: str | None = None) -> dict[str, Any]:
    """Return the reference for base64 text; nothing larger than the digest's limit is decoded."""
    size = max(len(text) * 3 // 4 - text.count("=", -2), 0)
    if size <= DIGEST_LIMIT_BYTES:
        try:
            standard = text.translate(_URL_SAFE)
            return of_bytes(binascii.a2b_base64(standard + "=" * (-len(standard) % 4)), mime)
        except ValueError:
            pass  # not base64 after all: only its size is known
    mime_type = mime or _UNKNOWN_MIME
    return {"type": _kind(mime_type), "mime": mime_type, "bytes": size}


_URL_SAFE: Final = str.maketrans("-_", "+/", "\r\n")


def of_data_url(text: str) -> dict[str, Any] | None:
    """Return the reference for a text that is one ``data:`` URL with base64 content, None for any other."""
    if not text.startswith("data:"):
        return None
    match = _DATA_URL.fullmatch(text)
    return None if match is None else of_base64(match[2], match[1])


def without_data_urls(text: str) -> str:
    """Return the text with each ``data:`` URL in it replaced by ``<image/png 48213 bytes sha256:9f86d0...>``."""
    return _DATA_URL.sub(_data_url_summary, text)


def _data_url_summary(match: re.Match[str]) -> str:
    reference = of_base64(match[2], match[1])
    digest = f" sha256:{reference['sha256']}" if "sha256" in reference else ""
    return f"<{reference['mime']} {reference['bytes']} bytes{digest}>"


def content_key(part: Mapping[Any, Any]) -> str | None:
    """Return the key under which a message part holds base64 content, None when it holds none.

    Understood: a long base64 string under ``data``, ``content``, ``file_data`` beside a media type or a ``format``
    (OpenAI's ``input_audio``, Anthropic's ``source``, Gemini's ``inline_data``, OpenTelemetry's ``blob``), and
    ``b64_json`` of OpenAI's image results.
    """
    for key in _CONTENT_KEYS:
        value = part.get(key)
        if (
            isinstance(value, str)
            and len(value) >= _SHORTEST_BASE64_CHARS
            and (key == "b64_json" or "format" in part or any(name in part for name in _MIME_KEYS))
            and _BASE64.match(value, 0, 4096)
        ):
            return key
    return None


def mime_beside(part: Mapping[Any, Any]) -> str | None:
    """Return the media type that a message part names."""
    for name in _MIME_KEYS:
        value = part.get(name)
        if isinstance(value, str):
            return value
    form = part.get("format")
    return f"audio/{form}" if isinstance(form, str) else None


def of_picture(value: object) -> dict[str, Any] | None:
    """Return the reference for a PIL-like object (``size``, ``mode``, ``format``), None for anything else.

    Neither its bytes nor its methods are touched: PIL reads files lazily.
    """
    kind = type(value)
    if not (hasattr(kind, "tobytes") and hasattr(kind, "resize")):
        return None
    size = getattr(value, "size", None)
    if not (isinstance(size, tuple) and len(size) == 2 and all(isinstance(pixels, int) for pixels in size)):
        return None
    form = getattr(value, "format", None)
    mime = f"image/{form.lower()}" if isinstance(form, str) else "image/*"
    return {"type": "image", "mime": mime, "width": size[0], "height": size[1]}


def _mime_of_head(head: bytes) -> str:
    for magic, mime in _MAGIC:
        if head.startswith(magic):
            return mime
    if head[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(head[8:12], _UNKNOWN_MIME)
    if head[4:8] == b"ftyp":
        return "video/mp4"
    return _UNKNOWN_MIME


def _kind(mime: str) -> str:
    family = mime.partition("/")[0]
    return family if family in ("image", "audio", "video") else "blob"

"""Images, audio and files in captured values: references, never the bytes."""

import base64
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline import faults
from sightline.capture import media
from sightline.capture.mode import Capture
from sightline.capture.policy import CapturePolicy

FULL = CapturePolicy(Capture.FULL)
PNG = b"\x89PNG\r\n\x1a\n" + b"pixels" * 40
B64 = base64.b64encode(PNG).decode()
URL = f"data:image/png;base64,{B64}"
DIGEST = hashlib.sha256(PNG).hexdigest()
REFERENCE = {"type": "image", "mime": "image/png", "bytes": len(PNG), "sha256": DIGEST}


class Picture:
    """Looks like a PIL image; its bytes must not be asked for."""

    size = (640, 480)
    mode = "RGB"
    format = "PNG"

    def tobytes(self) -> bytes:
        """Must not be called."""
        raise AssertionError("read")

    def resize(self) -> None:
        """Must not be called."""
        raise AssertionError("resized")


@pytest.mark.parametrize(
    "value",
    [
        PNG,
        bytearray(PNG),
        {"type": "image_url", "image_url": {"url": URL}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": B64}},
        {"inline_data": {"mime_type": "image/png", "data": B64}},
        {"type": "blob", "mime_type": "image/png", "content": B64},
        {"data": [{"b64_json": B64}]},
        [{"role": "user", "content": [{"type": "text", "text": "what is this?"}, URL]}],
    ],
)
def test_the_same_picture_has_the_same_reference_however_it_comes(value: Any) -> None:
    """Raw, as a data URL and as base64 in each provider's message part: type, media type, size and digest."""
    text = FULL.text(value)
    assert text is not None
    assert B64[:40] not in text
    found = json.loads(text)
    references: list[Any] = []

    def walk(item: Any) -> None:
        if isinstance(item, dict):
            if "sha256" in item:
                references.append(item)
            for each in item.values():
                walk(each)
        elif isinstance(item, list):
            for each in item:
                walk(each)

    walk(found)
    assert references == [REFERENCE]


def test_audio_has_its_format() -> None:
    """OpenAI's input_audio part becomes an audio reference."""
    part = {"type": "input_audio", "input_audio": {"data": base64.b64encode(b"RIFF" * 30).decode(), "format": "wav"}}
    found = json.loads(FULL.text(part) or "")["input_audio"]
    assert found["data"]["type"] == "audio"
    assert found["data"]["mime"] == "audio/wav"
    assert found["format"] == "wav"


def test_pictures_are_not_touched() -> None:
    """The reference of a PIL-like object has its size; its methods are not called."""
    assert json.loads(FULL.text([Picture()]) or "") == [
        {"type": "image", "mime": "image/png", "width": 640, "height": 480}
    ]


def test_data_urls_inside_of_a_text() -> None:
    """Markdown keeps its words and loses its pictures."""
    assert FULL.text(f"see ![x]({URL}) here") == f"see ![x](<image/png {len(PNG)} bytes sha256:{DIGEST}>) here"
    assert FULL.text(URL) == f"<image/png {len(PNG)} bytes sha256:{DIGEST}>"
    assert CapturePolicy(Capture.TRUNCATED, 20).text("x" * 10 + URL * 3) is not None
    assert B64[:40] not in (CapturePolicy(Capture.TRUNCATED, 100).text("x" * 30 + URL) or "")


def test_large_media_are_not_hashed() -> None:
    """Above the limit the reference has the size only."""
    size = media.DIGEST_LIMIT_BYTES + 1
    assert media.of_bytes(bytes(size)) == {"type": "blob", "mime": "application/octet-stream", "bytes": size}
    assert "sha256" not in media.of_base64("A" * (size * 2), "image/png")


@pytest.mark.parametrize(
    "value",
    [
        {"data": "a plain text that is long enough to look like something, but has spaces", "format": "text"},
        {"content": "hello", "mime_type": "text/plain"},
        {"data": B64},
        "data: see the appendix; base64, they say",
    ],
)
def test_what_is_no_media_stays(value: Any) -> None:
    """Ordinary messages are not mistaken for media."""
    text = FULL.text(value)
    assert text is not None
    assert "sha256" not in text


@settings(deadline=None)
@given(st.text(st.sampled_from("data:image/png;base64,=ABC \n!")), st.binary())
def test_nothing_raises(text: str, raw: bytes) -> None:
    """References of broken URLs and base64 have what can be read of them."""
    faults.reset()
    for value in (text, raw, {"data": text * 20, "format": "x"}, {"b64_json": text * 20}, [f"data:{text}"]):
        assert FULL.text(value) is not None
    assert faults.counts() == {}


@pytest.mark.parametrize(
    ("head", "mime"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"RIFF0000WEBP", "image/webp"),
        (b"RIFF0000WAVE", "audio/wav"),
        (b"0000ftypisom", "video/mp4"),
        (b"%PDF-1.7", "application/pdf"),
        (b"", "application/octet-stream"),
    ],
)
def test_media_types_by_first_bytes(head: bytes, mime: str) -> None:
    """Known formats are recognised."""
    assert media.of_bytes(head)["mime"] == mime

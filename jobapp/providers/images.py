"""Images as providers want them."""

from __future__ import annotations

import base64
import mimetypes
from urllib.parse import unquote_to_bytes

from jobapp.domain.types import ImagePart

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"RIFF", "image/webp"),
)


def media_type_of(image: ImagePart) -> str:
    """Return what kind of image it is: as it says, else by its first bytes or its address, else ``""``."""
    if image.media_type:
        return image.media_type
    if image.data is not None:
        return next((kind for start, kind in _SIGNATURES if image.data.startswith(start)), "")
    return mimetypes.guess_type((image.url or "").partition("?")[0])[0] or ""


def inline(image: ImagePart) -> ImagePart:
    """Return an image given by a ``data:`` URL as bytes; any other as it is."""
    if image.data is not None or not (image.url or "").startswith("data:"):
        return image
    head, _, text = (image.url or "")[5:].partition(",")
    kind, *marks = head.split(";")
    data = base64.b64decode(text) if "base64" in marks else unquote_to_bytes(text)
    return ImagePart(data=data, media_type=image.media_type or kind)


def base64_of(image: ImagePart) -> str:
    """Return the image's bytes in base64."""
    return base64.b64encode(image.data or b"").decode("ascii")


def url_of(image: ImagePart) -> str:
    """Return an address: the image's own, or a ``data:`` URL of its bytes."""
    if image.data is None:
        return image.url or ""
    return f"data:{media_type_of(image)};base64,{base64_of(image)}"

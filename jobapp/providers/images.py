"""Images as providers want them."""

from __future__ import annotations

import base64
import mimetypes

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


def base64_of(image: ImagePart) -> str:
    """Return the image's bytes in base64."""
    return base64.b64encode(image.data or b"").decode("ascii")


def url_of(image: ImagePart) -> str:
    """Return an address: the image's own, or a ``data:`` URL of its bytes."""
    if image.data is None:
        return image.url or ""
    return f"data:{media_type_of(image)};base64,{base64_of(image)}"

"""Data inside the page: compressed, and safe wherever they stand in HTML."""

from __future__ import annotations

import base64
import gzip
import json

from markupsafe import Markup


def packed(data: str | bytes) -> Markup:
    """Gzip in base64, for the page's script to unpack; the same bytes for the same data."""
    raw = data.encode() if isinstance(data, str) else data
    return Markup(base64.b64encode(gzip.compress(raw, compresslevel=6, mtime=0)).decode())


def as_json(value: object) -> str:
    """Compact JSON; a NaN is refused rather than written.

    Raises:
        ValueError: a number is not finite.
    """
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def inline_json(value: object) -> Markup:
    """JSON that may stand inside a <script>: no `<` can end the element or open a comment."""
    return Markup(as_json(value).replace("<", "\\u003c"))

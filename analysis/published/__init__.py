"""The papers' own printed tables, re-checked by recomputing them."""

from analysis.claim import Claim
from analysis.published.printed_values import PrintedRow, read_printed
from analysis.published.recheck import PublishedCheck, recheck_published
from analysis.published.text import to_dict, to_json, to_text

__all__ = [
    "Claim",
    "PrintedRow",
    "PublishedCheck",
    "read_printed",
    "recheck_published",
    "to_dict",
    "to_json",
    "to_text",
]

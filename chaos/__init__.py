"""Faults injected into real runs, and a judge that counts what was lost: `python -m chaos`."""

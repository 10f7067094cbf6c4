"""How often the intervals and tests of `analysis` are right, measured on planted landscapes."""

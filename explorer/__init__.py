"""The program that runs trials: spaces, packing, Ray Tune, stacked training, the Arrow store."""

import os

# Read at MKL's first product: without it a product's bits depend, on AMD processors, on where its
# operands lie in memory, and so on a trial's place in its pack (tests/training/test_bits.py).
os.environ.setdefault("MKL_CBWR", "AUTO")
# One thread a process, also in the analysis, whose matrices are small: two busy processes with two
# threads each run several times slower.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

__version__ = "0.1.0"

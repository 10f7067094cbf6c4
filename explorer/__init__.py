"""The program that runs trials: spaces, packing, Ray Tune, stacked training, the Arrow store."""

import os

# Read at MKL's first product: without it a product's bits depend, on AMD processors, on where its
# operands lie in memory, and so on a trial's place in its pack (tests/training/test_bits.py).
os.environ.setdefault("MKL_CBWR", "AUTO")

__version__ = "0.1.0"

"""The program that runs trials: search spaces, packing, Ray Tune, stacked training, the Arrow store."""

__version__ = "0.1.0"

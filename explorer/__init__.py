"""The program that runs trials: spaces, packing, Ray Tune, stacked training, the Arrow store."""

__version__ = "0.1.0"

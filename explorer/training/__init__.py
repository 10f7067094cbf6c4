"""Stacked training: one loop trains a whole pack at once. Imports torch, never ray."""

from explorer.training.loop import PackTrainer, train_pack
from explorer.training.result import Evaluation, TrialResult

__all__ = ["Evaluation", "PackTrainer", "TrialResult", "train_pack"]

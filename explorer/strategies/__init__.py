"""Which trials to run next: strategies are asked for configurations and told what came of them."""

from explorer.strategies.ask_tell import Outcome, Strategy
from explorer.strategies.grid import GridStrategy

__all__ = ["GridStrategy", "Outcome", "Strategy"]

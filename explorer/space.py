"""What a search-space file imports, and what loads one."""

from explorer.axes import (
    Budget,
    epochs,
    log_grid,
    steps,
    time,
    time_over_learning_rate,
    window,
)
from explorer.search_space import SearchSpace
from explorer.space_file import LoadedSpace, load_space, shipped_names, template

__all__ = [
    "Budget",
    "LoadedSpace",
    "SearchSpace",
    "epochs",
    "load_space",
    "log_grid",
    "shipped_names",
    "steps",
    "template",
    "time",
    "time_over_learning_rate",
    "window",
]

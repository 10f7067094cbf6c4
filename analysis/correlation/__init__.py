"""The correlation claims of He, Liu & Tao (2019), tested on a landscape.

`correlations` makes a `CorrelationTable` of plain data; `to_text`, `to_dict` and `to_json` show it.
"""

from analysis.correlation.groups import CorrelationGroup, Count
from analysis.correlation.noise_scale import NoiseScale
from analysis.correlation.ratio import RatioTests
from analysis.correlation.regime import Regime
from analysis.correlation.strata import CORRELATION_METRICS
from analysis.correlation.table import (
    PUBLISHED,
    CorrelationTable,
    MetricGroups,
    StratumSummary,
    correlations,
)
from analysis.correlation.text import to_dict, to_json, to_text
from analysis.correlation.undertraining import BudgetComparison, UnderTraining
from analysis.correlation.validation import VALIDATION_CHOSEN

__all__ = [
    "CORRELATION_METRICS",
    "PUBLISHED",
    "VALIDATION_CHOSEN",
    "BudgetComparison",
    "CorrelationGroup",
    "CorrelationTable",
    "Count",
    "MetricGroups",
    "NoiseScale",
    "RatioTests",
    "Regime",
    "StratumSummary",
    "UnderTraining",
    "correlations",
    "to_dict",
    "to_json",
    "to_text",
]

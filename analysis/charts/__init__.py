"""Charts, each in two steps: `..._info` collects plain data, the draw function draws it.

`peaks(peaks_info(...))`, `law(law_info(...))`, `learning_curves(learning_curves_info(...))`.
"""

from analysis.charts.curves_chart import learning_curves
from analysis.charts.curves_data import LearningCurvesInfo, learning_curves_info
from analysis.charts.law_chart import law
from analysis.charts.law_data import LawInfo, law_info
from analysis.charts.peaks_chart import peaks
from analysis.charts.peaks_data import PeaksInfo, peaks_info
from analysis.charts.theme import config, save_static

__all__ = [
    "LawInfo",
    "LearningCurvesInfo",
    "PeaksInfo",
    "config",
    "law",
    "law_info",
    "learning_curves",
    "learning_curves_info",
    "peaks",
    "peaks_info",
    "save_static",
]

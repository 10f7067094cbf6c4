"""Charts, each in two steps: `..._info` collects plain data, the draw function draws it.

`landscape(landscape_info(...))`, `peaks(peaks_info(...))`, `law(law_info(...))` and so on return an
`altair` chart, for a notebook or a picture (`save_static`); `..._panels` its panels for a page.
"""

from analysis.charts.axis_law_chart import axis_law
from analysis.charts.axis_law_data import AxisLawInfo, axis_law_info
from analysis.charts.cell_curves_chart import cell_curves
from analysis.charts.cell_curves_data import CellCurvesInfo, cell_curves_info
from analysis.charts.collapse_chart import collapse
from analysis.charts.collapse_data import CollapseInfo, collapse_info
from analysis.charts.completeness_chart import completeness
from analysis.charts.completeness_data import CompletenessInfo, completeness_info
from analysis.charts.correlation_data import CorrelationCells, correlation_cells
from analysis.charts.correlation_lines_chart import correlation_lines
from analysis.charts.correlation_lines_data import CorrelationLinesInfo, correlation_lines_info
from analysis.charts.curves_chart import learning_curves
from analysis.charts.curves_data import LearningCurvesInfo, learning_curves_info
from analysis.charts.landscape_chart import landscape
from analysis.charts.landscape_data import LandscapeInfo, landscape_info
from analysis.charts.law_chart import law
from analysis.charts.law_data import LawInfo, law_info
from analysis.charts.peaks_chart import peaks
from analysis.charts.peaks_data import PeaksInfo, peaks_info
from analysis.charts.ratio_chart import ratio
from analysis.charts.ratio_data import RatioInfo, ratio_info
from analysis.charts.residuals_chart import residuals
from analysis.charts.residuals_data import ResidualsInfo, residuals_info
from analysis.charts.theme import config, save_static
from analysis.charts.throughput_chart import throughput
from analysis.charts.throughput_data import ThroughputInfo, throughput_info
from analysis.charts.training_check_chart import training_check
from analysis.charts.training_check_data import TrainingCheckInfo, training_check_info

__all__ = [
    "AxisLawInfo",
    "CellCurvesInfo",
    "CollapseInfo",
    "CompletenessInfo",
    "CorrelationCells",
    "CorrelationLinesInfo",
    "LandscapeInfo",
    "LawInfo",
    "LearningCurvesInfo",
    "PeaksInfo",
    "RatioInfo",
    "ResidualsInfo",
    "ThroughputInfo",
    "TrainingCheckInfo",
    "axis_law",
    "axis_law_info",
    "cell_curves",
    "cell_curves_info",
    "collapse",
    "collapse_info",
    "completeness",
    "completeness_info",
    "config",
    "correlation_cells",
    "correlation_lines",
    "correlation_lines_info",
    "landscape",
    "landscape_info",
    "law",
    "law_info",
    "learning_curves",
    "learning_curves_info",
    "peaks",
    "peaks_info",
    "ratio",
    "ratio_info",
    "residuals",
    "residuals_info",
    "save_static",
    "throughput",
    "throughput_info",
    "training_check",
    "training_check_info",
]

"""The part of the page on the collapse: which variable explains accuracy of all conditions."""

from __future__ import annotations

from analysis.charts.collapse_chart import collapse_panels, thinning_note
from analysis.charts.collapse_data import collapse_info
from analysis.report.figure import Figure, NamedTable, Section
from analysis.scaling_fit import ScalingFit

_CAPTION = (
    "Every line is one condition: its mean accuracy divided by the height of its own smooth curve, "
    "so that its best is 100 %. Where one variable decides (the noise scale, by Smith & Le, 2018), "
    "the lines of all conditions fall on one curve; where it does not, they lie side by side. "
    "A large noise scale is a small batch: the first panel runs the other way. Bars are standard "
    "errors; hollow cells are left out of the smooth curve, too far below its best."
)


def collapse_section(law: ScalingFit) -> Section:
    """The collapse of one group.

    Args:
        law: the group's fit.
    """
    info = collapse_info(law)
    thinned = thinning_note(info)
    figure = Figure(
        anchor="collapse",
        question=info.question,
        answer=info.answer,
        caption=_CAPTION,
        notes=(*info.notes, *([thinned] if thinned else [])),
        panels=collapse_panels(info),
        table=info.table(),
    )
    variables = NamedTable(
        anchor="variables",
        heading="How much of relative accuracy each variable explains in conditions left out",
        table=info.variables_table(),
        absent="No variable was compared.",
    )
    return Section(anchor="collapse", figures=(figure,), tables=(variables,))

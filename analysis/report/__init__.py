"""The report: one offline HTML page, or the same figures as pictures with a Markdown summary."""

from analysis.report.contents import Study
from analysis.report.page import write_report
from analysis.report.static import write_static

__all__ = ["Study", "write_report", "write_static"]

"""Which tables a report has: the one list that files, the terminal and the page go by."""

from __future__ import annotations

from collections.abc import Mapping

from bench.report.difference_table import tabulate_differences
from bench.report.model import Report
from bench.report.ood_table import tabulate_ood
from bench.report.statistics import Estimates, estimate_rows
from bench.report.table import Table
from bench.report.tabulation import tabulate


def report_tables(report: Report, estimates: Estimates | None = None) -> Mapping[str, tuple[Table, ...]]:
    """Tables by the name of their file: `table`, then `differences` and `ood` where the report has them.

    `estimates` of the same rows save computing them. Raises ValueError for rows of unknown methods.
    """
    estimates = estimate_rows(report.rows) if estimates is None else estimates
    differences = tabulate_differences(report, estimates)
    named = {
        "table": (tabulate(report, estimates),),
        "differences": () if differences is None else (differences,),
        "ood": tabulate_ood(report),
    }
    return {name: tables for name, tables in named.items() if tables}

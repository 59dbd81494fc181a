"""The summary of a fit, as text and as HTML."""

from html import escape
from typing import Any, NamedTuple

from fastgd.fitting import distributions
from fastgd.formatting import counted, html_table, table

_KINDS = {
    "classical": "classical standard errors",
    "cluster": "standard errors clustered in {n_groups} groups",
}


class Summary(NamedTuple):
    """What is printed of a fit: how it ended, a table of parameters, and lines below it."""

    title: str
    """How the fit ended."""
    header: list[str]
    """The names of its columns."""
    rows: list[list[str]]
    """A row for each parameter that is shown."""
    lines: list[str]
    """How good the fit is."""

    def __str__(self) -> str:
        """Return it as text."""
        width = max(len(name) for name, *_ in self.rows)
        rows = [[name.ljust(width), *cells] for name, *cells in self.rows]
        return "\n".join([self.title, "", table(self.header, rows), "", *self.lines])

    def html(self) -> str:
        """Return it as HTML."""
        return f"<div>{escape(self.title)}</div>{html_table(self.header, self.rows, self.lines)}"


def summarised(result: Any, level: float, max_rows: int) -> Summary:
    """Summarise a fit.

    Parameters
    ----------
    result : FitResult
        The fit.
    level : float
        The level of confidence intervals.
    max_rows : int
        How many parameters are shown at most.

    Returns
    -------
    Summary
        Its summary.
    """
    names, theta = result.parameter_names, result.theta
    shown = range(min(len(names), max_rows))
    columns = [[f"{theta[j]:.10g}" for j in shown]]
    header = ["", "estimate"]
    errors, t = result.standard_errors, result.t_values
    if errors is not None and t is not None:
        header += ["std. error", "t"]
        columns += [[f"{errors[j]:.4g}" for j in shown], [f"{t[j]:.2f}" for j in shown]]
        if distributions.is_known():
            p, interval = result.p_values, result.confidence_interval(level)
            assert p is not None
            assert interval is not None
            header += ["p", f"[{100 * level:g}% ", "interval]"]
            columns += [[f"{p[j]:.3g}" for j in shown]]
            columns += [[f"{interval[j, end]:.5g}" for j in shown] for end in (0, 1)]
    rows = [list(row) for row in zip([names[j] for j in shown], *columns, strict=True)]
    lines = [] if len(shown) == len(names) else [f"... and {len(names) - len(shown)} more parameters, in theta"]
    return Summary(result.message, header, rows, [*lines, *_goodness(result), *_ending(result)])


def _goodness(result: Any) -> list[str]:
    """Return lines with what measures the whole fit."""
    lines, evidence = [counted(result.n_samples, "row", ","), ""], result.evidence
    if result.standard_errors is not None:
        kind = _KINDS.get(evidence.kind, f"{evidence.kind} standard errors")
        lines[0] += f", {kind.format(n_groups=evidence.n_groups)}"
    if result.df_residual is not None:
        lines[0] += f", {counted(result.df_residual, 'residual degree', ',')} of freedom"
    good = []
    if result.r_squared is not None:
        uncentred = "" if evidence.intercept else " (uncentred, as there is no intercept)"
        good.append(f"R^2 {result.r_squared:.6g}{uncentred}")
    if result.adjusted_r_squared is not None:
        good.append(f"adjusted {result.adjusted_r_squared:.6g}")
    if result.residual_std is not None:
        good.append(f"residual std {result.residual_std:.6g}")
    if result.f_statistic is not None:
        test = f"F {result.f_statistic:.5g} on {result.df_model} and {result.df_residual}"
        good.append(f"{test}, p {result.f_p_value:.3g}" if distributions.is_known() else test)
    likely = []
    if result.log_likelihood is not None and result.aic is not None and result.bic is not None:
        likely = [f"log-likelihood {result.log_likelihood:.6g}", f"AIC {result.aic:.6g}", f"BIC {result.bic:.6g}"]
    lines[1:] = [", ".join(group) for group in (good, likely) if group]
    return lines


def _ending(result: Any) -> list[str]:
    """Return lines about where the fit ended, and why errors are missing."""
    condition = [] if result.condition is None else [f"condition {result.condition:.3g}"]
    rank = [] if result.rank is None else [f"rank {result.rank} of {len(result.theta)}"]
    gradient = f"|gradient| {result.gradient_norm:.3g}"
    lines = [", ".join([f"cost {result.cost:.10g}", gradient, *rank, *condition])]
    if note := result.standard_errors_note:
        lines.append(note)
    elif not distributions.is_known():
        lines.append("p-values and intervals need scipy: pip install 'fastgd[stats]'")
    return lines

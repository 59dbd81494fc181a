"""Pictures of gradient descent, for teaching: each function returns the matplotlib Axes that it has drawn on."""

from fastgd.plot.descents import cost_curve, learning_rates, path_1d
from fastgd.plot.lines import fit_line
from fastgd.plot.penalties import penalty_curve
from fastgd.plot.surface import cost_surface

__all__ = ["cost_curve", "cost_surface", "fit_line", "learning_rates", "path_1d", "penalty_curve"]

"""Reference regressions of NIST's Statistical Reference Datasets (StRD), with their certified coefficients.

Those that are formulas, and Longley's, which statsmodels and others carry, too. Norris is in `fastgd.cli.demo`.
"""

import numpy as np

from fastgd.cli import demo

_X = np.arange(21.0)
_POWERS = _X[:, np.newaxis] ** np.arange(1, 6)
_NOISE = np.tile([-2048.0, 2048.0], 11)[1:]
_NOISE[[0, 4, 8, 12, 16, 20]] = 759, 2523, 1838, 1838, 2523, 759

_LONGLEY = """
60323 83 234289 2356 1590 107608 1947
61122 88.5 259426 2325 1456 108632 1948
60171 88.2 258054 3682 1616 109773 1949
61187 89.5 284599 3351 1650 110929 1950
63221 96.2 328975 2099 3099 112075 1951
63639 98.1 346999 1932 3594 113270 1952
64989 99 365385 1870 3547 115094 1953
63761 100 363112 3578 3350 116219 1954
66019 101.2 397469 2904 3048 117388 1955
67857 104.6 419180 2822 2857 118734 1956
68169 108.4 442769 2936 2798 120445 1957
66513 110.8 444546 4681 2637 121950 1958
68655 112.6 482704 3813 2552 123366 1959
69564 114.2 502601 3931 2514 125368 1960
69331 115.7 518173 4806 2572 127852 1961
70551 116.9 554894 4007 2827 130081 1962
"""


def _longley():
    values = np.array([line.split() for line in _LONGLEY.split("\n") if line], np.float64)
    certified = [
        -3482258.63459582, 15.0618722713733, -0.0358191792925910, -2.02022980381683, -1.03322686717359,
        -0.0511041056535807, 1829.15146461355,
    ]  # fmt: skip
    return values[:, 1:], values[:, 0], certified


def _wampler(noise):
    return _POWERS, _POWERS.sum(axis=1) + 1.0 + noise * _NOISE, [1.0] * 6


def _wampler2():
    y = (_X[:, np.newaxis] / 10) ** np.arange(6) @ np.ones(6)
    return _POWERS, y.round(5), [1.0, 0.1, 0.01, 0.001, 0.0001, 0.00001]  # y has five decimals


# X, y and the certified theta, the intercept first (NoInt1 and NoInt2 have none); and how many digits a fit should have.
SETS = {
    "NoInt1": ((np.arange(60.0, 71.0), np.arange(130.0, 141.0), [2.07438016528926]), 14),
    "NoInt2": ((np.array([4.0, 5.0, 6.0]), np.array([3.0, 4.0, 4.0]), [0.727272727272727]), 14),
    "Norris": ((*demo.norris(), list(demo.CERTIFIED.values())), 12),
    "Longley": (_longley(), 12),
    "Wampler1": (_wampler(0), 9.5),
    "Wampler2": (_wampler2(), 12),
    "Wampler3": (_wampler(1), 9.5),
    "Wampler4": (_wampler(100), 8.5),
    "Wampler5": (_wampler(10_000), 6),
}

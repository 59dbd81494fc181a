"""The main job reaches NIST's digits, and tells them."""

import re

import numpy as np
import pytest

from fastgd.bench import timing
from fastgd.cli import demo


def test_the_data_are_nists():
    x, y = demo.norris()
    assert x.shape == y.shape == (36,)
    theta = np.linalg.lstsq(np.column_stack((np.ones(36), x)), y)[0]
    np.testing.assert_allclose(theta, list(demo.CERTIFIED.values()), rtol=1e-11)


def test_the_demo_prints_at_least_eleven_agreeing_digits(capsys, monkeypatch):
    monkeypatch.setattr(demo, "_SIZES", [(10, 1), (50, 3)])
    demo.run()
    printed = capsys.readouterr().out
    for name, certified in {"intercept": "-0.262323073774029", "slope": "1.00211681802045"}.items():
        computed, told, count = re.search(rf"^ *{name} +(\S+) +(\S+) +(\S+)", printed, flags=re.MULTILINE).groups()
        assert told == certified
        assert float(count) >= 11
        assert abs(float(computed) / float(certified) - 1) < 1e-11
    for name, certified in demo.CERTIFIED_STATISTICS.items():
        computed, told, count = re.search(
            rf"^ *{re.escape(name)} +(\S+) +(\S+) +(\S+)", printed, flags=re.MULTILINE
        ).groups()
        assert float(told) == certified
        assert float(count) >= 12
        assert abs(float(computed) / certified - 1) < 1e-12
    header, *rows = re.findall(
        r"^ +(?:iteration|\d+) .*\d.*$|^ *iteration .*$", printed.partition("theta after")[0], re.M
    )
    names = header.split()
    assert len(rows) == 15
    for row in rows[:5]:
        cell = dict(zip(names, map(float, row.split()), strict=True))
        for j in range(2):  # six digits are printed
            assert cell[f"update[{j}]"] == pytest.approx(-0.1 * cell[f"gradient[{j}]"], rel=1e-5)
    assert len(re.findall(r"^ +(?:10|50) .*x", printed, flags=re.MULTILINE)) == 2


@pytest.mark.parametrize(("computed", "expected"), [(1.0, 15.0), (1.001, 3.0), (1 + 1e-9, 9.0), (-1.0, -0.30103)])
def test_agreeing_digits_are_the_log_relative_error(computed, expected):
    assert demo.agreeing_digits(computed, 1.0) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_compare_times_both(order, dtype):
    (result,) = timing.compare([(20, 3)], order=order, dtype=dtype, seconds=0.01)
    assert (result.n_samples, result.n_features) == (20, 3)
    assert result.numpy_seconds > 0
    assert result.bandwidth == pytest.approx(20 * 4 * np.dtype(dtype).itemsize / result.fastgd_seconds)


def test_machine_names_versions():
    assert np.__version__ in timing.machine()

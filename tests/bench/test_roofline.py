"""The roofline: figures that follow from sizes and times, in a table and a picture."""

import io
import itertools
import math
import platform

import pytest
from stand_ins import raising

from fastgd.bench import roofline, timing
from fastgd.bench.roofline import Share, Speed
from fastgd.bench.timing import Comparison
from fastgd.cli import parser

SHARES = [
    Share("float64", "C", 1, 10, 20e9, 0.91, 0.95),
    Share("float64", "C", 1, 1000, 22e9, 0.9, 1.0),
    Share("float32", "F", 2, 10, 40e9, 0.8, 0.7),
]
SPEEDS = [Speed(1, 10, 1200, 1e-6), Speed(2, 10, 1200, 2e-6)]
COMPARISON = Comparison(1000, 10, 3e-6, 2e-6, 1.5, 44e9)


def test_every_combination_is_measured():
    measured = list(roofline.shares([1, 3], n_threads=[1, 2], n_bytes=1 << 14, n_rounds=1))
    assert [s[:4] for s in measured] == list(itertools.product(("float64", "float32"), "CF", (1, 2), (1, 3)))
    assert all(math.isfinite(value) and value > 0 for s in measured for value in s[4:])


def test_one_and_all_threads_are_the_default(monkeypatch):
    monkeypatch.setenv("FASTGD_NUM_THREADS", "3")
    assert [s.n_threads for s in roofline.shares([3], ["float32"], ["C"], n_bytes=4096, n_rounds=1)] == [1, 3]


def test_shares_are_of_the_bytes_read(monkeypatch):
    # A second each: the gradient reads (k + 1) / k times as much as the plain sum, the product as much.
    monkeypatch.setattr(roofline, "timeit", lambda function, number: 1.0)
    (share,) = roofline.shares([4], ["float32"], ["C"], [1], n_bytes=4000, n_rounds=1)
    assert share == ("float32", "C", 1, 4, 4000.0, 1.25, 1.0)


@pytest.mark.parametrize(("order", "n_features"), [("C", 3), ("F", 3), ("F", 40)])
def test_what_is_measured_has_the_layout_and_the_size_asked_for(monkeypatch, order, n_features):
    rows, ArrayRows = [], roofline.ArrayRows
    monkeypatch.setattr(roofline, "ArrayRows", lambda *args: rows.append(args) or ArrayRows(*args))
    list(roofline.shares([n_features], ["float64"], [order], [2], n_bytes=9600, n_rounds=1))
    X, y, _, n_threads = rows[0]
    assert X.shape == (1200 // n_features, n_features)
    assert X.flags.c_contiguous == (order == "C")
    assert len(y) == len(X)
    assert n_threads == 2


def test_speeds_go_from_cache_up_to_the_size_given():
    followed = list(roofline.speeds([1], n_bytes=8 * 5000, n_rounds=1))
    assert [(s.n_features, s.n_values) for s in followed] == list(itertools.product((1, 3, 10, 100), (1200, 4800)))


def test_speed_is_bytes_of_X_and_y_per_second():
    assert Speed(1, 10, 1000, 2.0).bandwidth == 8 * 1100 / 2


def test_the_report_is_a_markdown_table():
    assert roofline.report(SHARES).splitlines() == [
        "| features | float64 C, 1 thread | float32 F, 2 threads |",
        "|---|---|---|",
        "| roof | 21.0 GB/s | 40.0 GB/s |",
        "| 10 | 0.91 / 0.95 | 0.80 / 0.70 |",
        "| 1,000 | 0.90 / 1.00 |  |",
    ]


def test_speeds_are_described_by_size():
    assert roofline.describe(SPEEDS).splitlines() == [
        "values  10, 1 thread  10, 2 threads",
        " 1,200          10.6            5.3",
    ]


@pytest.fixture
def measured(monkeypatch):
    asked = []
    monkeypatch.setattr(roofline, "shares", lambda *args, **options: asked.append((args, options)) or iter(SHARES))
    monkeypatch.setattr(roofline, "speeds", lambda **options: iter(SPEEDS))
    monkeypatch.setattr(timing, "compare", lambda sizes: asked.append(sizes) or [COMPARISON])
    return asked


def test_bench_prints_its_tables(measured, capsys):
    assert parser.main(["bench"]) == 0
    out = capsys.readouterr().out
    assert roofline.report(SHARES) in out
    assert roofline.describe(SPEEDS) in out
    assert timing.report([COMPARISON]) in out
    shares, sizes = measured
    assert shares == ((roofline.FEATURES,), {"n_bytes": roofline.N_BYTES, "n_rounds": 7})
    assert max(n_samples * n_features for n_samples, n_features in sizes) == 30_000_000


def test_a_quick_bench_measures_less(measured, capsys):
    assert parser.main(["bench", "--quick"]) == 0
    ((features,), options), sizes = measured
    assert len(features) < len(roofline.FEATURES)
    assert options["n_bytes"] < roofline.N_BYTES
    assert max(n_samples * n_features for n_samples, n_features in sizes) == 2_000_000


def test_a_picture_that_cannot_be_written_is_said_before_measuring(measured, tmp_path, capsys):
    assert parser.main(["bench", "--png", str(tmp_path / "nowhere" / "roof.png")]) == 2
    assert not measured


def test_bench_draws_its_tables(measured, tmp_path, capsys):
    assert parser.main(["bench", "--quick", "--png", str(tmp_path / "roof.png")]) == 0
    assert (tmp_path / "roof.png").read_bytes().startswith(b"\x89PNG")


NO_FILE = raising(FileNotFoundError())


@pytest.mark.parametrize(
    ("read", "processor", "name"),
    [
        (lambda *_, **__: io.StringIO("processor: 0\nmodel name\t: Fast: 9\nmodel name\t: 2nd\n"), "arm", "Fast: 9"),
        (lambda *_, **__: io.StringIO("processor: 0\n"), "arm", "arm"),
        (NO_FILE, "arm", "arm"),
        (NO_FILE, "", "aarch64"),
    ],
)
def test_the_machine_has_a_name_where_linux_tells_one_and_where_not(read, processor, name, monkeypatch):
    monkeypatch.setattr("builtins.open", read)
    monkeypatch.setattr(platform, "processor", lambda: processor)
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert timing.machine().startswith(f"{name}, ")

"""What is said of one thing, of none and of many."""

import numpy as np
import pytest

import fastgd
from fastgd.formatting import counted, listed
from fastgd.inputs.csv_reader import TableError
from fastgd.inputs.files import read_table


@pytest.mark.parametrize(
    ("n", "form", "expected"),
    [
        (0, "", "0 rows"),
        (1, "", "1 row"),
        (2, "", "2 rows"),
        (-1, "", "-1 rows"),
        (1_000_000, "", "1000000 rows"),
        (1_000_000, ",", "1,000,000 rows"),
        (1, ",", "1 row"),
        (np.int64(1), "", "1 row"),
    ],
)
def test_all_but_one_take_the_plural(n, form, expected):
    assert counted(n, "row", form) == expected


def test_the_first_of_many_things_are_listed():
    assert listed([]) == ""
    assert listed(["a", 2]) == "'a', 2"
    assert listed(range(3), 3) == "0, 1, 2"
    assert listed(range(4), 3) == "0, 1, 2, ..."
    assert listed((1.0, 0.1 + 0.2), show="{:.3g}".format) == "1, 0.3"


def of_rank_0():
    with pytest.warns(fastgd.RankWarning) as caught:
        fastgd.fit([[0.0], [0.0]], [1.0, 2.0], intercept=False)
    raise ValueError(caught[0].message)


ONE = [
    (lambda: fastgd.cost([[1.0]], [1.0, 2.0], [1.0]), "X has 1 row, but y has 2. "),
    (lambda: fastgd.cost([[1.0]], [1.0], [1.0], sample_weight=[1.0, 2.0]), "but X has 1 row, so (1,) is expected. "),
    (lambda: fastgd.cost([[1.0]], [1.0], [1.0, 2.0]), "is expected: 1 feature and no intercept. Give 1 number, or "),
    (lambda: fastgd.fit([1.0, 2.0], [1.0, 3.0]).predict([[1.0, 2.0]]), "that is 2 features, but the fit had 1. "),
    (lambda: fastgd.fit(np.eye(3)[:, :2], [1.0, 2.0, 4.0]).predict([[1.0]]), "that is 1 feature, but the fit had 2. "),
    (of_rank_0, "The rank is 0 for 1 parameter: column 0 of X is constant"),
    (
        lambda: fastgd.Moments.from_rows(np.eye(2), [1.0, 2.0]) + fastgd.Moments.from_rows([[1.0]], [2.0]),
        "Moments of 2 and of 1 feature cannot be added. ",
    ),
    (
        lambda: fastgd.fit(fastgd.from_batches([(np.eye(2), [1.0, 2.0]), ([[1.0]], [2.0])])),
        "Batch 1 has 1 feature, but the first had 2. ",
    ),
]


@pytest.mark.parametrize(("call", "expected"), ONE, ids=[expected for _, expected in ONE])
def test_messages_speak_of_one_in_the_singular(call, expected):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        call()
    assert expected in str(caught.value)


@pytest.mark.parametrize("name", ["data.csv", "data.npy"])
@pytest.mark.parametrize(("n", "expected"), [(1, "has 1 row, but"), (2, "has 2 rows, but")])
def test_a_table_without_a_whole_row_says_how_many_it_has(n, expected, name, tmp_path):
    path = tmp_path / name
    if name == "data.csv":
        path.write_text("a,b\n" + "1,\n" * n)
    else:
        np.save(path, np.tile([1.0, np.nan], (n, 1)))
    with pytest.raises(TableError, match=expected):
        read_table(str(path), None, drop_missing=True)


def test_a_file_of_one_feature_is_shown_as_such(tmp_path):
    pytest.importorskip("pyarrow")
    (tmp_path / "data.csv").write_text("a,y\n1,2\n")
    assert repr(fastgd.scan_csv(tmp_path / "data.csv", target="y")) == "CSVScan(1 file, 1 feature, target='y')"

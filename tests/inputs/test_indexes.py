"""An index is a feature for nobody who has not named it, through whichever door its file comes in."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import fastgd
from fastgd.cli import parser
from fastgd.inputs.indexes import categories, index_columns, left_out
from fastgd.saving import model_file

pd = pytest.importorskip("pandas", reason="writes indexes")
parquet = pytest.importorskip("pyarrow.parquet", reason="reads Parquet, and scans files")

RNG = np.random.default_rng(5)
X = RNG.standard_normal((60, 2))
Y = X @ [2.0, -1.0] + 0.5 + 0.1 * RNG.standard_normal(60)
THETA = np.linalg.lstsq(np.column_stack((np.ones(60), X)), Y, rcond=None)[0]


@pytest.mark.parametrize(
    ("names", "metadata", "expected"),
    [
        (["a", "y"], None, []),
        (["a", "__index_level_0__", "__index_level_12__"], None, ["__index_level_0__", "__index_level_12__"]),
        (["__index_level__", "x__index_level_0__", "__index_level_0__x"], None, []),
        (["", "a"], None, [""]),
        (["", "", "a", ""], None, ["", ""]),
        (["a", ""], None, []),
        (["id", "", "a", "y"], None, [""]),
        (["", "id", "", "y", "", ""], None, ["", ""]),
        (["id", "", "y"], {"index_columns": ["id", ""]}, ["id", ""]),
        (["", ""], None, ["", ""]),
        (["Unnamed: 0", "Unnamed: 0.1", "Unnamed: 1", "a"], None, ["Unnamed: 0", "Unnamed: 0.1"]),
        (["a", "id", "y"], {"index_columns": ["id"]}, ["id"]),
        (["a", "id", "y"], {"index_columns": [{"kind": "range", "name": None}, "gone", 3]}, []),
        (["a"], {"columns": ["a"]}, []),
        (["a"], {"index_columns": "a"}, []),
        (["a"], ["a"], []),
    ],
)
def test_what_is_an_index(names, metadata, expected):
    told = None if metadata is None else {b"pandas": json.dumps(metadata).encode(), b"other": b"\xff"}
    assert index_columns(names, told) == expected


@pytest.mark.parametrize("told", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_metadata_that_are_none_of_pandas_name_no_index(told):
    assert index_columns(["a", ""], {b"pandas": told}) == []


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ([{"field_name": "a", "pandas_type": "categorical"}, {"field_name": "b", "pandas_type": "int64"}], {"a"}),
        ([{"pandas_type": "categorical"}, 3, None], {"None"}),
        ({"a": "categorical"}, set()),
        (None, set()),
    ],
)
def test_what_are_categories(columns, expected):
    assert categories({b"pandas": json.dumps({"columns": columns}).encode()}) == expected
    assert categories({}) == categories(None) == categories({b"pandas": b"[" * 100_000}) == set()


@pytest.mark.parametrize("kinds", [[1, 2, 1], [1.5, 2.0, 1.5], [True, False, True], [*"aba"]])
@pytest.mark.usefixtures("empty_folder")
def test_categories_are_no_numbers_in_a_file_either(kinds, capsys):
    # Parquet has the categories as what they were made of, and says in pandas' metadata alone that they are none.
    frame = pd.DataFrame({"kind": pd.Categorical(kinds * 20), **FRAME})
    frame.to_parquet("a.parquet")
    for refused in (
        lambda: fastgd.fit(frame[["kind", "a"]], frame["y"]),
        lambda: fastgd.scan_parquet("a.parquet", target="y"),
        lambda: fastgd.scan_parquet("a.parquet", target="y", features=["kind"]),
        lambda: fastgd.scan_parquet("a.parquet", target="kind", features=["a"]),
    ):
        with pytest.raises(TypeError, match=r"kind.*numbers"):
            refused()
    assert parser.main(["fit", "a.parquet", "--target", "y"]) == 2
    assert "'kind'" in capsys.readouterr().err
    assert fastgd.fit(fastgd.scan_parquet("a.parquet", target="y", features=["a", "b"])).feature_names == ["a", "b"]


def test_what_is_said():
    assert left_out(["id"], "features") == (
        "'id' is taken for the index of a data frame, not for features. To fit it, list it in features."
    )
    assert left_out(["", "id"], "--features") == (
        "a column without a name and 'id' are taken for the index of a data frame, not for features. To fit them, name them "
        "in the file and list them in --features."
    )


FRAME = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "y": Y})
SHUFFLED = FRAME.sample(frac=1, random_state=0)
NAMED = FRAME.set_index(np.arange(60.0)).rename_axis("id")
TWO_LEVELS = FRAME.set_index([np.arange(60) // 2, np.arange(60) % 2])


def without_metadata(path):
    SHUFFLED.to_parquet(path)
    parquet.write_table(parquet.read_table(path).replace_schema_metadata(None), path)


def twice_by_pandas(path):
    FRAME.to_csv(path)
    pd.read_csv(path).to_csv(path)


def by_r(path, name=""):
    rows = zip(X.tolist(), Y.tolist(), strict=True)
    lines = [f'"{name}{i}",{a!r},{b!r},{y!r}\n' for i, ((a, b), y) in enumerate(rows)]
    path.write_text(f'"","a","b","y"\n{"".join(lines)}')


WRITERS = {
    "parquet": {
        "shuffled": SHUFFLED.to_parquet,
        "named": NAMED.to_parquet,
        "dates": FRAME.set_index(pd.date_range("2020-01-01", periods=60)).to_parquet,
        "two levels": TWO_LEVELS.to_parquet,
        "some levels named": TWO_LEVELS.rename_axis(["id", None]).to_parquet,
        "without metadata": without_metadata,
    },
    "csv": {
        "by pandas": SHUFFLED.to_csv,
        "two levels": TWO_LEVELS.to_csv,
        "the first column named": FRAME.set_index(["a", np.arange(60)])[["b", "y"]].to_csv,
        "twice by pandas": twice_by_pandas,
        "by R": by_r,
        "row names": partial(by_r, name="r"),
    },
}
SCANS = {"parquet": fastgd.scan_parquet, "csv": fastgd.scan_csv}


@pytest.fixture(params=[(ending, writer) for ending, writers in WRITERS.items() for writer in writers], ids="-".join)
def path(request, empty_folder):
    ending, writer = request.param
    WRITERS[ending][writer](path := Path(f"data.{ending}"))
    return path


def test_a_scan_leaves_an_index_out_and_says_so(path):
    scan = SCANS[path.suffix[1:]]
    result = fastgd.fit(scan(".", target="y"))
    assert result.feature_names == ["a", "b"]
    np.testing.assert_allclose(result.theta, THETA, rtol=1e-10)
    assert "taken for the index of a data frame" in result.message
    assert "taken for the index" not in fastgd.fit(scan(".", target="y", features=["a", "b"])).message


def test_the_command_line_leaves_an_index_out_and_says_so(path, capsys):
    assert parser.main(["fit", str(path), "--target", "y", "--save", "m.json"]) == 0
    (told,) = capsys.readouterr().err.splitlines()
    assert "taken for the index of a data frame" in told
    model = model_file.load("m.json")
    assert model.features == ["a", "b"]
    np.testing.assert_allclose([model.intercept, *model.coef], THETA, rtol=1e-10)
    assert parser.main(["predict", "m.json", str(path)]) == 0
    out, err = capsys.readouterr()
    assert (len(out.splitlines()), err) == (61, "")
    assert parser.main(["fit", str(path), "--target", "y", "--features", "a,b"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("frame", "index"), [(NAMED, "id"), (SHUFFLED, "__index_level_0__")])
@pytest.mark.usefixtures("empty_folder")
def test_an_index_that_is_named_is_a_feature_or_the_target(frame, index, capsys):
    frame.to_parquet("data.parquet")
    result = fastgd.fit(fastgd.scan_parquet("data.parquet", target="y", features=["a", index]))
    assert result.feature_names == ["a", index]
    assert fastgd.fit(fastgd.scan_parquet("data.parquet", target=index)).feature_names == ["a", "b", "y"]
    for options in (["--target", "y", "--features", f"a,{index}"], ["--target", index]):
        assert parser.main(["fit", "data.parquet", *options]) == 0
        assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("empty_folder")
def test_an_index_with_a_name_is_a_column_of_csv_like_others(capsys):
    NAMED.to_csv("data.csv")
    assert fastgd.scan_csv("data.csv", target="y").feature_names == ["id", "a", "b"]
    assert fastgd.scan_csv("data.csv", target="y", features=["a", "b"]).feature_names == ["a", "b"]
    assert parser.main(["fit", "data.csv", "--target", "y", "--save", "m.json"]) == 0
    assert (model_file.load("m.json").features, capsys.readouterr().err) == (["id", "a", "b"], "")


def test_a_column_without_a_name_can_be_asked_for(tmp_path):
    (tmp_path / "data.csv").write_text(",a,y\n1,0,2\n2,1,5\n3,0,6\n")
    result = fastgd.fit(fastgd.scan_csv(tmp_path, target="y", features=["", "a"]))
    np.testing.assert_allclose(result.theta, [0.0, 2.0, 1.0], atol=1e-12)


def test_an_index_of_one_file_is_one_in_all(tmp_path):
    NAMED.to_parquet(tmp_path / "1.parquet")
    FRAME.assign(id=1.0).to_parquet(tmp_path / "0.parquet")
    assert fastgd.scan_parquet(tmp_path, target="y").feature_names == ["a", "b"]


@pytest.mark.usefixtures("empty_folder")
def test_nothing_but_an_index_is_no_training_set(capsys):
    FRAME[["a", "y"]].set_index("a").to_parquet("data.parquet")
    with pytest.raises(ValueError, match=r"no columns but 'y', so there are no features\. 'a' is taken for the index"):
        fastgd.scan_parquet("data.parquet", target="y")
    assert parser.main(["fit", "data.parquet", "--target", "y"]) == 2
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)
    assert "no column but the target 'y', so there is nothing to fit it from. 'a' is taken for the index" in err

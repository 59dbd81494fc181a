"""Tables from CSV by pyarrow, Parquet and arrays: the same as from the reader that looks at every cell, or the same error."""

import math
import os
import sys
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgd.inputs.csv_reader import TableError, read_csv
from fastgd.inputs.files import read_table, read_tables
from fastgd.inputs.plain_csv import NotPlainError, plain_tables
from fastgd.inputs.table import joined

pa = pytest.importorskip("pyarrow", reason="Parquet files, and plain CSV files, are read by pyarrow")
from pyarrow import parquet  # noqa: E402


def outcome(read, *args, **options):
    try:
        table = read(*args, **options)
    except TableError as error:
        return str(error)
    # The lines are those of every row where none was dropped, and nobody has to look.
    lines = table.lines.tolist() if table.n_dropped else None
    return table.names, table.values.tolist(), table.n_dropped, lines, table.left_out


PLAIN = {
    "numbers": "a,b,y\n1,2.5,3\n-4,5e-3,.6\n",
    "CRLF": "a,b,y\r\n1,2,3\r\n4,5,6\r\n",
    "no last newline": "a,b,y\n1,2,3",
    "BOM": "\ufeffa,b,y\n1,2,3\n",
    "blanks in names": " a , b ,y\n1,2,3\n",
    "names in another language": "größe,b,y\n1,2,3\n",
    "text where nobody looks": "a,b,y,name\n1,2,3,x\n4,5,6,\u00e4\n",
    "quoted names": '"a","b","y"\n1,2,3\n',
    "BOM and quoted names": '\ufeff"a","b, c",y\r\n1,2,3\r\n',
    "quoted numbers": 'a,b,y\n"1",2,3\n"4","5","6"\n7,8,"9"',
    "quoted text": 'a,b,y,name\n1,2,3,"x, z"\n4,5,6,""\n',
    "row names of R": '"","a","b","y"\n"1",1,2,3\n"2",4,5,6\n',
    "row numbers of pandas": ",a,b,y\n0,1,2,3\n1,4,5,6\n",
}

# Read fast where rows with missing values are dropped, and else refused.
MISSING_CELLS = {
    "missing": "a,b,y\n1,,3\n4,5,6\n",
    "the last missing": "a,b,y\n1,2,\n4,5,6",
    "any spelling": "a,b,y\n1,NA,3\n1,nan,3\n4,5,6\n1,NaN,3\n1,nULL,3\n1,na,3\n",
    "as pandas spells": "a,b,y\n1,None,3\n1,#N/A,3\n1,n/a,3\n4,5,6\n1,<NA>,3\n1,#N/A N/A,3\n1,-nan,3\n1,-1.#IND,3\n1,#na,3\n",
    "quoted names and NA": '"a","b","y"\r\n1,NA,3\r\n4,5,6\r\n',
}

ODD = {
    "blanks around numbers": "a,b,y\n 1 ,2 , 3\n",
    "quoted blanks": 'a,b,y\n" 1 ", "2",3\n',
    "a blank before a quote": 'a,b,y,t\n1,2,3, "x"\n',
    "text behind quotes": 'a,b,y,t\n1,2,3,"x" z\n4,5,6,"x"',
    "a quote within text": 'a,b,y,t\n1,2,3,5"\n4,5,6,"x"\n',
    "quotes within quotes": 'a,b,y,t\n1,2,3,"x ""y"", z"\n4,5,6,"""x"""\n',
    "quotes that meet": 'a,b,y,t\n1,2,3,"x","\n4,5,6,7,"",\n',
    "missing in quotes": 'a,b,y\n1,"",3\n1,"NA",3\n4,5,6\n',
    "missing and infinite": "a,b,y\n,inf,3\n4,5,6\n",
    "missing with a sign": "a,b,y\n1,-nan,3\n4,5,6\n",
    "missing with more": "a,b,y\n1,nan(ind),3\n4,5,6\n",
    "missing between blanks": "a,b,y\n1, NA ,3\n4,5,6\n",
    "missing beside empty lines": "a,b,y\n\n1,,3\n\n4,5,6\n7,8,9\n",
    "missing everywhere": "a,b,y\n1,,3\n,5,6\n,,\n",
    "quoted newlines": 'a,b,y,t\n1,2,3,"x\ny"\n',
    "infinite": "a,b,y\n1,inf,3\n",
    "too large": "a,b,y\n1,1e999,3\n",
    "underscores": "a,b,y\n1_0,2,3\n",
    "plus": "a,b,y\n+1,2,3\n",
    "hexadecimal": "a,b,y\n0x10,2,3\n",
    "text": "a,b,y\nx,2,3\n",
    "true": "a,b,y\ntrue,2,3\n",
    "ragged": "a,b,y\n1,2\n",
    "too many": "a,b,y\n1,2,3,4\n",
    "empty lines": "a,b,y\n\n1,2,3\n\n4,5,6\n",
    "an empty line first": "\na,b,y\n1,2,3\n",
    "a line of blanks": "a,b,y\n1,2,3\n  \n",
    "one column": "y\n1\n\n2\n",
    "no rows": "a,b,y\n",
    "nothing": "",
    "the same name twice": "a,a,y\n1,2,3\n",
    "no name": "a,,y\n1,2,3\n",
    "old Mac": "a,b,y\r1,2,3\r",
    "no such column": "a,b\n1,2\n",
    "a quote that is not closed": 'a,b,y,t\n1,2,3,"x\n',
    "NUL": "a,b,y\n1,\0,3\n",
}


@pytest.fixture(params=(TEXTS := PLAIN | MISSING_CELLS | ODD).values(), ids=TEXTS)
def path(request, tmp_path):
    (path := tmp_path / "data.csv").write_bytes(request.param.encode())
    return path


@pytest.mark.parametrize("drop_missing", [False, True])
@pytest.mark.parametrize("columns", [None, ["b"]])
def test_both_readers_agree(path, columns, drop_missing):
    options = columns, drop_missing
    assert outcome(read_table, path, *options, target="y") == outcome(read_csv, path, *options, target="y")


@pytest.mark.parametrize(
    ("path", "drop_missing"),
    [*((text, False) for text in PLAIN.values()), *((text, True) for text in MISSING_CELLS.values())],
    indirect=["path"],
)
def test_plain_files_are_read_fast(path, drop_missing):
    columns = ["a"] if "name" in path.read_text("utf-8") else None
    assert len(read_plain(path, columns, drop_missing, "y").values)


def test_files_are_looked_at_piece_by_piece(path, monkeypatch):
    for columns in (None, ["b"]):
        expected = outcome(_read_fast_or_not, path, columns, True, "y")
        with monkeypatch.context() as patch:
            patch.setattr("fastgd.kernels.tuning.CSV_PIECE_BYTES", 5)
            assert outcome(_read_fast_or_not, path, columns, True, "y") == expected


@pytest.mark.parametrize("drop_missing", [False, True])
@pytest.mark.parametrize("columns", [None, ["b"]])
def test_pieces_of_a_file_are_the_whole_of_it(path, columns, drop_missing, monkeypatch):
    expected = outcome(read_csv, path, columns, drop_missing, target="y")
    for n_bytes, n_values in ((5, 2), (12, 1), (1 << 20, 5)):
        monkeypatch.setattr("fastgd.kernels.tuning.CSV_PIECE_BYTES", n_bytes)
        monkeypatch.setattr("fastgd.kernels.tuning.READ_VALUES", n_values)
        assert outcome(read_table, path, columns, drop_missing, target="y") == expected


@pytest.mark.parametrize("ending", ["csv", "parquet", "npy"])
def test_a_file_is_read_in_pieces(ending, tmp_path, monkeypatch):
    monkeypatch.setattr("fastgd.kernels.tuning.CSV_PIECE_BYTES", 100)
    monkeypatch.setattr("fastgd.kernels.tuning.READ_VALUES", 40)
    values = np.arange(400.0).reshape(200, 2)
    path = tmp_path / f"data.{ending}"
    if ending == "csv":
        path.write_text("a,y\n" + "".join(f"{a},{y}\n" for a, y in values.tolist()))
    elif ending == "parquet":
        write(tmp_path, a=values[:, 0], y=values[:, 1])
    else:
        np.save(path, values)
    tables = list(read_tables(path))
    assert len(tables) >= 10
    assert max(len(table.values) for table in tables) <= 20
    np.testing.assert_array_equal(joined(tables).values, values)


def _read_fast_or_not(*arguments):
    try:
        return read_plain(*arguments)
    except NotPlainError:
        raise TableError("not plain") from None


def read_plain(*arguments):
    tables = list(plain_tables(*arguments))
    if not tables:
        raise NotPlainError
    return joined(tables)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
def test_a_pipe_is_read_once(tmp_path):
    path = tmp_path / "data.csv"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=["a,y\n1,2\n"], daemon=True)
    writer.start()
    assert read_table(path, target="y").values.tolist() == [[1, 2]]
    writer.join()


def test_bytes_that_are_no_text_are_refused_wherever_they_are(tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes("a,y,t\n1,2,ä\n".encode("latin-1"))
    assert outcome(read_table, path, ["a"], target="y") == outcome(read_csv, path, ["a"], target="y")


CELLS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-(10**20), 10**20).map(str),
    st.text(st.sampled_from('0123456789.eE+-_ "x,\n\r'), max_size=6),
    st.sampled_from(["", "NA", "nan", '"7"', '"x, y"', '"', '""', '"NaN"', "-nan", "inf"]),
)


@given(
    st.sampled_from(["a,y", '"a","y"', 'a,y,"t"', ",a,y"]),
    st.lists(st.lists(CELLS, min_size=2, max_size=3).map(",".join), max_size=4).map("\n".join),
    st.booleans(),
)
def test_whatever_is_in_a_file(tmp_path_factory, header, text, drop_missing):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(f"{header}\n{text}\n".encode())
    for columns in (None, ["a"]):
        got = outcome(read_table, path, columns, drop_missing, target="y")
        assert got == outcome(read_csv, path, columns, drop_missing, target="y")


@pytest.mark.parametrize("n", [600, 100_000])
def test_every_digit_of_any_number_of_rows_is_read(n, tmp_path):
    values = np.random.default_rng(0).standard_normal((n, 2)) * 10.0 ** np.linspace(-300.0, 300.0, n)[:, np.newaxis]
    path = tmp_path / "data.csv"
    path.write_text("a,y\n" + "".join(f"{a!r},{b!r}\n" for a, b in values.tolist()))
    np.testing.assert_array_equal(read_plain(path, None, False, "y").values, values)
    table = read_csv(path)
    np.testing.assert_array_equal(table.values, values)
    np.testing.assert_array_equal(table.lines, np.arange(2, n + 2))


def write(tmp_path, **columns):
    path = tmp_path / "data.parquet"
    parquet.write_table(pa.table(columns), path)
    return path


def test_columns_of_a_parquet_file(tmp_path):
    path = write(
        tmp_path, t=["x", "y"], a=pa.array([1, 2], pa.int8()), b=pa.array([0.5, 1.5], pa.float32()), y=[True, False]
    )
    table = read_table(path, ["b", "a"], target="y")
    assert table.names == ["b", "a", "y"]
    assert table.values.tolist() == [[0.5, 1, 1], [1.5, 2, 0]]


Y = [1.0, 2.0]
IN_EACH = "but a value is missing in each"


@pytest.mark.parametrize(
    ("columns", "drop_missing", "text"),
    [
        ({"a": ["x"], "y": [1.0]}, False, "column 'a': string is not a number"),
        ({"a": pa.nulls(2, pa.string()), "y": Y}, False, "column 'a': string is not a number"),
        ({"a": [1.0], "z": [1.0]}, False, "has no column 'y', but 'a', 'z'"),
        ({"a": [1.0, None], "y": Y}, False, "row 2, column 'a': a value is missing. .*--drop-missing"),
        ({"a": [1.0, math.nan], "y": Y}, False, "row 2, column 'a': a value is missing"),
        ({"a": [1.0, math.inf], "y": Y}, False, "row 2, column 'a': inf is not finite"),
        ({"a": pa.nulls(2), "b": Y, "y": Y}, False, "row 1, column 'a': a value is missing"),
        ({"a": pa.nulls(2), "b": Y, "y": Y}, True, f"has 2 rows, {IN_EACH}"),
        ({"a": [None, None, 3], "y": [1.0, 2.0, None]}, True, f"has 3 rows, {IN_EACH}"),
        *[({name: pa.nulls(0, kind) for name in "ay"}, False, "has no rows") for kind in ("float64", "string", "null")],
    ],
)
def test_parquet_files_that_cannot_be_fitted(columns, drop_missing, text, tmp_path):
    with pytest.raises(TableError, match=text):
        read_table(write(tmp_path, **columns), None, drop_missing, target="y")


@pytest.mark.parametrize(
    ("names", "columns", "both"),
    [
        ("aay", None, "1 and 2 are both 'a'"),
        ("ayy", None, "2 and 3 are both 'y'"),
        ("yay", ["a"], "1 and 3 are both 'y'"),
    ],
)
def test_columns_of_one_name_are_refused(names, columns, both, tmp_path):
    path = tmp_path / "data.parquet"
    parquet.write_table(pa.Table.from_arrays([pa.array([1.0, 2.0])] * 3, names=list(names)), path)
    with pytest.raises(TableError, match=f"data.parquet: columns {both}. Rename one, or choose other columns."):
        read_table(path, columns, target="y")


def test_columns_of_one_name_that_nobody_asks_for_do_no_harm(tmp_path):
    path = tmp_path / "data.parquet"
    columns = [pa.array([i, i + 1.0]) for i in (1, 3, 5, 7)]
    parquet.write_table(pa.Table.from_arrays(columns, names=["b", "y", "b", "a"]), path)
    assert read_table(path, ["a"], target="y").values.tolist() == [[7, 3], [8, 4]]


def test_decimals_are_numbers(tmp_path):
    path = write(
        tmp_path, a=pa.array([1, None, 3]).cast(pa.decimal128(30, 2)), y=pa.array([2, 4, 5]).cast(pa.decimal256(40, 1))
    )
    assert read_table(path, drop_missing=True, target="y").values.tolist() == [[1, 2], [3, 5]]


def test_rows_with_missing_values_are_dropped(tmp_path):
    path = write(tmp_path, a=[1, None, 3], y=[1.0, 2.0, None])
    table = read_table(path, drop_missing=True, target="y")
    assert (table.values.tolist(), table.lines.tolist(), table.n_dropped) == ([[1, 1]], [1], 2)


def test_arrays_have_numbers_for_names(tmp_path):
    path = tmp_path / "data.npy"
    np.save(path, np.arange(6).reshape(2, 3))
    table = read_table(path, ["2", "0"], target="1")
    assert (table.names, table.values.tolist()) == (["2", "0", "1"], [[2, 0, 1], [5, 3, 4]])
    assert read_table(path, target="1").names == ["0", "2", "1"]


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.zeros(3), r"has shape \(3,\), but rows and columns are expected"),
        (np.zeros((2, 2), complex), "complex128 is not a number"),
        (np.zeros((2, 2), np.longdouble), "is not a number"),
        (np.array([["a", "b"]]), "<U1 is not a number"),
        (np.zeros((0, 2)), "has no rows"),
        (np.array([[1.0, np.nan]]), "row 1, column '1': a value is missing"),
    ],
)
def test_arrays_that_cannot_be_fitted(array, text, tmp_path):
    np.save(tmp_path / "data.npy", array)
    with pytest.raises(TableError, match=text):
        read_table(tmp_path / "data.npy", target="1")


@pytest.mark.parametrize("name", ["data.csv", "data.parquet", "data.npy"])
def test_files_that_are_not_there_or_not_what_they_say(name, tmp_path):
    with pytest.raises(TableError, match="there is no file"):
        read_table(tmp_path / name)
    (tmp_path / name).write_bytes(b"\x93nonsense")
    with pytest.raises(TableError, match=name):
        read_table(tmp_path / name)
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    with pytest.raises(TableError, match=name):
        read_table(tmp_path / name)


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    path = write(tmp_path, a=[1.0], y=[1.0])
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(TableError, match=r"pip install 'fastgd\[parquet\]'"):
        read_table(path)


def test_a_csv_file_is_read_without_pyarrow(tmp_path, monkeypatch):
    path = tmp_path / "data.csv"
    path.write_text("a,y\n1,2\n3,4\n")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(NotPlainError):
        read_plain(path, None, False, "y")
    assert read_table(path, target="y").values.tolist() == [[1, 2], [3, 4]]

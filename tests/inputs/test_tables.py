from pathlib import Path

import numpy as np
import pytest

from fastgd.inputs.csv_reader import TableError, read_csv


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(content):
    Path("data.csv").write_bytes(content if isinstance(content, bytes) else content.encode())


def error(content, *args, **kwargs):
    write(content)
    with pytest.raises(TableError) as caught:
        read_csv("data.csv", *args, **kwargs)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_all_columns():
    write("a,b\n1,2.5\n-3e-2,+4\n")
    table = read_csv("data.csv")
    assert table.names == ["a", "b"]
    assert table.values.dtype == np.float64
    assert table.values.flags.c_contiguous
    assert table.values.tolist() == [[1.0, 2.5], [-0.03, 4.0]]
    assert table.lines.tolist() == [2, 3]
    assert table.n_dropped == 0


def test_columns_in_the_order_asked_for():
    write("a,b,c\n1,2,3\n")
    assert read_csv("data.csv", ["c", "a"]).values.tolist() == [[3.0, 1.0]]
    assert read_csv("data.csv", ["c", "a"]).names == ["c", "a"]


def test_target_stands_last():
    write("a,b,c\n1,2,3\n")
    table = read_csv("data.csv", target="a")
    assert table.names == ["b", "c", "a"]
    assert table.values.tolist() == [[2.0, 3.0, 1.0]]
    table = read_csv("data.csv", ["c"], target="b")
    assert table.names == ["c", "b"]
    assert table.values.tolist() == [[3.0, 2.0]]


@pytest.mark.parametrize(
    "content",
    [
        "a,b\n1,2\n3,4\n",
        "a,b\n1,2\n3,4",
        "a,b\r\n1,2\r\n3,4\r\n",
        "a,b\r1,2\r3,4\r",
        b"\xef\xbb\xbfa,b\n1,2\n3,4\n",
        b'\xef\xbb\xbf"a","b"\n1,2\n3,4\n',
        " a , b\n 1 , 2 \n3,\t4\n",
        '"a", "b"\n"1", "2"\n3,4\n',
        "\n\na,b\n\n1,2\n\n\n3,4\n\n",
    ],
    ids=["plain", "no-end", "crlf", "cr", "bom", "bom-quoted", "blanks", "quoted", "empty-lines"],
)
def test_spellings_of_one_table(content):
    write(content)
    table = read_csv("data.csv")
    assert table.names == ["a", "b"]
    assert table.values.tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_other_columns_may_hold_anything():
    write('x,text,z\n1,"a, b\nand ""c"" 1_0",inf\n2,,\n')
    table = read_csv("data.csv", ["x"])
    assert table.values.tolist() == [[1.0], [2.0]]
    assert table.lines.tolist() == [3, 4]  # in which the rows end


def test_names_may_hold_commas_quotes_and_any_script():
    write('"a, b","say ""x""",größe,身長\n1,2,3,4\n')
    assert read_csv("data.csv").names == ["a, b", 'say "x"', "größe", "身長"]


@pytest.mark.parametrize("number", ["0.1", "-0.0", "5e-324", "1.7976931348623157e308", "0.30000000000000004"])
def test_numbers_keep_every_digit(number):
    write(f"a\n{number}\n")
    assert repr(read_csv("data.csv").values.item()) == repr(float(number))


# What pandas.read_csv takes for missing, by its documentation.
BY_PANDAS = [
    "",
    "#N/A",
    "#N/A N/A",
    "#NA",
    "-1.#IND",
    "-1.#QNAN",
    "-NaN",
    "-nan",
    "1.#IND",
    "1.#QNAN",
    "<NA>",
    "N/A",
    "NA",
]
BY_PANDAS += ["NULL", "NaN", "None", "n/a", "nan", "null"]


@pytest.mark.parametrize("missing", [*BY_PANDAS, " ", '""', "na", " Null ", "NONE", "none", "#n/a", " None "])
def test_missing_values(missing):
    content = f"a,b,c\n1,2,\n3,{missing},\n5,6,\n"
    assert error(content, ["a", "b"]) == (
        "data.csv, line 3, column 'b': a value is missing. Fill it in, or drop such rows with --drop-missing."
    )
    table = read_csv("data.csv", ["a", "b"], drop_missing=True)
    assert table.values.tolist() == [[1.0, 2.0], [5.0, 6.0]]
    assert table.lines.tolist() == [2, 4]
    assert table.n_dropped == 1


def test_empty_line_in_a_single_column_is_a_missing_value():
    assert error("a\n1\n\n2\n").startswith("data.csv, line 3, column 'a': a value is missing.")
    assert read_csv("data.csv", drop_missing=True).lines.tolist() == [2, 4]


@pytest.mark.parametrize("n_rows", [1, 2])
def test_every_row_dropped(n_rows):
    rows = "1 row" if n_rows == 1 else "2 rows"
    assert error("a,b\n" + "1,\n" * n_rows, drop_missing=True) == (
        f"data.csv has {rows}, but a value is missing in each. Fill in the values, or choose other columns."
    )


@pytest.mark.parametrize("text", ["abc", "1.2.3", "1_000", "0x10", "1 2", "1;2", "--1", "true", "#N", "missing", "-"])
@pytest.mark.parametrize("drop_missing", [False, True])
def test_text(text, drop_missing):
    assert error(f"a,b\n1,2\n,{text}\n" if drop_missing else f"a,b\n1,2\n3,{text}\n", drop_missing=drop_missing) == (
        f"data.csv, line 3, column 'b': {text!r} is not a number. Correct it, or choose other columns."
    )


def test_long_text_is_cut_and_control_characters_are_escaped():
    assert f"'{'x' * 37}...' is not a number" in error("a,b\n1," + "x" * 1000 + "\n")
    assert r"'1\n\x1b' is not a number" in error('a,b\n1,"1\n\x1b"\n')


@pytest.mark.parametrize("text", ["inf", "-Infinity", "1e999", "9" * 400])
def test_infinity(text):
    shown = repr(text if len(text) <= 40 else text[:37] + "...")
    assert error(f"a,b\n{text},2\n") == (
        f"data.csv, line 2, column 'a': {shown} is not finite. Correct it, or leave it empty if it is not known."
    )


def test_lines_are_counted_as_an_editor_does():
    assert error('a,"b\nc"\n\n1,"2\n"\n3,x\n').startswith("data.csv, line 6, column 'b\\nc': 'x'")


@pytest.mark.parametrize(
    ("row", "cells"), [("1", "1 cell"), ("1,2", "2 cells"), ("1,2,3,4", "4 cells"), ("1,2,3,", "4 cells")]
)
def test_ragged_line(row, cells):
    assert error(f"a,b,c\n1,2,3\n{row}\n", ["a"]) == (
        f"data.csv, line 3: {cells} found, but the header has 3. "
        "Correct the line; text with a comma in it belongs in double quotes."
    )


def test_header_without_a_name():
    assert error(",\n1,2\n") == "data.csv, line 1: column 1 has no name. Name it, or delete the column."
    assert error(",a,\n1,2,3\n") == "data.csv, line 1: column 3 has no name. Name it, or delete the column."
    assert error("\na, \n1,2\n") == "data.csv, line 2: column 2 has no name. Name it, or delete the column."


def test_header_with_a_name_twice():
    assert error("a,b, a\n1,2,3\n", ["b"]) == "data.csv, line 1: columns 1 and 3 are both 'a'. Rename one."


def test_column_that_is_not_there():
    content = "height,weight\n1,2\n"
    assert error(content, ["age"]) == "data.csv has no column 'age', but 'height', 'weight'."
    assert (
        error(content, ["hieght"]) == "data.csv has no column 'hieght', but 'height', 'weight'. Did you mean 'height'?"
    )
    assert error(content, target="WEIGHT").endswith("Did you mean 'weight'?")


def test_target_that_is_not_there_comes_before_text():
    assert error("a,b\nx,y\n", target="c") == "data.csv has no column 'c', but 'a', 'b'."


def test_long_list_of_columns_is_cut():
    content = ",".join(f"c{i}" for i in range(100)) + "\n" + ",".join("1" * 100) + "\n"
    assert error(content, ["age"]).endswith("'c18', 'c19' and 80 more.")


@pytest.mark.parametrize("content", ["", "\n\n", b"\xef\xbb\xbf"])
def test_empty_file(content):
    assert error(content) == "data.csv is empty, but a header line and rows are expected. Check the path."


@pytest.mark.parametrize("content", ["a,b", "a,b\n\n\n"])
def test_no_rows(content):
    assert error(content) == "data.csv has a header line, but no rows. Give a file that has at least one."


@pytest.mark.parametrize(
    ("content", "line", "byte"),
    [
        (b"gr\xf6\xdfe,b\n1,2\n", 1, "f6"),
        (b"a,b\n" + b"1,2\n" * 50_000 + "3,ä\n".encode("latin-1"), 50_002, "e4"),
        ("a,b\n1,2\n".encode("utf-16"), 1, "ff"),
        (b"a,b\n1,\xed\xb2\x80\n", 2, "ed"),
    ],
    ids=["latin1-header", "latin1-far-down", "utf16", "surrogate"],
)
def test_not_utf8(content, line, byte):
    assert error(content, ["b"]) == (
        f"data.csv, line {line}: the byte 0x{byte} is not UTF-8. Save the file as CSV in UTF-8."
    )


@pytest.mark.parametrize("content", ['a,b\n1,"2" 3\n', 'a,b\n1,"2', "a,b\n1," + "2" * 200_000 + "\n"])
def test_malformed_csv(content):
    assert error(content).startswith("data.csv, line 2: this is not CSV (")


def test_no_such_file():
    with pytest.raises(TableError) as caught:
        read_csv("data.csv")
    assert str(caught.value) == "there is no file data.csv, but a CSV file is expected. Check the path."


def test_directory():
    Path("data.csv").mkdir()
    with pytest.raises(TableError) as caught:
        read_csv("data.csv")
    assert str(caught.value) == "data.csv is a directory, but a CSV file is expected. Give a file in it."


def test_file_that_cannot_be_read(monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(TableError) as caught:
        read_csv(Path("data.csv"))
    assert str(caught.value) == "data.csv cannot be read: Permission denied. Check the path and the permissions."


def test_name_of_the_file_stays_on_the_line():
    with pytest.raises(TableError, match=r"there is no file 'a\\nb', but"):
        read_csv("a\nb")


def test_many_rows():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((100_000, 3))
    write("a,b,c\n" + "".join(",".join(map(repr, row)) + "\n" for row in values.tolist()))
    table = read_csv("data.csv")
    assert np.array_equal(table.values, values)
    assert np.array_equal(table.lines, np.arange(2, 100_002))

from pathlib import Path

import numpy as np
import pytest
from stand_ins import NO_PERMISSION, raising

from fastgd.inputs.csv_reader import TableError, read_csv

pytestmark = pytest.mark.usefixtures("empty_folder")


def write(content):
    Path("data.csv").write_bytes(content if isinstance(content, bytes) else content.encode())


def error(content=None, *args, **kwargs):
    if content is not None:
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


@pytest.mark.parametrize(
    ("columns", "target", "names"),
    [(["c", "a"], None, "ca"), (None, "a", "bca"), (["c"], "b", "cb")],
)
def test_columns_in_the_order_asked_for_and_the_target_last(columns, target, names):
    write("a,b,c\n1,2,3\n")
    table = read_csv("data.csv", columns, target=target)
    assert table.names == [*names]
    assert table.values.tolist() == [["_abc".index(name) for name in names]]


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


MISSING = "a value is missing. Fill it in, or drop such rows with --drop-missing."
# What pandas.read_csv takes for missing, by its documentation.
BY_PANDAS = ["", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A"]
BY_PANDAS += ["NA", "NULL", "NaN", "None", "n/a", "nan", "null"]


@pytest.mark.parametrize("missing", [*BY_PANDAS, " ", '""', "na", " Null ", "NONE", "none", "#n/a", " None "])
def test_missing_values(missing):
    content = f"a,b,c\n1,2,\n3,{missing},\n5,6,\n"
    assert error(content, ["a", "b"]) == f"data.csv, line 3, column 'b': {MISSING}"
    table = read_csv("data.csv", ["a", "b"], drop_missing=True)
    assert table.values.tolist() == [[1.0, 2.0], [5.0, 6.0]]
    assert table.lines.tolist() == [2, 4]
    assert table.n_dropped == 1


def test_empty_line_in_a_single_column_is_a_missing_value():
    assert error("a\n1\n\n2\n") == f"data.csv, line 3, column 'a': {MISSING}"
    assert read_csv("data.csv", drop_missing=True).lines.tolist() == [2, 4]


@pytest.mark.parametrize("text", ["abc", "1.2.3", "1_000", "0x10", "1 2", "1;2", "--1", "true", "#N", "missing", "-"])
@pytest.mark.parametrize("drop_missing", [False, True])
def test_text(text, drop_missing):
    assert error(f"a,b\n1,2\n,{text}\n" if drop_missing else f"a,b\n1,2\n3,{text}\n", drop_missing=drop_missing) == (
        f"data.csv, line 3, column 'b': {text!r} is not a number. Correct it, or choose other columns."
    )


@pytest.mark.parametrize("text", ["inf", "-Infinity", "1e999", "9" * 400])
def test_infinity(text):
    shown = repr(text if len(text) <= 40 else text[:37] + "...")
    assert error(f"a,b\n{text},2\n") == (
        f"data.csv, line 2, column 'a': {shown} is not finite. Correct it, or leave it empty if it is not known."
    )


CORRECT = "is not a number. Correct it, or choose other columns."
NAME_IT = "has no name. Name it, or delete the column."
RAGGED = "found, but the header has 3. Correct the line; text with a comma in it belongs in double quotes."
EMPTY = "is empty, but a header line and rows are expected. Check the path."
NO_ROWS = "has a header line, but no rows. Give a file that has at least one."
NOT_UTF8 = "is not UTF-8. Save the file as CSV in UTF-8."
ALL_MISSING = "but a value is missing in each. Fill in the values, or choose other columns."
MANY = [f"c{i}" for i in range(100)]


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("a,b\n1,\n", {"drop_missing": True}, f" has 1 row, {ALL_MISSING}"),
        ("a,b\n1,\n1,\n", {"drop_missing": True}, f" has 2 rows, {ALL_MISSING}"),
        ("a,b\n1," + "x" * 1000 + "\n", {}, f", line 2, column 'b': '{'x' * 37}...' {CORRECT}"),
        ('a,b\n1,"1\n\x1b"\n', {}, rf", line 3, column 'b': '1\n\x1b' {CORRECT}"),
        ('a,"b\nc"\n\n1,"2\n"\n3,x\n', {}, rf", line 6, column 'b\nc': 'x' {CORRECT}"),  # as an editor counts
        ("a,b,c\n1,2,3\n1\n", {"columns": ["a"]}, f", line 3: 1 cell {RAGGED}"),
        ("a,b,c\n1,2,3\n1,2\n", {"columns": ["a"]}, f", line 3: 2 cells {RAGGED}"),
        ("a,b,c\n1,2,3\n1,2,3,4\n", {"columns": ["a"]}, f", line 3: 4 cells {RAGGED}"),
        ("a,b,c\n1,2,3\n1,2,3,\n", {"columns": ["a"]}, f", line 3: 4 cells {RAGGED}"),
        (",\n1,2\n", {}, f", line 1: column 1 {NAME_IT}"),
        (",a,\n1,2,3\n", {}, f", line 1: column 3 {NAME_IT}"),
        ("\na, \n1,2\n", {}, f", line 2: column 2 {NAME_IT}"),
        ("a,b, a\n1,2,3\n", {"columns": ["b"]}, ", line 1: columns 1 and 3 are both 'a'. Rename one."),
        ("height,mass\n1,2\n", {"columns": ["age"]}, " has no column 'age', but 'height', 'mass'."),
        (
            "height,mass\n1,2\n",
            {"columns": ["hieght"]},
            " has no column 'hieght', but 'height', 'mass'. Did you mean 'height'?",
        ),
        ("height,mass\n1,2\n", {"target": "MASS"}, " has no column 'MASS', but 'height', 'mass'. Did you mean 'mass'?"),
        ("a,b\nx,y\n", {"target": "c"}, " has no column 'c', but 'a', 'b'."),  # before text is met
        (",".join(MANY), {"columns": ["age"]}, f" has no column 'age', but {str(MANY[:20])[1:-1]} and 80 more."),
        ("", {}, f" {EMPTY}"),
        ("\n\n", {}, f" {EMPTY}"),
        (b"\xef\xbb\xbf", {}, f" {EMPTY}"),
        ("a,b", {}, f" {NO_ROWS}"),
        ("a,b\n\n\n", {}, f" {NO_ROWS}"),
        (b"gr\xf6\xdfe,b\n1,2\n", {"columns": ["b"]}, f", line 1: the byte 0xf6 {NOT_UTF8}"),
        (b"a,b\n" + b"1,2\n" * 50_000 + b"3,\xe4\n", {"columns": ["b"]}, f", line 50002: the byte 0xe4 {NOT_UTF8}"),
        ("a,b\n1,2\n".encode("utf-16"), {"columns": ["b"]}, f", line 1: the byte 0xff {NOT_UTF8}"),
        (b"a,b\n1,\xed\xb2\x80\n", {"columns": ["b"]}, f", line 2: the byte 0xed {NOT_UTF8}"),  # a surrogate
    ],
    ids=lambda given: repr(given)[:40],
)
def test_what_is_wrong_with_a_file_and_where(content, options, message):
    assert error(content, **options) == f"data.csv{message}"


@pytest.mark.parametrize("content", ['a,b\n1,"2" 3\n', 'a,b\n1,"2', "a,b\n1," + "2" * 200_000 + "\n"])
def test_malformed_csv(content):
    assert error(content).startswith("data.csv, line 2: this is not CSV (")


def test_what_cannot_be_read(monkeypatch):
    assert error() == "there is no file data.csv, but a CSV file is expected. Check the path."
    Path("data.csv").mkdir()
    assert error() == "data.csv is a directory, but a CSV file is expected. Give a file in it."
    monkeypatch.setattr("builtins.open", raising(NO_PERMISSION))
    assert error() == "data.csv cannot be read: Permission denied. Check the path and the permissions."


def test_name_of_the_file_stays_on_the_line():
    with pytest.raises(TableError, match=r"there is no file 'a\\nb', but"):
        read_csv("a\nb")

"""Tables: separators, categories, missing cells, frames; the compiled reader gives the bits of the strict one."""

import codecs
import datetime
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symnn.data import Dataset, load_file, load_frame
from symnn.errors import DataError
from symnn.tables import Features, Layout, Table, from_frame, read_table
from symnn.tables.features import MAX_CATEGORIES
from symnn.tables.lookalikes import are_categories
from symnn.tables.text import read_text

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(text: str, name: str = "data.csv") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return to_file


def raw(data: Dataset) -> np.ndarray:
    """All rows as they were before they were standardised, sorted by the first feature."""
    rows = np.concatenate([data.train.x, data.validation.x, data.test.x]) * data.scale + data.mean
    return np.asarray(rows[np.argsort(rows[:, 0])])


def written(table: Table) -> list[str] | None:
    """The labels of a table, row by row."""
    return None if table.labels is None else [table.labels.texts[code] for code in table.labels.codes]


def said(action: Callable[[], object]) -> str:
    with pytest.raises(DataError) as caught:
        action()
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ------------------------------------------------------------------------------------------------ layouts


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("a;b;t\n1.5;2;x\n3;4;y\n", {}),
        ("a\tb\tt\n1.5\t2\tx\n3\t4\ty\n", {}),
        ("a|b|t\n1.5|2|x\n3|4|y\n", {}),
        ("a b t\n1.5 2 x\n3 4 y\n", {}),
        ("  a   b t \n 1.5 2   x\n3\t4 y\n", {}),
        ('"a","b","t"\n"1.5",2,x\n3,4,"y"\n', {}),
        ('a;b;t\n"1.5";2;"x"\n3;4;y\n', {"separator": "semicolon"}),
        ("a;b;t\n1,5;2;x\n3;4;y\n", {"decimal": ","}),
        ("a b t\n1,5 2 x\n3 4,0 y\n", {"decimal": ","}),
        ("a,b,t\n1.5,2,x\n3,4,y\n", {"separator": ","}),
    ],
)
def test_a_table_is_read_however_it_is_laid_out(text: str, arguments: dict[str, Any]) -> None:
    table = read_text("f.csv", text.encode(), ("t",), Layout(**arguments))
    assert table.names == ("a", "b", "t")
    assert table.numbers[:, :2].tolist() == [[1.5, 2.0], [3.0, 4.0]]
    assert written(table) == ["x", "y"]


def test_names_with_commas_or_blanks_do_not_mislead() -> None:
    table = read_text("f.csv", b"petal length;width, cm\n1,5;2,5\n", (), Layout(decimal=","))
    assert table.names == ("petal length", "width, cm")
    assert table.numbers.tolist() == [[1.5, 2.5]]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("large", [10**9, 0])
def test_a_byte_order_mark_says_how_text_is_encoded(encoding: str, large: int) -> None:
    mark = codecs.BOM_UTF16_BE if encoding == "utf-16-be" else b""
    table = read_text("f.txt", mark + "größe\tt\n1.5\té\n".encode(encoding), ("t",), Layout(), large)
    assert (table.names, table.numbers[0, 0], written(table)) == (("größe", "t"), 1.5, ["é"])


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ("a,t\n1,2\n".encode("utf-16-le"), "line 1: found a zero byte, as in UTF-16"),
        (b"a,t\n1,2\n\x003,4\n", "line 3: found a zero byte"),
        (b"\xff\xfea", "begins like UTF-16, but is not"),
        (b"a,t\n\x805,2\n", "line 2: found the byte 0x80 ('€' in Windows-1252"),
    ],
)
@pytest.mark.parametrize("large", [10**9, 0])
def test_text_in_another_encoding_says_how_to_save_it(data: bytes, found: str, large: int) -> None:
    message = said(lambda: read_text("f.csv", data, (), Layout(), large))
    assert found in message
    assert "save the file as UTF-8" in message


def test_a_tsv_is_separated_by_tabs_whatever_its_cells_hold(write: Write) -> None:
    assert read_table(write("a, b\tc\n1\t2\n", "data.tsv")).names == ("a, b", "c")


def test_the_row_that_differs_is_named_under_the_separator_of_the_header() -> None:
    assert "line 3 has 2 cells, expected 3" in said(lambda: read_text("f", b"a;b;c\n1;2;3\n1;2\n", (), Layout()))


def test_numbers_written_otherwise_are_no_categories_nor_classes(write: Write) -> None:
    points = "a;t\n" + "1.5;1,5\n2.5;2,5\n" * 20
    assert "found '1.5', expected a number with a decimal comma" in said(
        lambda: load_file(write(points), "t", decimal=",")
    )
    shares = "a,t\n" + "".join(f"{i},{i % 4}%\n" for i in range(40))
    assert "found '0%', expected a number" in said(lambda: load_file(write(shares), "t"))
    assert load_file(write(shares), "t", task="classification").classes == ("0%", "1%", "2%", "3%")
    incomes = "a,t\n" + "".join(f"{i},{('<=50K', '>50K')[i % 2]}\n" for i in range(40))
    assert load_file(write(incomes), "t").classes == ("<=50K", ">50K")
    lacking = "a,t\n" + "".join(f"{i},{('red', 'NA', 'blue')[i % 3]}\n" for i in range(40))
    assert "line 3, column 't': found 'NA', expected a label (missing: drop" in said(
        lambda: load_file(write(lacking), "t")
    )
    assert load_file(write(lacking), "t", missing="drop").classes == ("blue", "red")


def test_decimal_commas_in_quotes_may_be_separated_by_commas(write: Write) -> None:
    rows = "".join(f'"{i},5","0,25",{i}\n' for i in range(30))
    for separator in (None, "comma"):
        data = load_file(write("a,b,t\n" + rows), "t", decimal=",", separator=separator)
        np.testing.assert_allclose(raw(data)[:, 0], np.arange(30) + 0.5, atol=1e-12)
        np.testing.assert_allclose(raw(data)[:, 1], 0.25, atol=1e-12)
    assert "line 2 has 3 cells, expected 2" in said(
        lambda: load_file(write("a,t\n1,5,2\n"), "t", decimal=",", separator="comma")
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"separator": ":"}, "separator: found ':', expected one of ',' (comma), ';' (semicolon)"),
        ({"decimal": ";"}, "decimal: found ';', expected '.' or ','"),
        ({"missing": "zero"}, "missing: found 'zero', expected one of 'refuse', 'drop', 'mean'"),
        ({"ignore": ["c"]}, "ignore: found no column 'c'; the table has 'a', 't'"),
        ({"categorical": ["c"]}, "categorical: found no column 'c'; the table has 'a'"),
        ({"ignore": "a"}, "found only the target"),
    ],
)
def test_what_is_said_of_a_file_is_checked(write: Write, arguments: dict[str, Any], message: str) -> None:
    assert message in said(lambda: load_file(write("a,t\n1,2\n"), "t", **arguments))


# ------------------------------------------------------------------------------------------------ kinds of columns

ROWS = 24


def with_column(cells: list[str], separator: str = ";") -> str:
    """A file with a number, the given cells and a target."""
    rows = (f"{i}{separator}{cells[i % len(cells)]}{separator}{i / 2}\n" for i in range(ROWS))
    return separator.join(["i", "c", "t"]) + "\n" + "".join(rows)


def test_text_becomes_an_input_for_each_category(write: Write) -> None:
    data = load_file(write(with_column(["red", "blue", "red, dark"])), "t")
    assert data.feature_names == ("i", "c=blue", "c=red", "c=red, dark")
    np.testing.assert_allclose(raw(data)[:3, 1:], [[0, 1, 0], [1, 0, 0], [0, 0, 1]], atol=1e-12)


def test_true_and_false_become_one_and_zero(write: Write) -> None:
    data = load_file(write(with_column(["True", "false"])), "t")
    assert data.feature_names == ("i", "c")
    np.testing.assert_allclose(raw(data)[:2, 1], [1, 0], atol=1e-12)


def test_numbers_may_be_said_to_be_categories(write: Write) -> None:
    data = load_file(write(with_column(["10", "9", "9.5"])), "t", categorical="c")
    assert data.feature_names == ("i", "c=9", "c=9.5", "c=10")


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            ["2024-01-05", "2024-02-06"],
            "line 2, column 'c': found '2024-01-05', expected a number; write a date",
        ),
        (["5.1.2024 12:30"], "write a date as one, such as days since a first day"),
        (
            ["1,5", "2"],
            "line 2, column 'c': found '1,5', expected a number; if its comma is a decimal comma",
        ),
        (["1,5", "2,5"], "say decimal: ','"),
        (
            ["1.5 stars", "2 stars"],
            "found '1.5 stars', expected a number; if these are categories, say categorical: 'c'",
        ),
        (["1", "True"], "line 3, column 'c': found 'True', expected a number; write 1 for True and 0 for False"),
        (["1", "red"], "line 3, column 'c': found 'red', expected a number"),
        (["1", ""], "line 3, column 'c': found an empty cell, expected a number (missing: drop"),
        (["1", "NA"], "line 3, column 'c': found 'NA', expected a number (missing: drop leaves such rows out"),
        (["1", "nan"], "line 3, column 'c': found nan, expected a finite number (missing: drop"),
        (["a", ""], "line 3, column 'c': found an empty cell, expected one of 'a' (missing: drop"),
    ],
)
def test_a_cell_that_cannot_be_read_says_what_to_write(write: Write, cells: list[str], message: str) -> None:
    assert message in said(lambda: load_file(write(with_column(cells)), "t"))


WITH_MARKS = """
1,100.5|2,137.5; 1 100.5|1'100; 12 345|1 100; 1.100,50 €|2,00 €; $0.126|$2; -$5.2|5 EUR|−1; USD 5|Rs. 1,200
€110.5M|€565K; 12%|0.5 %; 5°C|7 °C; 40.7° N|52.1° S; 1e5 kg|2 kg; 159lbs|160 lb; 8GB|16GB; 5 mg/dL|7 mg/dL
120 m²|80 m^2; 23.4 kmpl|9 kmpl; 1.5M|2M; 10k|5k; 19M|201k; 1.2B|300M; 1.5x10^3|2×10⁻³; 1.5D+03|2D+1
36 months|60 months; 2h 50m|19h; 5'7"|6'1"; 5 ft 7 in|6 ft; (1.5)|(2); [1.5]|[2]; '5'|'6'; <5|<7; ≥5 °C|≥7.5 °C
~5|7 ms; 1.5*|2.0**; 1.5±0.2|2 ± 1; 1.5 stars|2 stars; 5\u00a0kg|6\u202fkg; 2024-01-05|Jan 2024
5 Jan 2024|Mar 7, 2023; 5:30 PM|12:00 am; 2024-01-05|5 kg
"""
CATEGORIES = """
A1|B2; 0+|0-|A+; T4|T3; H2O|CO2; 0x1F|0x20; v1.2|v1.3; 1.2.3|1.2.4; 192.168.0.1|192.168.0.2; PS4|PS5; E10|E85; U18|U21
Q1|Q2; 1st|2nd; 3rd floor|2nd floor; 4th floor|5th floor|6th floor; 1. Bundesliga|2. Bundesliga; 1.OG|2.OG
room 12|room 13; size 5|size 6; 90210-1234|10001-0001; 1011 AB|1012 AC; 123 45|234 56; 555 123 4567|555 222 1234
12A|12B; 5a|5b|6a; 5 A|6 A; #5|#6; No. 5|No. 6; 18-25|26-35; 5-9 years|10 years; 10-20 kg|20-30 kg; <18|18-65|>65
<=50K|>50K; 10+ years|< 1 year|2 years; 3+|4+; (0, 10]|(10, 20]; 5G|4G|3G; 3D|2D; 2WD|4WD; 4x4|4x2; 4x100|4x400
20s|30s; 20M|20F; 2 door|4 door; 1 of 3|2 of 3; 120/80|130/90; 16:9|4:3; 2.0 TDI|1.4 TSI; 5 kg|red; May|Jun
level 1.5|level 2
"""


def columns_of(text: str) -> list[list[str]]:
    return [column.strip().split("|") for line in text.strip().split("\n") for column in line.split(";")]


def test_numbers_with_marks_and_dates_are_no_categories() -> None:
    assert [column for column in columns_of(WITH_MARKS) if are_categories(column)] == []


def test_names_that_hold_digits_are_categories() -> None:
    assert [column for column in columns_of(CATEGORIES) if not are_categories(column)] == []


def test_numbers_with_marks_are_refused_by_line_unless_they_are_said_to_be_categories(write: Write) -> None:
    path = write(with_column(["$5.2", "5°C", "(1.5)"]))
    assert said(lambda: load_file(path, "t")).endswith(
        "line 2, column 'c': found '$5.2', expected a number; write it without signs between thousands, units, "
        "currency and other marks; if these are categories, say categorical: 'c'"
    )
    assert load_file(path, "t", categorical="c").feature_names[1:] == ("c=$5.2", "c=(1.5)", "c=5°C")


def test_a_column_of_names_is_refused_by_name(write: Write) -> None:
    rows = "".join(f"{i},person {i},{i / 2}\n" for i in range(MAX_CATEGORIES + 1))
    path = write("i,name,t\n" + rows)
    assert "column 'name': found 101 different texts, such as 'person 0', expected" in said(
        lambda: load_file(path, "t")
    )
    assert load_file(path, "t", ignore=["name"]).feature_names == ("i",)


# ------------------------------------------------------------------------------------------------ missing cells

HOLES = with_column(["1", "", "?", "4"])


def test_rows_with_missing_cells_are_left_out(write: Write) -> None:
    data = load_file(write(HOLES), "t", missing="drop")
    assert data.dropped == ROWS / 2
    np.testing.assert_allclose(np.unique(raw(data)[:, 1]), [1, 4], atol=1e-12)
    ignored = load_file(write(HOLES), "t", missing="drop", ignore="c")
    assert ignored.dropped == 0


def test_missing_cells_become_the_mean_of_the_training_part(write: Write) -> None:
    """Standardised, that is 0; the mean of all rows, or of the file, would not be."""
    cells = [str(value) for value in (1, 2, 4, 8, 16, 32)]
    text = with_column(["", *cells])
    data = load_file(write(text), "t", missing="mean")
    parts = [data.train, data.validation, data.test]
    for part in parts:
        index = np.rint(part.x[:, 0] * data.scale[0] + data.mean[0]).astype(int)
        np.testing.assert_array_equal(part.x[index % 7 == 0, 1], 0)
    present = data.train.x[data.train.x[:, 1] != 0, 1] * data.scale[1] + data.mean[1]
    assert data.mean[1] == pytest.approx(present.mean(), rel=1e-14)


def test_missing_targets_are_left_out_or_refused(write: Write) -> None:
    rows = "".join(f"{i},{i / 2 if i % 3 else ''}\n" for i in range(30))
    path = write("i,t\n" + rows)
    assert load_file(path, "t", missing="drop", task="regression").dropped == 10
    for missing in ("refuse", "mean"):
        assert "line 2, column 't': found an empty cell" in said(
            lambda: load_file(path, "t", missing=missing, task="regression")  # type: ignore[arg-type] # noqa: B023
        )


def test_a_column_without_any_cell_has_no_mean(write: Write) -> None:
    assert "column 'c': found no cell in the training part" in said(
        lambda: load_file(write(with_column([""])), "t", missing="mean")
    )


# ------------------------------------------------------------------------------------------------ the compiled reader

NUMBERS = st.one_of(
    st.floats(allow_nan=False).map(repr),
    st.integers(-(2**64), 2**64).map(str),
    st.tuples(st.integers(0, 10**19), st.integers(-340, 320)).map(lambda pair: f"{pair[0]}e{pair[1]}"),
    st.tuples(st.integers(2**53, 2**54), st.integers(0, 3)).map(lambda pair: f"{2 * pair[0] + 1}E+{pair[1]}"),
    st.decimals(allow_nan=False, allow_infinity=False, places=9).map(str),
    st.sampled_from(
        ["", "-", "+1", ".5", "5.", ".", "-0", "1e", "1e5x", "nan", "inf", " 2 ", "red", "1_0", "0x1p3", "é"]
    ),
)


@given(
    cells=st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=20),
    separator=st.sampled_from([",", ";", "\t"]),
    decimal=st.sampled_from([".", ","]),
    end=st.sampled_from(["\n", "\r\n", "\n\n"]),
)
def test_the_compiled_reader_reads_what_the_strict_one_does(
    cells: list[tuple[str, str]], separator: str, decimal: str, end: str
) -> None:
    if separator == decimal:
        return
    text = end.join(separator.join(row).replace(".", decimal) for row in [("a", "b"), *cells])
    layout = Layout(separator, decimal)
    strict, quick = (read_text("f", text.encode(), ("b",), layout, large=large) for large in (10**9, 0))
    assert strict.numbers.tobytes() == quick.numbers.tobytes()
    assert (list(strict.rows), written(strict)) == (list(quick.rows), written(quick))
    assert {n: (w.rows.tolist(), w.texts) for n, w in strict.words.items()} == {
        n: (w.rows.tolist(), w.texts) for n, w in quick.words.items()
    }


@pytest.mark.parametrize("body", ["1,2\n3\n", "1,2\n3,4,5\n", "1,2\r3,4\n", "1\n", '1,"2\n"\n', ""])
def test_whatever_it_cannot_read_is_left_to_the_strict_one(body: str) -> None:
    text = ("a,b\n" + body).encode()
    outcomes = []
    for large in (10**9, 0):
        try:
            outcomes.append(read_text("f", text, (), Layout(), large=large).numbers.tolist())
        except DataError as error:
            outcomes.append(str(error))
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("body", ["\xe9,2\n".encode("latin-1"), "é,2\n3,x\n".encode()])
def test_the_compiled_reader_refuses_what_is_not_utf8_and_reads_what_is(body: bytes) -> None:
    outcomes: list[object] = []
    for large in (10**9, 0):
        try:
            table = read_text("f", b"a,b\n" + 30 * b"1,2\n" + body, (), Layout(), large=large)
            outcomes.append({name: (words.rows.tolist(), words.texts) for name, words in table.words.items()})
        except DataError as error:
            outcomes.append(str(error))
    assert outcomes[0] == outcomes[1]


def test_lines_are_counted_through_all_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("symnn.tables.text._PART_BYTES", 8)
    text = b"a,b\n" + b"".join(b"%d,2\n" % row + b"\n" * (row % 3) for row in range(50)) + b"7,8"
    strict, quick = (read_text("f", text, (), Layout(), large=large) for large in (10**9, 0))
    assert list(strict.rows) == list(quick.rows)
    assert strict.numbers.tobytes() == quick.numbers.tobytes()


def test_what_the_cache_keeps_of_the_compiled_reader_needs_no_numba() -> None:
    """Loading what Numba would need took 0.6 s of 0.9 for the first 30 MB of a process."""
    program = (
        "import sys; from symnn.tables.scan import scan;"
        "print(scan(b'1.5,2\\n', 2, ',', '.', None).numbers.tolist(), 'numba.np.arraymath' in sys.modules)"
    )
    # The first may have to compile; this process may have done so for another cache.
    results = (subprocess.check_output([sys.executable, "-c", program], text=True) for _ in range(2))
    assert "[[1.5, 2.0]] False\n" in results


# ------------------------------------------------------------------------------------------------ frames

COLUMNS: dict[str, list[Any]] = {
    "size": [0.5, None, 2.5, 3.5],
    "count": [1, 2, 3, 4],
    "colour": ["red", "blue", None, "red"],
    "new": [True, False, True, False],
}


def check_frame(frame: Any) -> None:
    table = from_frame(frame)
    features = Features.found(table, table.names, fills=True)
    assert features.inputs == ("size", "count", "colour=blue", "colour=red", "new")
    nan = np.nan
    expected = [[0.5, 1, 0, 1, 1], [nan, 2, 1, 0, 0], [2.5, 3, nan, nan, 1], [3.5, 4, 0, 1, 0]]
    np.testing.assert_array_equal(features.encode(table), expected)


def test_mappings_are_tables() -> None:
    check_frame(COLUMNS)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_are_tables(library: str) -> None:
    check_frame(pytest.importorskip(library).DataFrame(COLUMNS))


def test_pandas_categories_and_missing_integers() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "zip": pandas.Categorical([10, 9, 10]),
            "size": pandas.Categorical(["5 kg", "7 kg", "5 kg"]),
            "age": pandas.cut([3, 17, 4], [0, 10, 20]),
            "n": pandas.array([1, None, 3], dtype="Int64"),
            "kind": ["a", "b", "a"],
        }
    )
    table = from_frame(frame, ("kind",))
    assert written(table) == ["a", "b", "a"]
    features = Features.found(table, ["zip", "n", "size", "age"], fills=True)
    assert features.inputs == ("zip=10", "zip=9", "n", "size=5 kg", "size=7 kg", "age=(0, 10]", "age=(10, 20]")
    expected = [[1, 0, 1, 1, 0, 1, 0], [0, 1, np.nan, 0, 1, 0, 1], [1, 0, 3, 1, 0, 1, 0]]
    np.testing.assert_array_equal(features.encode(table), expected)
    frame["zip"] = [10, 9, 10]  # the same as a file holds it
    np.testing.assert_array_equal(features.encode(from_frame(frame)), features.encode(table))


def test_frames_that_hold_no_table_say_what_to_write() -> None:
    dates = {"day": [datetime.date(2024, 1, 5)], "n": [1]}
    assert "row 0 (from 0): found datetime.date(2024, 1, 5) of type date, one of dates, which are no numbers" in said(
        lambda: from_frame(dates)
    )
    polars = pytest.importorskip("polars")
    assert said(lambda: from_frame(polars.LazyFrame({"a": [1.0]}))).endswith(
        "found a LazyFrame, expected what its collect() gives"
    )


def test_parquet_files_are_read_where_pandas_is(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    rows = {"a": np.arange(20.0), "t": ["x", "y"] * 10}
    pandas.DataFrame(rows).to_parquet(tmp_path / "d.parquet")
    data = load_file(tmp_path / "d.parquet", "t")
    assert (data.feature_names, data.classes) == (("a",), ("x", "y"))
    (tmp_path / "d.parquet").write_bytes(b"PAR1 but no more")
    assert "damaged, or not a Parquet file" in said(lambda: load_file(tmp_path / "d.parquet", "t"))


def test_parquet_without_pandas_says_what_to_install(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert "pip install 'symnn[frames]'" in said(lambda: load_file(write("", "d.parquet"), "t"))


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"a": [1, 2], "b": [1]}, "column 'b' has 1 rows, expected 2 as in 'a'"),
        ({"a": [[1, 2], [3, 4]], "b": [1, 2]}, "column 'a': found 2 axes, expected one number or text a row"),
        ({"a": np.array(["2024-01-05"], "M8[D]"), "b": [1]}, "column 'a': found dates, which are no numbers"),
        ({"a": [{}], "b": [1]}, "column 'a', row 0 (from 0): found {} of type dict, expected a number"),
        ({"a": [1j], "b": [1]}, "column 'a': found complex numbers"),
        ({}, "found no columns"),
        ({"a": []}, "found no rows"),
        (np.ones((2, 2)), "found ndarray, expected a frame or a mapping from names to columns"),
    ],
)
def test_frames_that_are_no_tables_are_refused(frame: Any, message: str) -> None:
    assert message in said(lambda: load_frame(frame, []))

"""Data sets: what is read, how it is split, and what is said about every kind of broken input."""

import io
import re
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symnn.data import (
    BUILTIN,
    Dataset,
    Split,
    check_split,
    load_digits,
    load_file,
    minibatches,
    split_rows,
)
from symnn.errors import DataError
from symnn.tables import Column, Features

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes text to a csv file and returns its path."""

    def to_file(text: str) -> Path:
        path = tmp_path / "data.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return to_file


def csv_of(target: list[str], header: str = "a,b,t") -> str:
    """A file with features a and b that vary, and the given target cells."""
    return "\n".join([header, *(f"{i},{i * i % 7},{cell}" for i, cell in enumerate(target))]) + "\n"


def npz_of(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def parts(data: Dataset) -> list[Split]:
    return [data.train, data.validation, data.test]


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


# ---------------------------------------------------------------------------------------------- digits


def test_digits_are_ten_classes_of_64_pixels() -> None:
    digits = load_digits()
    assert (digits.name, digits.features, digits.targets) == ("digits", 64, 10)
    assert digits.classes == tuple("0123456789")
    assert sum(len(part.x) for part in parts(digits)) == 1797
    for part in parts(digits):
        assert part.x.dtype == np.float64
        assert part.x.flags.c_contiguous
        assert part.y.dtype == np.int64


def test_digits_are_standardised_by_the_training_part_alone() -> None:
    digits = load_digits()
    varies = digits.train.x.std(axis=0) > 0
    np.testing.assert_allclose(digits.train.x.mean(axis=0), 0, atol=1e-13)
    np.testing.assert_allclose(digits.train.x.std(axis=0)[varies], 1, rtol=1e-12)
    assert abs(digits.test.x.mean(axis=0)).max() > 1e-3


def test_constant_pixels_get_scale_1_and_become_zero() -> None:
    digits = load_digits()
    constant = digits.train.x.std(axis=0) == 0
    assert constant.any()
    assert (digits.scale[constant] == 1).all()
    assert (digits.train.x[:, constant] == 0).all()


def test_undoing_the_standardisation_gives_the_pixels_back() -> None:
    digits = load_digits()
    pixels = digits.test.x * digits.scale + digits.mean
    np.testing.assert_allclose(pixels, np.rint(pixels), atol=1e-12)
    assert pixels.max() == pytest.approx(16)


def test_a_seed_decides_the_split() -> None:
    np.testing.assert_array_equal(load_digits(seed=3).test.x, load_digits(seed=3).test.x)
    assert not np.array_equal(load_digits(seed=3).test.y, load_digits(seed=4).test.y)


def test_digits_without_scikit_learn_say_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(DataError, match=r"pip install 'symnn\[sklearn\]'"):
        load_digits()


def test_builtin_data_sets_are_found_by_name() -> None:
    assert BUILTIN["digits"](seed=1).name == "digits"


# ----------------------------------------------------------------------------------------------- split


@given(
    labels=st.lists(st.integers(0, 4), min_size=20, max_size=120),
    seed=st.integers(0, 2**64),
    validation=st.floats(0.1, 0.45),
    test=st.floats(0.1, 0.45),
)
def test_a_split_is_a_fair_partition(labels: list[int], seed: int, validation: float, test: float) -> None:
    classes = np.array(labels)
    split = split_rows(classes, seed, validation, test)
    np.testing.assert_array_equal(np.sort(np.concatenate(split)), np.arange(len(labels)))
    again = split_rows(classes, seed, validation, test)
    for part, same in zip(split, again):
        np.testing.assert_array_equal(part, same)
    if not len(split[1]):
        assert not len(split[2])
        assert len(labels) * min(validation, test) < 5 + 1  # a row of rounding for each of five classes
        return
    for label in set(labels):
        count = labels.count(label)
        in_train, in_validation, in_test = (int((classes[part] == label).sum()) for part in split)
        assert in_train >= 1
        assert abs(in_train - (1 - validation - test) * count) <= 1.000001
        assert abs(in_validation - validation * count) <= 2
        assert abs(in_test - test * count) <= 2


def test_many_small_classes_still_fill_every_part() -> None:
    train, validation, test = split_rows(np.repeat(np.arange(20), 3), 0, 0.15, 0.2)
    assert (len(train), len(validation), len(test)) == (39, 9, 12)


def test_a_class_of_one_row_is_trained_on() -> None:
    labels = np.array([0] * 20 + [1])
    for seed in range(20):
        assert 20 in split_rows(labels, seed, 0.4, 0.4)[0]


@pytest.mark.parametrize(
    ("rows", "fractions", "expected"),
    [
        (4, (0.15, 0.2), (4, 0, 0)),  # too small for all three parts
        (20, (0.0, 0.2), (16, 0, 4)),
        (20, (0.2, 0.0), (16, 4, 0)),
        (20, (0.0, 0.0), (20, 0, 0)),
    ],
)
def test_parts_may_be_left_out(rows: int, fractions: tuple[float, float], expected: tuple[int, int, int]) -> None:
    assert tuple(map(len, split_rows(np.zeros(rows, dtype=np.int64), 0, *fractions))) == expected


BAD_SPLITS: list[tuple[dict[str, Any], list[str]]] = [
    ({"test_fraction": 1}, ["test_fraction", "at least 0 and below 1"]),
    ({"validation_fraction": -0.1}, ["validation_fraction", "-0.1"]),
    ({"validation_fraction": float("nan")}, ["validation_fraction", "nan"]),
    ({"validation_fraction": "half"}, ["validation_fraction", "'half'"]),
    ({"validation_fraction": 0.5, "test_fraction": 0.5}, ["0.5 + 0.5", "below 1"]),
    ({"seed": -1}, ["seed", "-1", "at least 0"]),
    ({"seed": 0.5}, ["seed", "0.5", "whole number"]),
]


@pytest.mark.parametrize(("arguments", "words"), BAD_SPLITS)
def test_a_split_out_of_range_is_refused(arguments: dict[str, Any], words: list[str]) -> None:
    assert_says(lambda: load_digits(**arguments), words)


# ------------------------------------------------------------------------------------------------- csv


def test_a_csv_is_read_by_its_header(write: Write) -> None:
    data = load_file(write("b,t,a\n" + "".join(f"{i},{'xy'[i % 2]},{-i}\n" for i in range(20))), "t")
    assert (data.name, data.feature_names, data.classes) == ("data", ("b", "a"), ("x", "y"))
    for part in parts(data):
        raw = part.x * data.scale + data.mean
        np.testing.assert_allclose(raw[:, 0], -raw[:, 1], atol=1e-12)
        np.testing.assert_array_equal(part.y, np.rint(raw[:, 0]).astype(int) % 2)
        assert part.y.dtype == np.int64


TASKS = [
    ("text with few values", ["no", "yes", "maybe"] * 10, ("maybe", "no", "yes")),
    ("integers with few values, by value", ["10", "9", "-1"] * 10, ("-1", "9", "10")),
    ("one integer written two ways", ["01", "1", "+2"] * 10, ("1", "2")),
    ("integers with many values", [str(i) for i in range(30)], None),
    ("fewer rows than twice the values", ["0", "1", "2"] * 2, None),
    ("fractions with few values", ["0.5", "1.5"] * 15, None),
    ("whole numbers written as fractions", ["0.0", "1.0"] * 15, None),
]


@pytest.mark.parametrize(("cells", "classes"), [row[1:] for row in TASKS], ids=[row[0] for row in TASKS])
def test_auto_tells_labels_from_numbers(write: Write, cells: list[str], classes: tuple[str, ...] | None) -> None:
    data = load_file(write(csv_of(cells)), "t", validation_fraction=0.2)
    assert data.classes == classes
    assert data.train.y.ndim == (2 if classes is None else 1)
    assert data.targets == (1 if classes is None else len(classes))


def test_labels_may_mix_numbers_and_text_when_the_task_is_given(write: Write) -> None:
    data = load_file(write(csv_of(["01", "3a", "1"] * 10)), "t", task="classification")
    assert data.classes == ("01", "1", "3a")


def test_few_integers_are_numbers_when_the_task_is_given(write: Write) -> None:
    data = load_file(write(csv_of(["3", "4"] * 10)), "t", task="regression")
    assert data.classes is None
    assert set(data.train.y.ravel()) == {3.0, 4.0}


def test_several_targets_keep_the_order_asked_for(write: Write) -> None:
    rows = "".join(f"{i},{i * i},{2 * i}\n" for i in range(20))
    data = load_file(write("a,square,double\n" + rows), ["double", "square"])
    assert (data.feature_names, data.targets) == (("a",), 2)
    for part in parts(data):
        raw = part.x[:, 0] * data.scale[0] + data.mean[0]
        np.testing.assert_allclose(part.y, np.stack([2 * raw, raw**2], axis=1), atol=1e-9)
        assert part.y.flags.c_contiguous


def test_given_classes_keep_their_order_and_may_be_absent(write: Write) -> None:
    data = load_file(write(csv_of(["x", "y"] * 10)), "t", classes=["z", "y", "x"])
    assert data.classes == ("z", "y", "x")
    assert set(data.train.y) == {1, 2}


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffa,t\n" + "1,x\n2,y\n" * 10,
        "a,t\r\n" + "1,x\r\n2,y\r\n" * 10,
        "a,t\n\n" + "1,x\n2,y\n\n" * 10,
        ' a , t \n"1", x\n' + "2 ,y \n1,x\n" * 10,
    ],
    ids=["byte order mark", "carriage returns", "blank lines", "quotes and spaces"],
)
def test_csv_as_spreadsheets_write_it(write: Write, text: str) -> None:
    path = write("")
    path.write_bytes(text.encode())
    data = load_file(path, "t")
    assert (data.feature_names, data.classes) == (("a",), ("x", "y"))


GOOD = csv_of(["x", "y"] * 10)

BAD_CSV: list[tuple[str, str, dict[str, Any], list[str]]] = [
    ("empty file", "", {}, ["line 1", "empty", "header"]),
    ("blank header", "\na,t\n1,2\n", {}, ["line 1", "empty"]),
    ("no rows", "a,t\n", {}, ["no rows"]),
    ("unnamed column", ",a,t\n0,1,2\n", {}, ["line 1", "column 1", "no name", "index=False"]),
    ("duplicate header", "a,a,t\n1,2,3\n", {}, ["line 1", "'a'", "2 times"]),
    ("unknown target", GOOD, {"target": "T"}, ["no column 'T'", "'a', 'b', 't'"]),
    ("misspelt target", "petal,class\n1,2\n", {"target": "clas"}, ["'clas'", "did you mean 'class'?"]),
    ("no target", GOOD, {"target": []}, ["no target", "'a', 'b', 't'"]),
    ("target twice", GOOD, {"target": ["t", "t"]}, ["target 't'", "2 times"]),
    ("only a target", "t\n1\n2\n", {}, ["feature"]),
    ("header of two lines", '"u\nv",t\n?,1\n', {}, ["line 3, column 'u\\nv'"]),
    ("long header", "z" * 9999 + ",t\n?,1\n", {}, ["line 2, column 'zzz", "zzz...zzz"]),
    ("ragged row", GOOD + "1,2\n", {}, ["line 22", "2 cells", "expected 3"]),
    ("long row", "a,b,t\n1,2,3,4\n", {}, ["line 2", "4 cells"]),
    ("text feature", GOOD + "1,red,x\n", {}, ["line 22, column 'b'", "'red'", "a number"]),
    ("empty feature", GOOD + "1,,x\n", {}, ["line 22, column 'b'", "an empty cell", "a number"]),
    ("underscored number", GOOD + "1_0,1,x\n", {}, ["line 22, column 'a'", "'1_0'"]),
    ("long cell is cut", GOOD + "z" * 999 + ",1,x\n", {}, ["line 22, column 'a'", "zzz...zzz"]),
    ("nan feature", GOOD + "1,nan,x\n", {}, ["line 22, column 'b'", "nan", "finite"]),
    ("infinite feature", GOOD + "-inf,1,x\n", {}, ["line 22, column 'a'", "-inf", "finite"]),
    ("overflowing feature", GOOD + "1e999,1,x\n", {}, ["line 22, column 'a'", "inf", "finite"]),
    ("row after blank lines", GOOD + "\n\n1,?,x\n", {}, ["line 24, column 'b'"]),
    ("row after a cell of two lines", GOOD + '1,2,"x\ny"\n1,?,x\n', {}, ["line 24, column 'b'"]),
    ("empty label", GOOD + "1,2,\n", {}, ["line 22, column 't'", "an empty cell", "a label"]),
    (
        "slip in numbers",
        csv_of(["1", "2", "3", "?"] * 9),
        {},
        ["line 5, column 't'", "'?'", "classification"],
    ),
    ("text with many values", csv_of([f"n{i}" for i in range(30)]), {}, ["line 2", "'n0'", "classification"]),
    ("nan target", csv_of(["1.5", "nan", "2"] * 9), {}, ["line 3, column 't'", "finite"]),
    ("text among several targets", GOOD, {"target": ["b", "t"]}, ["line 2, column 't'", "'x'"]),
    ("nan in second target", "a,s,t\n1,2,nan\n", {"target": ["s", "t"]}, ["line 2, column 't'", "finite"]),
    (
        "several targets as labels",
        csv_of(["1"] * 9),
        {"target": ["b", "t"], "task": "classification"},
        ["2 target columns", "one column of labels"],
    ),
    ("single class", csv_of(["x"] * 9), {}, ["column 't'", "'x'", "two different"]),
    ("unknown label", GOOD + "1,2,w\n", {"classes": ["x", "y"]}, ["line 22, column 't'", "'w'", "'x', 'y'"]),
    ("classes twice", GOOD, {"classes": ["x", "x"]}, ["'x', 'x'", "different"]),
    ("classes for regression", GOOD, {"classes": ["x"], "task": "regression"}, ["classes", "regression"]),
    ("unknown task", GOOD, {"task": "clustering"}, ["task", "'clustering'", "'regression'"]),
    ("unclosed quote", GOOD + '1,2,"x\n', {}, ["line 22", "not valid CSV"]),
    ("too large to standardise", GOOD + "1e308,1,x\n-1e308,1,x\n" * 9, {}, ["column 'a'", "1e+308"]),
    ("a deviation that overflows", GOOD + "1e200,1,x\n-1e200,1,x\n" * 9, {}, ["column 'a'", "-1e+200 to 1e+200"]),
    (
        "a deviation of no bits",
        "a,b,t\n" + "1e-170,1,x\n3e-170,2,y\n" * 9,
        {},
        ["column 'a'", "e-170", "can be standardised"],
    ),
    ("fractions", GOOD, {"test_fraction": 2}, ["test_fraction", "at least 0 and below 1"]),
]


@pytest.mark.parametrize(("text", "arguments", "words"), [row[1:] for row in BAD_CSV], ids=[row[0] for row in BAD_CSV])
def test_a_broken_csv_is_explained(write: Write, text: str, arguments: dict[str, Any], words: list[str]) -> None:
    path = write(text)
    in_file = not {"test_fraction", "task"} & arguments.keys() or "target" in arguments
    assert_says(lambda: load_file(path, **{"target": "t", **arguments}), [str(path)] * in_file + words)


def test_many_columns_are_not_all_listed(write: Write) -> None:
    header = ",".join(f"c{i}" for i in range(500))
    assert_says(lambda: load_file(write(header + "\n"), "t"), ["'c0'", "(500 in all)"])


def test_a_csv_in_another_encoding_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "latin.csv"
    path.write_bytes("a,t\n1,x\n2,é\n".encode("latin-1"))
    assert_says(lambda: load_file(path, "t"), [str(path), "line 3", "0xe9 ('é' in Windows-1252", "UTF-8", "iconv"])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing.csv", ["missing.csv", "No such file"]),
        ("missing.npz", ["missing.npz", "No such file"]),
        ("data.xlsx", ["data.xlsx", "'.xlsx'", ".csv, .tsv, .npz"]),
        ("folder.csv", ["folder.csv", "directory"]),
        ("null\0.csv", ["null"]),
    ],
)
def test_a_path_that_is_no_data_file_is_refused(tmp_path: Path, name: str, words: list[str]) -> None:
    (tmp_path / "folder.csv").mkdir()
    assert_says(lambda: load_file(tmp_path / name, "t"), words)


@given(text=st.text(alphabet='at,"\n\r01.x ', max_size=60))
def test_any_text_is_data_or_a_data_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text("a,t\n" + text, encoding="utf-8", newline="")
    assert_data_or_one_line(lambda: load_file(path, "t", validation_fraction=0.4, test_fraction=0.4))


# ---------------------------------------------------------------------------------------------- arrays


ROWS = [[float(i), float(i % 3)] for i in range(20)]
FRAME = dict(zip(("height", "width"), np.array(ROWS).T, strict=True))
ARRAYS: dict[str, tuple[Any, Any, dict[str, Any], tuple[str, ...], tuple[str, ...] | None]] = {
    "lists": (ROWS, list(range(20)), {"task": "regression"}, ("x[0]", "x[1]"), None),
    "labels": (ROWS, [0, 1] * 10, {}, ("x[0]", "x[1]"), ("0", "1")),
    "texts": (ROWS, np.array(["b", "a"] * 10, dtype=object), {}, ("x[0]", "x[1]"), ("a", "b")),
    "booleans": (ROWS, [True, False] * 10, {}, ("x[0]", "x[1]"), ("0", "1")),
    "whole floats": (ROWS, [0.0, 1.0] * 10, {"task": "classification"}, ("x[0]", "x[1]"), ("0", "1")),
    "floats": (ROWS, [0.0, 1.0] * 10, {}, ("x[0]", "x[1]"), None),
    "a column of targets": (ROWS, [[0.5], [1.0]] * 10, {}, ("x[0]", "x[1]"), None),
    "text for numbers": (ROWS, [f"{i}.5" for i in range(20)], {}, ("x[0]", "x[1]"), None),
    "a frame": (FRAME, [0, 1] * 10, {}, ("height", "width"), ("0", "1")),
    "a frame, renamed": (FRAME, [0, 1] * 10, {"feature_names": ["p", "q"]}, ("p", "q"), ("0", "1")),
    "a feature called y": (ROWS, ["b", "a"] * 10, {"feature_names": ["y", "y'"]}, ("y", "y'"), ("a", "b")),
    "names": (ROWS, [0, 1] * 10, {"feature_names": ["p", "q"]}, ("p", "q"), ("0", "1")),
    "one feature": (range(20), [0, 1] * 10, {}, ("x",), ("0", "1")),
    "classes": (ROWS, [0, 1] * 10, {"classes": ("0", "1", "2")}, ("x[0]", "x[1]"), ("0", "1", "2")),
}


@pytest.mark.parametrize("what", ARRAYS)
def test_arrays_are_a_data_set(what: str) -> None:
    x, y, options, names, classes = ARRAYS[what]
    data = Dataset.from_arrays(x, y, **options)
    assert (data.name, data.feature_names, data.classes) == ("arrays", names, classes)
    assert [len(part.x) for part in (data.train, data.validation, data.test)] == [13, 3, 4]
    assert data.train.y.dtype == (np.float64 if classes is None else np.int64)
    assert (data.target_scaling is None) == (classes is not None)
    raw = np.asarray(ROWS if x is FRAME else x, dtype=float).reshape(20, -1)
    restored = [data.mean + data.scale * part.x for part in (data.train, data.validation, data.test)]
    np.testing.assert_allclose(np.sort(np.vstack(restored), axis=0), np.sort(raw, axis=0), atol=1e-12)


def test_text_in_a_frame_is_categories_and_its_missing_cells_are_filled() -> None:
    frame = {"size": [None, *range(19)], "colour": ["red", "blue"] * 10, "id": range(20)}
    data = Dataset.from_arrays(frame, ["a", "b"] * 10, missing="mean", ignore="id")
    assert (data.feature_names, data.classes) == (("size", "colour=blue", "colour=red"), ("a", "b"))
    assert data.columns == Features((Column("size"), Column("colour", ("blue", "red"))), fills=True)
    x, y = (np.concatenate([getattr(part, name) for part in (data.train, data.validation, data.test)]) for name in "xy")
    assert (x[:, 0] == 0).sum() == 1
    np.testing.assert_array_equal(x[:, 1] > 0, y == 1)


def test_four_rows_are_trained_on_without_a_split() -> None:
    data = Dataset.from_arrays([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0], task="classification")
    assert [len(part.x) for part in (data.train, data.validation, data.test)] == [4, 0, 0]


BAD_ARRAYS: dict[str, tuple[Any, Any, dict[str, Any], str]] = {
    "no array": ([[1, 2], [3]], [0, 1], {}, "arrays: array 'x': found [[1, 2], [3]], expected an array of numbers"),
    "texts as features": ([["a"], ["b"]], [0, 1], {}, "arrays: array 'x' has dtype <U1, expected real numbers"),
    "objects": ([[{}], [1]], [0, 1], {}, "arrays: array 'x' has dtype object, expected real numbers"),
    "nothing": (
        [[None], [1]],
        [0, 1],
        {},
        "row (from 0) 0, column 'x[0]': found nan, expected a finite number (missing",
    ),
    "other rows": (ROWS, [1, 2, 3], {}, "arrays: column 'x[0]' has 20 rows and 'y' has 3, expected as many"),
    "no rows": ([], [], {}, "arrays: the arrays have no rows, expected at least one"),
    "a number": (ROWS, 3, {}, "arrays: array 'y' has shape (), expected (rows,) or (rows, columns)"),
    "nan": ([*ROWS[:-1], [np.nan, 1]], range(20), {}, "row (from 0) 19, column 'x[0]': found nan, expected a finite"),
    "names": (ROWS, range(20), {"feature_names": ["p"]}, "arrays: feature_names: found 'p', expected 2 different"),
    "integers of few rows": (
        [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]],
        [0, 1, 2, 3],
        {},
        "arrays: y: found 4 different integers in 4 rows, which may be labels or numbers; say task='classification'",
    ),
    "task": (ROWS, range(20), {"task": "cluster"}, "task: found 'cluster', expected one of 'auto', 'classification'"),
    "half a label": (ROWS, [0.5] * 20, {"task": "classification"}, "found 0.5, expected a whole number as label"),
}


@pytest.mark.parametrize("what", BAD_ARRAYS)
def test_arrays_that_do_not_fit_are_refused(what: str) -> None:
    x, y, options, message = BAD_ARRAYS[what]
    with pytest.raises(DataError, match=re.escape(message)):
        Dataset.from_arrays(x, y, **options)


# ------------------------------------------------------------------------------------------------- npz


def test_an_npz_of_x_and_labels(tmp_path: Path) -> None:
    x = np.arange(40.0).reshape(20, 2)
    data = load_file(npz_of(tmp_path / "set.npz", x=x, y=np.arange(20) % 3), "y")
    assert (data.name, data.feature_names, data.classes) == ("set", ("x[0]", "x[1]"), ("0", "1", "2"))
    for part in parts(data):
        rows = np.rint((part.x * data.scale + data.mean)[:, 0] / 2).astype(int)
        np.testing.assert_array_equal(part.y, rows % 3)


def test_an_npz_of_single_columns_and_matrices(tmp_path: Path) -> None:
    path = npz_of(tmp_path / "set.npz", age=np.arange(20), y=np.ones((20, 2)) * 0.5, m=np.eye(20, 3, dtype=np.float32))
    data = load_file(path, "y")
    assert data.feature_names == ("age", "m[0]", "m[1]", "m[2]")
    assert (data.classes, data.targets) == (None, 2)


TARGET_ARRAYS: list[tuple[str, Any, dict[str, Any], tuple[str, ...] | None]] = [
    ("text", np.array(["b", "a"] * 10), {}, ("a", "b")),
    ("booleans", np.array([True, False] * 10), {}, ("0", "1")),
    ("unsigned", np.array([7, 200] * 10, dtype=np.uint8), {}, ("7", "200")),
    ("one column of integers", np.array([[3], [4]] * 10), {}, ("3", "4")),
    ("floats", np.array([0.0, 1.0] * 10), {}, None),
    ("whole floats as labels", np.array([1.0, 0.0] * 10), {"task": "classification"}, ("0", "1")),
    ("many integers", np.arange(20), {}, None),
    ("integers in two columns", np.array([[0, 1], [1, 0]] * 10), {}, None),
]


@pytest.mark.parametrize(
    ("y", "arguments", "classes"), [row[1:] for row in TARGET_ARRAYS], ids=[row[0] for row in TARGET_ARRAYS]
)
def test_auto_reads_the_type_of_an_array(
    tmp_path: Path, y: Any, arguments: dict[str, Any], classes: tuple[str, ...] | None
) -> None:
    path = npz_of(tmp_path / "set.npz", x=np.arange(20.0), y=y)
    assert load_file(path, "y", **arguments).classes == classes


def test_several_target_arrays_stand_side_by_side(tmp_path: Path) -> None:
    up = np.arange(20.0)
    data = load_file(npz_of(tmp_path / "set.npz", x=up, up=up, down=-up), ["down", "up"])
    np.testing.assert_array_equal(data.train.y[:, 0], -data.train.y[:, 1])
    assert data.train.y[:, 1].max() > 0


X = np.arange(20.0)
LABELS = np.arange(20) % 2
NOT_FINITE = np.where(X == 7, np.nan, X)

BAD_NPZ: list[tuple[str, dict[str, Any], dict[str, Any], list[str]]] = [
    (
        "unknown target",
        {"x": X, "labels": LABELS},
        {"target": "label"},
        ["'label'", "did you mean 'labels'?"],
    ),
    ("only a target", {"y": LABELS}, {}, ["feature"]),
    ("different lengths", {"x": X[:-1], "y": LABELS}, {}, ["'x'", "19 rows", "expected 20", "'y'"]),
    ("objects in x", {"x": np.array([{}] * 20), "y": LABELS}, {}, ["'x'", "Python objects"]),
    ("objects in y", {"x": X, "y": np.array([None] * 20)}, {}, ["'y'", "Python objects"]),
    ("a number", {"x": X, "y": np.array(1.0)}, {}, ["'y'", "shape ()"]),
    ("a number among the features", {"x": np.array(1.0), "y": LABELS}, {}, ["'x'", "shape ()"]),
    ("images", {"x": np.zeros((20, 8, 8)), "y": LABELS}, {}, ["'x'", "(20, 8, 8)", "(rows, columns)"]),
    ("no rows", {"x": X[:0], "y": X[:0]}, {}, ["no rows"]),
    ("no columns", {"x": np.zeros((20, 0)), "y": LABELS}, {}, ["'x'", "(20, 0)"]),
    ("no target columns", {"x": X, "y": np.zeros((20, 0))}, {}, ["'y'", "(20, 0)"]),
    ("text features", {"x": np.array(["a"] * 20), "y": LABELS}, {}, ["'x'", "dtype", "real numbers"]),
    ("complex features", {"x": X + 1j, "y": LABELS}, {}, ["'x'", "complex128", "real numbers"]),
    ("dates as target", {"x": X, "y": X.astype("M8[s]")}, {}, ["'y'", "datetime64", "real numbers"]),
    ("nan feature", {"x": NOT_FINITE, "y": LABELS}, {}, ["row (from 0) 7, column 'x'", "nan", "finite"]),
    ("nan target", {"x": X, "y": NOT_FINITE}, {}, ["row (from 0) 7, column 'y'", "nan", "finite"]),
    (
        "nan label",
        {"x": X, "y": NOT_FINITE},
        {"task": "classification"},
        ["row (from 0) 7, column 'y'", "finite"],
    ),
    (
        "fractions as labels",
        {"x": X, "y": X / 2},
        {"task": "classification"},
        ["row (from 0) 1", "0.5", "whole"],
    ),
    ("one-hot labels", {"x": X, "y": np.eye(20)}, {"task": "classification"}, ["20 target columns"]),
    (
        "unknown label",
        {"x": X, "y": LABELS + 1},
        {"classes": ["0", "1"]},
        ["row (from 0) 1", "'2'", "'0', '1'"],
    ),
]


@pytest.mark.parametrize(
    ("arrays", "arguments", "words"), [row[1:] for row in BAD_NPZ], ids=[row[0] for row in BAD_NPZ]
)
def test_a_broken_npz_is_explained(
    tmp_path: Path, arrays: dict[str, Any], arguments: dict[str, Any], words: list[str]
) -> None:
    path = npz_of(tmp_path / "set.npz", **arrays)
    assert_says(lambda: load_file(path, **{"target": "y", **arguments}), [str(path), *words])


def npz_bytes() -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, x=X, y=LABELS)
    return file.getvalue()


def npy_bytes() -> bytes:
    file = io.BytesIO()
    np.save(file, X)
    return file.getvalue()


def foreign_zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x", "hello")
        archive.writestr("y", "world")
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", ["damaged"]),
        (b"a,t\n1,2\n", ["damaged"]),
        (npz_bytes()[:-30], ["damaged"]),
        (npz_bytes()[:40], ["damaged"]),
        (npy_bytes(), ["single array", "archive of named arrays"]),
        (foreign_zip(), ["'x'", "not an array"]),
        (b"\x80\x04\x95\x00.", ["damaged"]),
    ],
    ids=["empty", "text", "truncated", "cut short", "a lone npy", "a zip of text", "a pickle"],
)
def test_bytes_that_are_no_npz_are_refused(tmp_path: Path, data: bytes, words: list[str]) -> None:
    path = tmp_path / "set.npz"
    path.write_bytes(data)
    assert_says(lambda: load_file(path, "y"), [str(path), *words])


@given(place=st.integers(0, len(npz_bytes()) - 1), byte=st.integers(0, 255), cut=st.booleans())
def test_a_damaged_npz_is_data_or_a_data_error(
    tmp_path_factory: pytest.TempPathFactory, place: int, byte: int, cut: bool
) -> None:
    data = npz_bytes()
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    path.write_bytes(data[:place] if cut else data[:place] + bytes([byte]) + data[place + 1 :])
    assert_data_or_one_line(lambda: load_file(path, "y"))


# ------------------------------------------------------------------------------------------- given arrays


def test_a_checked_split_has_the_promised_types() -> None:
    given_split = Split(np.ones((2, 3), dtype=np.float32).T, np.array([0.0, 1.0, 2.0]))  # type: ignore[arg-type]
    split = check_split(given_split, features=2, targets=3, name="train")
    assert split.x.dtype == np.float64
    assert split.y.dtype == np.int64
    assert split.x.flags.c_contiguous


def test_a_checked_split_of_the_promised_types_is_not_copied() -> None:
    x, y = np.ones((4, 2)), np.ones((4, 3))
    split = check_split(Split(x, y), features=2, targets=3, name="train")
    assert split.x is x
    assert split.y is y


ONES = np.ones((4, 2))
HOLED = np.array([[1, 1], [1, 1], [1, np.inf], [1, 1]])

BAD_SPLIT_ARRAYS: list[tuple[str, Any, Any, list[str]]] = [
    ("wrong width", np.ones((4, 5)), np.zeros(4), ["x has shape (4, 5)", "(rows, 2)"]),
    ("flat x", np.ones(4), np.zeros(4), ["x has shape (4,)", "(rows, 2)"]),
    ("different lengths", ONES, np.zeros(3), ["4 rows", "y has 3"]),
    ("no rows", ONES[:0], np.zeros(0), ["no rows"]),
    ("infinite x", HOLED, np.zeros(4), ["x, row 2 (from 0), column 1", "inf", "finite"]),
    ("nan label", ONES, np.array([0, 1, np.nan, 2]), ["y, row 2 (from 0)", "nan", "finite"]),
    ("nan target", ONES, np.full((4, 3), np.nan), ["y, row 0 (from 0), column 0", "nan", "finite"]),
    ("label too large", ONES, np.array([0, 1, 3, 2]), ["y, row 2 (from 0)", "label 3", "0 to 2"]),
    ("label below 0", ONES, np.array([0, -1, 1, 2]), ["y, row 1 (from 0)", "label -1", "0 to 2"]),
    ("fraction as label", ONES, np.array([0, 0.5, 1, 2]), ["y, row 1", "0.5", "whole number", "(rows, 3)"]),
    ("wrong number of targets", ONES, np.zeros((4, 2)), ["y has shape (4, 2)", "(rows, 3)"]),
    ("three dimensions", ONES, np.zeros((4, 3, 1)), ["y has shape (4, 3, 1)"]),
    ("text", ONES, np.array(["a"] * 4), ["y has dtype", "real numbers"]),
    ("objects", np.array([[{}] * 2] * 4), np.zeros(4), ["x has dtype object", "real numbers"]),
    ("ragged lists", [[1, 2], [3]], np.zeros(2), ["x: found [[1, 2], [3]], expected an array of numbers"]),
]


@pytest.mark.parametrize(
    ("x", "y", "words"), [row[1:] for row in BAD_SPLIT_ARRAYS], ids=[row[0] for row in BAD_SPLIT_ARRAYS]
)
def test_arrays_that_do_not_fit_the_network_are_refused(x: Any, y: Any, words: list[str]) -> None:
    assert_says(lambda: check_split(Split(x, y), 2, 3, "validation"), ["validation: ", *words])


# ----------------------------------------------------------------------------------------- minibatches


@given(count=st.integers(0, 200), batch_size=st.integers(1, 250), seed=st.integers(0, 1000))
def test_minibatches_are_a_partition_in_a_seeded_order(count: int, batch_size: int, seed: int) -> None:
    batches = list(minibatches(count, batch_size, generator(seed)))
    assert sorted(row for batch in batches for row in batch) == list(range(count))
    assert all(len(batch) == batch_size for batch in batches[:-1])
    assert all(batch.dtype == np.int64 for batch in batches)
    for batch, same in zip(batches, minibatches(count, batch_size, generator(seed))):
        np.testing.assert_array_equal(batch, same)


def test_every_epoch_has_a_fresh_order() -> None:
    epochs = generator()
    first, second = (np.concatenate(list(minibatches(100, 32, epochs))) for _ in range(2))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("batch_size", [0, -1])
def test_an_empty_batch_is_refused(batch_size: int) -> None:
    assert_says(lambda: minibatches(3, batch_size, generator()), ["batch_size", str(batch_size), "at least 1"])


# ------------------------------------------------------------------------------------------------ helpers


def assert_says(action: Callable[[], object], words: list[str]) -> None:
    """The action fails with a DataError of one line that holds every word."""
    with pytest.raises(DataError) as caught:
        action()
    message = str(caught.value)
    assert [word for word in words if word not in message] == [], message
    assert "\n" not in message
    assert len(message) < 600
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def assert_data_or_one_line(load: Callable[[], Dataset]) -> None:
    """Whatever the bytes are, the outcome is finite data or a message of one line, and nothing else."""
    said, loaded = "", []
    try:
        loaded = parts(load())
    except DataError as error:
        said = str(error)
    assert "\n" not in said
    assert bool(said) != bool(loaded)
    assert all(np.isfinite(part.x).all() for part in loaded)


def test_a_column_says_how_much_rows_count(write: Write) -> None:
    rows = [(n, n % 7, 1 + n % 3, n % 2) for n in range(40)]
    path = write("a,b,w,t\n" + "".join(f"{','.join(map(str, row))}\n" for row in rows))
    data = load_file(path, "t", weights="w")
    assert data.feature_names == ("a", "b")
    assert data.train.weights is not None
    units = data.train.x * data.scale + data.mean
    np.testing.assert_array_equal(data.train.weights, 1 + np.rint(units[:, 0]) % 3)


@pytest.mark.parametrize(
    ("cell", "options", "message"),
    [
        ("0", {"weights": "w"}, "line 3, column 'w': found the weight 0, expected a number above 0"),
        ("many", {"weights": "w"}, "line 3, column 'w'"),
        ("2", {"weights": "v"}, "weights: .*'v'"),
    ],
)
def test_weights_that_are_none_are_refused(cell: str, options: dict[str, Any], message: str, write: Write) -> None:
    path = write("a,w,t\n1,1,0.5\n" + f"2,{cell},1.5\n" + "".join(f"{n},1,{n}.5\n" for n in range(20)))
    with pytest.raises(DataError, match=message):
        load_file(path, "t", task="regression", **options)

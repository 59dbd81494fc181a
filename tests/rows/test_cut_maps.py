"""Memory maps whose file was cut: an error at every door, never the end of the process, which a read of them would be."""

import mmap
import os
import subprocess
import sys
from pathlib import Path

import doors
import numpy as np
import pytest

import fastgd
from fastgd.rows import maps
from fastgd.rows.columns import side_by_side


def as_map(path, array):
    np.save(path, array)
    return np.load(path, mmap_mode="r")


def as_view(path, array):
    np.save(path, array)
    return np.asarray(np.load(path, mmap_mode="r+"))


def as_memoryview(path, array):
    return memoryview(as_map(path, array))


def as_rows_of_a_frame(path, array):
    return frame_of(as_map(path, array))


def as_columns_of_a_frame(path, array):
    return frame_of(as_map(path, np.asfortranarray(array)))


def as_a_column_beside_another(path, array):
    import pandas

    frame = pandas.DataFrame({"a": np.ones(len(array), np.int8)})
    frame["b"] = pandas.Series(as_map(path, array[:, 1]), copy=False)
    return frame


def frame_of(array):
    import pandas

    return pandas.DataFrame(array, copy=False)


FORMS = [as_map, as_view, as_memoryview]
FRAMES = [as_rows_of_a_frame, as_columns_of_a_frame, as_a_column_beside_another]


def meet_all(folder):
    """Give a map that was cut to each door, at each position, of few rows and of so many that a map is not copied."""
    n_met = 0
    path = Path(folder) / "file.npy"
    estimator = doors.ESTIMATOR or {}
    for name, position in doors.places(doors.DOORS | estimator):
        door = (doors.DOORS | estimator)[name]
        for form in FORMS + FRAMES * (position == "X"):
            if (form in FRAMES and "pandas" not in sys.modules) or (form is not as_map and name in estimator):
                continue
            for repeats in (1, 60_000):
                given = doors.good()
                for each in ("X", "y", "sample_weight"):
                    given[each] = np.repeat(given[each], repeats, axis=0)
                path.unlink(missing_ok=True)
                given[position] = form(path, given[position])
                if form is as_a_column_beside_another and not maps.mapped_files(given[position]["b"].to_numpy()):
                    continue  # older pandas copies it
                if position == "out":
                    given[position] = np.load(path, mmap_mode="r+")
                os.truncate(path, 0)
                print(name, position, form.__name__, repeats, flush=True)  # the last one before a process ends
                with pytest.raises(ValueError, match=r"The file .*file\.npy is mapped .*: it was cut\. Restore it"):
                    doors.call(door, given)
                n_met += 1
    print(n_met)


@pytest.mark.processes
@pytest.mark.skipif(sys.platform == "win32", reason="a file that is mapped cannot be cut there")
def test_a_map_whose_file_was_cut_is_an_error_at_every_door(tmp_path, reached):
    try:
        import narwhals  # noqa: F401
        import pandas  # noqa: F401

        frames = "import pandas; "
    except ImportError:
        frames = ""
    code = f"import sys; sys.path[:] = {sys.path!r}; {frames}import test_cut_maps as t; t.meet_all("
    done = subprocess.run([sys.executable, "-c", f"{code}{str(tmp_path)!r})"], capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout[-300:]}\n{done.stderr[-2000:]}"
    reached("places at which a cut memory map was an error", int(done.stdout.split()[-1]))


def test_columns_of_several_files_are_known_by_each_of_them(tmp_path):
    memory = np.arange(12.0).reshape(3, 4)
    one, other = as_map(tmp_path / "one.npy", memory), as_map(tmp_path / "other.npy", memory)
    of_one = side_by_side(list(one))
    assert [array is of_one for array, _ in maps.maps([of_one])] == [True]  # to be asked for as a whole
    # Two files may happen to be mapped at a regular distance.
    of_both = side_by_side([one[0], other[0]])
    assert [file.name for file in maps.mapped_files(of_both)] == [
        str(tmp_path / "one.npy"),
        str(tmp_path / "other.npy"),
    ]
    assert [array.tolist() for array, _ in maps.maps([of_both])] == [memory[0].tolist()] * 2
    assert maps.mapped_files(side_by_side(list(memory))) == []


def test_a_frame_of_a_large_map_is_read_a_chunk_at_a_time(tmp_path):
    pytest.importorskip("pandas", reason="the data frame is pandas'")
    pytest.importorskip("narwhals", reason="data frames need narwhals")
    X = np.random.default_rng(0).standard_normal((300_000, 2))
    y = X @ [1.0, 2.0]
    for form, array in ((as_rows_of_a_frame, X), (as_columns_of_a_frame, np.asfortranarray(X))):
        got = fastgd.gradient(form(tmp_path / "X.npy", X), y, [0.5, 0.5])
        assert got.tobytes() == fastgd.gradient(array, y, [0.5, 0.5]).tobytes()


def test_a_map_without_a_file_is_read():
    memory = mmap.mmap(-1, 96)
    X = np.frombuffer(memory).reshape(6, 2)
    X[:] = np.arange(12.0).reshape(6, 2)
    assert maps.mapped_files(X)
    assert fastgd.gradient(X, np.zeros(6), [1.0, 0.0]).tolist() == fastgd.gradient(+X, np.zeros(6), [1.0, 0.0]).tolist()

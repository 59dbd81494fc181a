"""The cache on disk: whatever its files look like and whoever can write them, each call gives the right answer."""

import itertools
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numba
import pytest
from numba import types

import fastgd
from fastgd.kernels import cache
from fastgd.kernels.jit import FLAGS

SIGNATURE = types.float64(types.float64)

posix = pytest.mark.skipif(os.name != "posix", reason="of permissions as POSIX has them")


def double(x):
    return 2.0 * x


def compiled(function=double, signature=SIGNATURE):
    return cache.compile_cached(function, signature, FLAGS)


def comes_from_the_cache(function=double, signature=SIGNATURE):
    return sum(compiled(function, signature).stats.cache_hits.values()) == 1


@pytest.fixture
def cache_dir(tmp_path, monkeypatch):
    """Let files be kept in a folder of the test's own, and forget what was found out about folders."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "_USER_FOLDERS", {})
    monkeypatch.setattr(cache, "_warned", False)
    cache._writable_by_others.cache_clear()
    yield tmp_path / "cache"
    cache._writable_by_others.cache_clear()


def files(folder, pattern="*"):
    found = [path for path in Path(folder).rglob(pattern) if path.is_file()]
    assert found
    return found


DAMAGES = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "emptied": lambda path: path.write_bytes(b""),
    "overwritten": lambda path: path.write_bytes(b"damaged"),
    "of another shape": lambda path: path.write_bytes(pickle.dumps(numba.__version__) + pickle.dumps(("stamp", []))),
    "deleted": Path.unlink,
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("pattern", ["*.nbi", "*.nbc", "*"])
def test_a_damaged_file_is_replaced_without_a_word(damage, pattern, cache_dir):
    compiled()
    assert comes_from_the_cache()
    for path in files(cache_dir, pattern):
        DAMAGES[damage](path)
    assert compiled()(3.0) == 6.0  # warnings are errors
    assert comes_from_the_cache()


def no_folder_can_be_written(cache_dir, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError("read-only file system")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)


def the_disk_is_full(cache_dir, monkeypatch):
    def refuse(*args):
        raise OSError("no space left on device")

    monkeypatch.setattr("os.replace", refuse)


def a_file_is_in_the_place_of_the_folder(cache_dir, monkeypatch):
    cache_dir.write_bytes(b"")


def nobody_knows_where_the_users_files_are(cache_dir, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(os.path, "expanduser", str)  # as it does for a user without a name


def a_folder_is_in_the_place_of_the_index(cache_dir, monkeypatch):
    compiled()
    (index,) = files(cache_dir, "*.nbi")
    index.unlink()
    index.mkdir()
    (index / "something").write_bytes(b"")


@pytest.mark.parametrize(
    "trouble",
    [
        no_folder_can_be_written,
        the_disk_is_full,
        a_file_is_in_the_place_of_the_folder,
        nobody_knows_where_the_users_files_are,
        a_folder_is_in_the_place_of_the_index,
    ],
)
def test_a_cache_that_does_not_work_costs_one_warning_and_not_the_call(trouble, cache_dir, monkeypatch):
    trouble(cache_dir, monkeypatch)
    with pytest.warns(RuntimeWarning, match="NUMBA_CACHE_DIR") as warned:
        functions = [compiled() for _ in range(2)]
    assert len(warned) == 1
    assert [function(3.0) for function in functions] == [6.0, 6.0]


def test_a_compiled_function_takes_what_it_was_compiled_for(cache_dir):
    with pytest.raises(TypeError):
        compiled()("text")


def test_what_is_wrong_with_a_function_is_not_blamed_on_the_cache(cache_dir):
    with pytest.raises(numba.core.errors.TypingError):
        compiled(lambda x: x.nothing)


def made_for(n):
    def plus(x):
        return x + n

    return plus


def test_each_variant_has_files_of_its_own(cache_dir):
    # numba numbers the variants in an index, of which processes that write at a time get the numbers mixed up.
    for n in (1, 2):
        assert compiled(made_for(n))(1.0) == 1.0 + n
        assert compiled(made_for(n), types.int64(types.int64))(1) == 1 + n
    assert len(files(cache_dir, "*.nbi")) == len(files(cache_dir, "*.1.nbc")) == len(files(cache_dir, "*.nbc")) == 4
    assert comes_from_the_cache(made_for(2))


def other_sources(monkeypatch):
    monkeypatch.setattr(cache, "_origin", lambda: "another one")


def another_numba(monkeypatch):
    monkeypatch.setattr(numba, "__version__", "0.0")


def another_python(monkeypatch):
    monkeypatch.setattr(cache, "EXTENSION_SUFFIXES", [".cpython-300-another-machine.so"])


@pytest.fixture
def origin(monkeypatch):
    """Let each question for the origin look again, and answer with what takes back all changes."""
    monkeypatch.setattr(cache, "_origin", cache._origin.__wrapped__)
    with monkeypatch.context() as other:
        yield other


def a_month_later(folder):
    for path in files(folder):
        os.utime(path, (path.stat().st_mtime - cache._KEPT - 1.0,) * 2)


@pytest.mark.parametrize("other", [other_sources, another_numba, another_python])
def test_versions_side_by_side_all_stay_in_the_cache(other, cache_dir, origin):
    compiled()
    other(origin)
    assert not comes_from_the_cache()
    assert comes_from_the_cache()
    origin.undo()
    assert comes_from_the_cache()


@pytest.mark.parametrize("used", [True, False])
def test_of_other_versions_what_was_not_used_for_a_month_is_deleted_when_a_function_is_compiled(
    used, cache_dir, monkeypatch
):
    compiled()
    compiled(made_for(1))
    old = files(cache_dir)
    a_month_later(cache_dir)
    assert not used or comes_from_the_cache()
    other_sources(monkeypatch)
    assert not comes_from_the_cache()
    # The other function's have not been looked at.
    assert (
        sorted(path.name.startswith("test_cache.double") for path in old if path.exists())
        == [False] * 2 + [True] * 2 * used
    )


def test_files_that_others_own_and_files_that_are_gone_are_passed_over(cache_dir, monkeypatch):
    def refuse(path):
        raise PermissionError(f"{path} is another user's")

    compiled()
    monkeypatch.setattr(os, "utime", refuse)
    assert comes_from_the_cache()  # warnings are errors
    monkeypatch.setattr(Path, "glob", lambda folder, pattern: iter([folder / "gone"]))
    assert compiled(made_for(1))(1.0) == 2.0


def test_the_sources_of_all_kernels_count(tmp_path, monkeypatch):
    folder = Path(shutil.copytree(cache._PACKAGE, tmp_path / "kernels"))
    monkeypatch.setattr(cache, "_PACKAGE", folder)
    names = set()
    for path in sorted(folder.glob("*.py")):
        names.add(cache._origin.__wrapped__())
        path.write_bytes(path.read_bytes() + b"#")
    assert len(names) == len(list(folder.glob("*.py"))) >= 15


def test_another_processor_has_files_of_its_own(monkeypatch):
    own = cache._origin.__wrapped__()
    codegen = cache.cpu_target.target_context.codegen()
    monkeypatch.setattr(type(codegen), "magic_tuple", lambda self: ("another", "processor", ""))
    assert cache._origin.__wrapped__() != own


def test_the_folder_that_numba_is_told_comes_first_and_then_the_users(cache_dir, tmp_path, monkeypatch):
    told = tmp_path / "told"
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(told))
    compiled()
    assert [path.parent for path in files(told, "*.nbi")] == [told / "fastgd"]
    assert not cache_dir.exists()


@pytest.mark.parametrize("deeper", [False, True])
def test_where_numba_is_told_what_can_be_no_folder_the_users_is_taken_with_one_warning(
    deeper, cache_dir, tmp_path, monkeypatch
):
    told = tmp_path / "told"
    told.write_bytes(b"")
    given = str(told / "below") if deeper else str(told)
    monkeypatch.setattr(numba.config, "CACHE_DIR", given)
    with pytest.warns(RuntimeWarning, match="fastgd keeps its compiled kernels in") as warned:
        functions = [compiled(), compiled()]
    assert len(warned) == 1
    assert repr(given) in str(warned[0].message)
    assert repr(str(cache_dir / "fastgd")) in str(warned[0].message)
    assert [function(3.0) for function in functions] == [6.0, 6.0]
    assert [path.parent for path in files(cache_dir, "*.nbi")] == [cache_dir / "fastgd"]


@pytest.mark.parametrize(
    ("platform", "variable", "otherwise"),
    [
        ("linux", "XDG_CACHE_HOME", ".cache"),
        ("freebsd14", "XDG_CACHE_HOME", ".cache"),
        ("darwin", None, "Library/Caches"),
        ("win32", "LOCALAPPDATA", "AppData/Local"),
    ],
)
def test_the_users_folder_is_the_platforms(platform, variable, otherwise, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / name))
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    by_default = tmp_path / "home" / otherwise / "fastgd"
    assert list(cache._folders()) == [tmp_path / variable / "fastgd" if variable else by_default]
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, "relative")  # which would be another folder wherever a process is started
    assert list(cache._folders()) == [by_default]


class Intruder:
    """Create a file when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def by_all(path):
    path.chmod(0o777)


def by_all_but_sticky(path):
    path.chmod(0o1777)


def by_a_group(path):
    os.chown(path, -1, 54321) if os.geteuid() == 0 else None
    path.chmod(0o775)
    if path.stat().st_gid == os.geteuid():
        pytest.skip("this user's group has no other member")


def by_another_owner(path):
    if os.geteuid():
        pytest.skip("only root can give files away")
    os.chown(path, 54321, -1)


@posix
@pytest.mark.parametrize(
    ("writable", "which"),
    [
        *itertools.product(
            [by_all, by_a_group, by_another_owner], ["folder", "parent", "index", "code", "another file"]
        ),
        (by_all_but_sticky, "folder"),
    ],
)
def test_nothing_is_read_from_nor_written_to_a_folder_that_others_can_write(writable, which, cache_dir, tmp_path):
    compiled()
    cache._writable_by_others.cache_clear()
    (index,), (code,) = files(cache_dir, "*.nbi"), files(cache_dir, "*.nbc")
    another = index.parent / "another"
    another.touch()
    index.write_bytes(pickle.dumps(Intruder(tmp_path / "was here")))
    before = sorted(files(cache_dir))
    place = {"folder": index.parent, "parent": cache_dir, "index": index, "code": code, "another file": another}[which]
    writable(place)
    with pytest.warns(RuntimeWarning, match="other users can write .*chmod go-w.*nobody else") as warned:
        assert [compiled()(n) for n in (3.0, 4.0)] == [6.0, 8.0]
    assert len(warned) == 1
    assert repr(str(place)) in str(warned[0].message)
    assert sorted(files(cache_dir)) == before
    assert not (tmp_path / "was here").exists()


@posix
def test_an_intruder_would_have_come_in(cache_dir, tmp_path):
    # Which is to say: the test above tests something.
    compiled()
    (index,) = files(cache_dir, "*.nbi")
    index.write_bytes(pickle.dumps(Intruder(tmp_path / "was here")))
    compiled()
    assert (tmp_path / "was here").exists()


@posix
def test_a_folder_of_ones_own_below_one_that_is_open_to_all_but_sticky_is_used(cache_dir):
    cache_dir.mkdir()
    cache_dir.chmod(0o1777)  # as /tmp is
    compiled()
    assert comes_from_the_cache()


@posix
def test_a_group_without_other_members_is_trusted_and_so_is_one_that_can_write_fastgd_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "_PACKAGE", tmp_path / "package")
    for path in (tmp_path / "package", tmp_path / "cache"):
        path.mkdir()
    user, group = os.geteuid(), os.getegid() if os.geteuid() else 54321
    monkeypatch.setattr(os, "getegid", lambda: group)
    (tmp_path / "cache").chmod(0o775)
    os.chown(tmp_path / "cache", -1, group)

    def writable():
        return cache._writable_by_others.__wrapped__(tmp_path / "cache")

    if user != group:
        assert writable() == (tmp_path / "cache").resolve()
    os.chown(tmp_path / "package", -1, group)
    if user != group:
        assert writable() == (tmp_path / "cache").resolve()
    (tmp_path / "package").chmod(0o775)
    assert writable() is None
    (tmp_path / "package").chmod(0o755)
    monkeypatch.setattr(os, "geteuid", lambda: group)
    monkeypatch.setattr(cache, "_PACKAGE", tmp_path / "package")
    # The folders' owner is another user now, unless it is the system's.
    assert (writable() is None) == (user in (0, group))


@posix
def test_the_owner_of_fastgds_own_files_is_trusted(tmp_path, monkeypatch):
    if os.geteuid():
        pytest.skip("only root can give files away")
    monkeypatch.setattr(cache, "_PACKAGE", tmp_path / "package")
    for path in (tmp_path / "package", tmp_path / "cache"):
        path.mkdir()
    os.chown(tmp_path / "cache", 54321, -1)
    assert cache._writable_by_others.__wrapped__(tmp_path / "cache") is not None
    os.chown(tmp_path / "package", 54321, -1)
    assert cache._writable_by_others.__wrapped__(tmp_path / "cache") is None


@posix
def test_a_link_is_as_open_as_where_it_leads(tmp_path):
    (tmp_path / "open" / "cache").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "open" / "cache")
    assert cache._writable_by_others.__wrapped__(tmp_path / "link") is None
    (tmp_path / "open").chmod(0o777)
    assert cache._writable_by_others.__wrapped__(tmp_path / "link") == (tmp_path / "open").resolve()


def test_a_file_that_another_process_has_just_replaced_is_passed_over(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "iterdir", lambda folder: iter([folder / "gone"]))
    assert cache._writable_by_others.__wrapped__(tmp_path) is None


def test_where_users_are_not_told_apart_by_numbers_folders_are_not_looked_at(tmp_path, monkeypatch):
    tmp_path.chmod(0o777)
    monkeypatch.delattr(os, "geteuid", raising=False)
    assert cache._writable_by_others.__wrapped__(tmp_path) is None


# In processes of their own, which permissions bind: root gives up what lets it read and write everywhere.

CALL = """if True:
    import ctypes, os, sys, warnings
    sys.dont_write_bytecode = True
    if os.name == "posix" and os.geteuid() == 0:
        assert ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()) == 0
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        import numpy as np
        import fastgd
        k, dtype = int(sys.argv[1]), sys.argv[2]
        gradient = fastgd.gradient(np.ones((8, k), dtype), np.zeros(8, dtype), np.ones(k))
    from fastgd.kernels.dense import dense
    (kernel,) = dense(k, False)._dispatchers
    assert gradient.tolist() == [2.0 * k] * k, gradient
    print(len(caught), kernel.stats.cache_path, sum(kernel.stats.cache_hits.values()))
"""


OWN = ("NUMBA_CACHE_DIR", "HOME", "XDG_CACHE_HOME")


def start(n_features=2, dtype="float64", **environment):
    environment |= {name: value for name, value in os.environ.items() if name not in {*OWN, *environment}}
    return subprocess.Popen(
        [sys.executable, "-c", CALL, str(n_features), dtype],
        env=environment,
        cwd=os.sep,  # as the folder in which Python starts comes before all others on its path
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def answer(process):
    """Return the number of warnings, the folder of the cache, and the number of hits; the process has checked the gradient."""
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    n_warnings, folder, hits = output.split()
    return int(n_warnings), folder, int(hits)


def installed_in(folder):
    """Install fastgd, without what was compiled; return it with the environment of who uses it."""
    ignored = shutil.ignore_patterns("__pycache__")
    package = Path(shutil.copytree(Path(fastgd.__file__).parent, folder / "install" / "fastgd", ignore=ignored))
    home = folder / "home"
    home.mkdir()
    return package, {"PYTHONPATH": str(package.parent), "HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache")}


@pytest.fixture
def install(tmp_path):
    """Install fastgd in a folder of the test's own; return it with the environment of who uses it."""
    if os.name != "posix" or (sys.platform != "linux" and os.geteuid() == 0):
        pytest.skip("of permissions as POSIX has them, which bind root on Linux if it wants")
    yield installed_in(tmp_path)
    for folder in (path for path in (tmp_path, *tmp_path.rglob("*")) if path.is_dir()):
        folder.chmod(0o755)


@pytest.fixture(scope="module")
def compiled_code(tmp_path_factory):
    """Return a folder of the files that a call leaves in the user's cache."""
    _, environment = installed_in(tmp_path_factory.mktemp("compiled"))
    return Path(answer(start(**environment))[1])


@pytest.fixture
def used_install(install, compiled_code):
    """Install fastgd as it is after a call, whose answer comes from the cache in the next process."""
    package, environment = install
    folder = Path(environment["XDG_CACHE_HOME"], "fastgd")
    return package, Path(shutil.copytree(compiled_code, folder)), environment


@pytest.mark.processes
def test_nothing_is_left_in_the_package_but_what_python_leaves(install):
    package, environment = install
    before = set(files(package))
    answer(start(**environment))
    new = set(files(package)) - before
    assert {path for path in new if not (path.suffix == ".pyc" and path.parent.name == "__pycache__")} == set()


def read_only(path):
    for each in (path, *path.rglob("*")):
        each.chmod(0o555 if each.is_dir() else 0o444)


@pytest.mark.processes
def test_a_read_only_install_keeps_its_code(install):
    package, environment = install
    read_only(package)
    n_warnings, folder, hits = answer(start(**environment))
    assert (n_warnings, hits) == (0, 0)
    assert answer(start(**environment)) == (0, folder, 1)


@pytest.mark.processes
def test_code_in_an_image_that_this_user_cannot_write_is_used_and_what_it_lacks_is_kept_in_the_users(
    install, compiled_code, tmp_path
):
    _, environment = install
    folder = shutil.copytree(compiled_code, tmp_path / "image" / "fastgd")
    read_only(tmp_path / "image")
    environment |= {"NUMBA_CACHE_DIR": str(tmp_path / "image")}
    before = sorted(files(folder))
    assert answer(start(**environment)) == (0, str(folder), 1)
    users = environment["XDG_CACHE_HOME"] + "/fastgd"
    assert [answer(start(3, **environment)) for _ in range(2)] == [(0, users, 0), (0, users, 1)]
    assert sorted(files(folder)) == before


@pytest.mark.processes
@pytest.mark.parametrize("home", ["read-only", "missing", "unset"])
def test_where_nothing_can_be_written_each_process_compiles(home, install):
    _, environment = install
    read_only(Path(environment["HOME"]))
    if home == "missing":
        environment |= dict.fromkeys(("HOME", "XDG_CACHE_HOME"), environment["HOME"] + "/missing")
    if home == "unset":
        del environment["HOME"]
    n_warnings, _, hits = answer(start(**environment))
    assert (n_warnings, hits) == (1, 0)


@pytest.mark.processes
@pytest.mark.parametrize("mode", [0o000, 0o444])
@pytest.mark.parametrize(
    "pattern", ["*.nb?", *(pytest.param(one, marks=pytest.mark.slow) for one in ("*.nbi", "*.nbc"))]
)
def test_files_that_cannot_be_read_or_written_are_replaced(mode, pattern, used_install):
    _, folder, environment = used_install
    for path in files(folder, pattern):
        if mode == 0o444:
            path.write_bytes(b"")
        path.chmod(mode)
    assert answer(start(**environment))[0] == 0
    n_warnings, _, hits = answer(start(**environment))
    assert (n_warnings, hits) == (0, 1)


@pytest.mark.processes
@pytest.mark.parametrize("mode", [0o000, 0o555, 0o333])
def test_folders_that_cannot_be_read_or_written(mode, used_install):
    _, folder, environment = used_install
    for path in files(folder, "*.nb?"):
        path.write_bytes(b"")
    folder.chmod(mode)
    n_warnings, _, _ = answer(start(**environment))
    assert n_warnings <= 1


@pytest.mark.processes
@pytest.mark.parametrize("n_processes", [4, pytest.param(32, marks=pytest.mark.slow)])
def test_processes_that_start_at_once_without_a_cache(n_processes, tmp_path, reached):
    kinds = [(n_features, dtype) for n_features in (1, 2, 3, 9) for dtype in ("float64", "float32")]
    for expected_hits in (None, 1):
        running = [start(*kinds[i % len(kinds)], NUMBA_CACHE_DIR=str(tmp_path)) for i in range(n_processes)]
        for process in running:
            n_warnings, _, hits = answer(process)
            assert n_warnings == 0
            assert hits == expected_hits or expected_hits is None
    reached("processes that start at once without a compile cache, and are right", n_processes)

"""Other processors, played on this one: sums have the same bits wherever products and sums are fused."""

import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import arm
import bits
import llvmlite.binding as llvm
import pytest
from processors import PROCESSORS, environment, missing

from fastgd.kernels import target

# Which registers numba's code has, which fastgd makes tiles for, and which of numpy's loops are in use.
MACHINE = """
import json
import numba
from numpy._core._multiarray_umath import __cpu_features__
from fastgd.kernels.target import registers

@numba.njit(fastmath=True)
def total(x):
    result = 0.0
    for value in x:
        result += value
    return result

total.compile("f8(f8[::1])")
(code,) = total.inspect_asm().values()
print(json.dumps([[name for name in ("ymm", "zmm") if name in code], registers(), __cpu_features__["X86_V3"]]))
"""


BITS = """
import json
import bits

print(json.dumps({bits.name(*shape): bits.sums(*shape) for shape in bits.SHAPES}))
"""


def played(folder, script, **environment):
    here = Path(__file__).parent
    path = os.pathsep.join(map(str, (here.parents[1], here)))
    environment = os.environ | environment | {"NUMBA_CACHE_DIR": str(folder), "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.processes
@pytest.mark.parametrize(
    ("name", "expected"), [("haswell", [["ymm"], [4, 16], True]), ("nehalem", [[], [2, 16], False])]
)
def test_the_processors_that_are_played_do_no_more_than_the_true_ones(name, expected, tmp_path):
    assert {"haswell", "nehalem"} == PROCESSORS.keys()
    if missing(name) or os.environ.get("NUMBA_CPU_NAME", name) != name:
        pytest.skip(f"this processor cannot play a {name}, or plays another")
    assert played(tmp_path, MACHINE, **environment(name)) == expected


@pytest.mark.parametrize(
    ("triple", "name", "expected"),
    [
        ("x86_64-unknown-linux-gnu", "nehalem", (2, 16)),
        ("x86_64-unknown-linux-gnu", "haswell", (4, 16)),
        ("x86_64-unknown-linux-gnu", "znver4", (8, 32)),
        ("aarch64-unknown-linux-gnu", "neoverse-n1", (2, 32)),
        ("aarch64-unknown-linux-gnu", "neoverse-v1", (2, 32)),  # its longer vectors are for loops of any length
        ("arm64-apple-darwin", "apple-m1", (2, 32)),
    ],
)
def test_tiles_are_made_for_the_registers_of_the_processor(triple, name, expected, monkeypatch):
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    try:
        machine = llvm.Target.from_triple(triple).create_target_machine(cpu=name)
    except RuntimeError:
        pytest.skip(f"this LLVM writes no code for {triple}")
    context = SimpleNamespace(codegen=lambda: SimpleNamespace(_tm=machine))
    monkeypatch.setattr(target, "cpu_target", SimpleNamespace(target_context=context))
    assert target.registers.__wrapped__() == expected


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux plays other processors")
def test_a_machine_that_cannot_play_an_arm_processor_says_what_it_lacks(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))  # no QEMU is found, and nothing that would bring it
    monkeypatch.setattr(sys, "argv", ["arm.py", "--folder", str(tmp_path / "folder")])
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    with pytest.raises(SystemExit) as end:
        arm.main()
    assert end.value.code == 2
    assert "this machine has no apt-get, but it is needed" in capsys.readouterr().err
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(SystemExit) as end:
        arm.main()
    assert end.value.code == 2
    assert "Run pytest" in capsys.readouterr().err


def test_what_the_tests_need_on_an_arm_processor_is_what_they_need_here():
    names = {re.match(r"[\w-]+", requirement)[0] for requirement in arm.requirements()}
    assert {"numpy", "numba", "pytest", "hypothesis", "scipy", "scikit-learn", "pyarrow"} <= names
    assert "fastgd" not in names


# With registers of 256 and of 128 bits, the latter also where there are more; and with those of 512 bits.
FUSING = {
    "haswell": ("haswell", "", ("avx2", "fma", "bmi2")),
    "haswell, 128 bits": ("haswell", "+prefer-128-bit", ("avx2", "fma", "bmi2")),
    "znver2": ("znver2", "", ("avx2", "fma", "bmi2")),
    "skylake-avx512": ("skylake-avx512", "-prefer-256-bit", ("avx512f", "avx512vl", "avx512dq", "avx512bw")),
    "icelake-server, 256 bits": ("icelake-server", "+prefer-256-bit", ("avx512f", "avx512vl", "avx512vbmi")),
}


@pytest.mark.processes
@pytest.mark.slow
@pytest.mark.parametrize("name", FUSING)
def test_sums_have_the_same_bits_on_every_processor_that_fuses(name, tmp_path):
    cpu, features, needed = FUSING[name]
    if not all(llvm.get_host_cpu_features().get(feature) for feature in needed):
        pytest.skip(f"this processor cannot play a {cpu}")
    expected = json.loads(bits.TABLE.read_text(encoding="ascii"))
    assert played(tmp_path, BITS, NUMBA_CPU_NAME=cpu, NUMBA_CPU_FEATURES=features) == expected

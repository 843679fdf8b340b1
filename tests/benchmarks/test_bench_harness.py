# SPDX-License-Identifier: Apache-2.0
"""The harness that compares Penstock with TFX: what it measures, and what it says of it."""

from __future__ import annotations

import ast
import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# The benchmarks are no part of the package: only the repository's root has them.
sys.path.append(str(ROOT))

from benchmarks import data  # noqa: E402
from benchmarks.harness import report  # noqa: E402
from benchmarks.harness.comparison import PENSTOCK, TFX, Side, alternate, summary  # noqa: E402
from benchmarks.harness.process_cost import CommandFailedError, Cost, measure  # noqa: E402
from benchmarks.harness.rows import Row  # noqa: E402

_CHILD_WORKS = """
import subprocess, sys
child = '''
import time
held = bytearray(150 << 20)
end = time.process_time() + 0.6
while time.process_time() < end: pass
'''
subprocess.run([sys.executable, "-c", child], check=True)
"""
_ORPHAN_WORKS = """
import subprocess, sys
child = '''
import time
end = time.process_time() + 0.6
while time.process_time() < end: pass
'''
subprocess.Popen([sys.executable, "-c", child])
"""


def _measured(code: str, folder: Path) -> Cost:
    return measure(
        [sys.executable, "-c", code],
        folder=str(folder),
        environment=os.environ,
        log=str(folder / "log"),
    )


def test_children_count(tmp_path: Path) -> None:
    """If it fails, CPU time and memory of worker processes are left out."""
    cost = _measured(_CHILD_WORKS, tmp_path)
    assert 0.6 < cost.cpu < 3
    assert cost.wall > 0.6
    assert cost.memory > 150 << 20


def test_others_do_not_count(tmp_path: Path) -> None:
    """If it fails, whatever else the measuring process has started is in the bill."""
    other = subprocess.Popen(
        [sys.executable, "-c", "import time\nwhile time.process_time() < 1: 0"]
    )
    cost = _measured("import time; time.sleep(0.3)", tmp_path)
    assert other.wait() == 0
    assert cost.cpu < 0.5
    assert cost.memory < 100 << 20


def test_orphans_count(tmp_path: Path) -> None:
    """If it fails, work that a process leaves to others as it ends costs nothing."""
    assert _measured(_ORPHAN_WORKS, tmp_path).cpu > 0.6


@pytest.mark.timing
def test_short_commands_are_not_rounded(tmp_path: Path) -> None:
    """If it fails, the wall time of short rows is the harness's own waiting."""
    started = time.perf_counter()
    subprocess.run(["/bin/true"], check=True)
    plain = time.perf_counter() - started
    walls = [
        measure(["/bin/true"], folder="/", environment={}, log=str(tmp_path / "log")).wall
        for _ in range(5)
    ]
    assert min(walls) < plain + 0.02


def test_failure_shows_the_output(tmp_path: Path) -> None:
    """If it fails, a row that cannot be measured does not say why."""
    with pytest.raises(CommandFailedError, match="no such luck"):
        _measured("raise SystemExit('no such luck')", tmp_path)


def test_sides_take_turns(tmp_path: Path) -> None:
    """If it fails, one side is always measured in the wake of the other, or finds its files."""
    order = tmp_path / "order"
    script = (
        "import json, os, sys\n"
        "name, _, _, folder = sys.argv[1:5]\n"
        f"open({str(order)!r}, 'a').write(name[0])\n"
        "json.dump({'old': os.path.exists(folder + '/mark')}, open(folder + '/answer.json', 'w'))\n"
        "open(folder + '/mark', 'w').close()\n"
    )
    sides = [Side(name, (sys.executable, "-c", script, name)) for name in (PENSTOCK, TFX)]
    found = alternate(sides, "nothing", str(tmp_path / "new"), {}, repeats=2, warm_ups=1)
    assert order.read_text() in ("PTTPPT", "TPPTTP")
    assert [len(trials) for trials in found.values()] == [2, 2]
    assert not any(trial.answer["old"] for trials in found.values() for trial in trials)
    kept = alternate(sides[:1], "nothing", str(tmp_path / "old"), {}, repeats=2, keep=True)
    assert [trial.answer["old"] for trial in kept[PENSTOCK]] == [False, True]


def _row(ours: float, theirs: float | None, **targets: object) -> Row:
    measured = {PENSTOCK: {"wall": summary([ours])}}
    if theirs is not None:
        measured[TFX] = {"wall": summary([theirs])}
    return Row("a row", measured, **targets)  # type: ignore[arg-type]


def test_verdicts_follow_the_targets() -> None:
    """If it fails, the table says that a target is met that is not."""
    assert report.holds(_row(1.0, 6.0, faster=6.0)) is True
    assert report.holds(_row(1.0, 5.9, faster=6.0)) is False
    assert report.holds(_row(0.9, None, at_most=0.8)) is False
    assert report.holds(_row(0.7, None, at_most=0.8)) is True
    assert report.holds(_row(1.0, 6.0)) is None
    # Alone, a side is judged by what was measured before.
    assert report.holds(_row(1.0, None, faster=2.0)) is None
    assert report.holds(_row(1.0, None, faster=2.0), _row(1.0, 3.0)) is True
    assert report.ratio(_row(300.0, 100.0, unit="krows/s")) == 3.0


def test_results_survive_a_later_run_of_other_rows(tmp_path: Path) -> None:
    """If it fails, measuring one group again loses the rows of the others."""
    first = [_row(1.0, 2.0), Row("another", {PENSTOCK: {"wall": summary([1.0, 2.0])}})]
    report.write(str(tmp_path), {"machine": {"cores": 2}}, first)
    facts, rows = report.read(str(tmp_path / "comparison.json"))
    assert facts == {"machine": {"cores": 2}}
    assert rows == first
    again = report.merged(rows, [_row(1.0, 5.0)])
    assert [(row.title, report.ratio(row)) for row in again] == [("a row", 5.0), ("another", None)]
    assert "| a row | 1 s | 2 s | 2.0× |" in (tmp_path / "comparison.md").read_text()


def test_file_has_the_rows_asked_for_and_repeats(tmp_path: Path) -> None:
    """If it fails, the sides of two runs read different data, or fewer rows than are told."""
    digests = set()
    for name in ("one", "two"):
        folder, rows = data.write_csv(str(tmp_path / name), 40_000)
        content = Path(folder, "complaints.csv").read_bytes()
        assert (rows, content.count(b"\n")) == (40_000, 40_001)
        assert content.startswith(b"Complaint ID,Product,")
        digests.add(hashlib.sha256(content).hexdigest())
    assert len(digests) == 1


def test_modules_load_without_their_package(tmp_path: Path) -> None:
    """If it fails, TFX cannot load what it puts at the top level."""
    folder = Path(data.write_modules(str(tmp_path)))
    names = {path.stem for path in folder.iterdir()}
    for path in folder.iterdir():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0
                assert node.module in names or node.module.split(".")[0] not in names
        assert "fn_args.seed" not in path.read_text()
    assert {"features", "model"} <= names


def _scenarios(side: str) -> set[str]:
    tree = ast.parse((ROOT / "benchmarks" / side / "scenarios.py").read_text())
    (table,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "SCENARIOS"
    )
    assert isinstance(table, ast.Dict)
    return {ast.literal_eval(key) for key in table.keys if key}


def test_sides_have_the_same_scenarios() -> None:
    """If it fails, a row can be measured on one side only."""
    assert _scenarios("penstock_side") == _scenarios("tfx_side") >= {"complaints", "million"}


def test_tfx_is_refused_in_one_sentence(tmp_path: Path) -> None:
    """If it fails, whoever has no Python 3.10 is left with a traceback, or half a folder."""
    answer = subprocess.run(
        ["/bin/sh", str(ROOT / "constraints" / "tfx.sh"), str(tmp_path / "env"), "/bin/true"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 1
    assert answer.stderr == ("penstock: no TFX to compare with: /bin/true is not a Python 3.10.\n")
    assert not (tmp_path / "env").exists()

# SPDX-License-Identifier: Apache-2.0
"""Opening a store: what can be wrong with it is said in a way that one can act on."""

from __future__ import annotations

import multiprocessing
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from penstock.orchestration.metadata.library import library
from penstock.orchestration.metadata.store import MetadataStore
from penstock.orchestration.metadata.upgrade import main as upgrade_main
from penstock.utils.errors import MetadataError

Start = Callable[..., "subprocess.Popen[str]"]


def test_missing_folder_is_made_and_mistyped_path_is_not(tmp_path: Path) -> None:
    """Fails if a first run needs preparations, or reading a mistyped path makes a store."""
    path = tmp_path / "new" / "folder" / "metadata.sqlite"
    with pytest.raises(MetadataError, match=r"no metadata store here yet(?s:.*)check the path"):
        MetadataStore(str(path), create=False)
    assert not path.parent.exists()
    MetadataStore(str(path)).close()
    with MetadataStore(str(path), create=False) as store:
        assert store.list_runs() == []
    assert store.setting == f"sqlite:///{path}"


def test_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    """Fails if a wrong path destroys somebody's file, or is not explained."""
    path = tmp_path / "notes.txt"
    path.write_text("not a database " * 100)
    with pytest.raises(MetadataError, match="is not a metadata store"):
        MetadataStore(str(path))
    assert path.read_text() == "not a database " * 100


def test_folder_is_no_store(tmp_path: Path) -> None:
    """Fails if naming a folder ends in a message about SQLite."""
    with pytest.raises(MetadataError, match=r"a file, not a folder(?s:.*)metadata\.sqlite"):
        MetadataStore(str(tmp_path))


def test_unwritable_place_is_explained(tmp_path: Path) -> None:
    """Fails if a path below a file, or below nothing, ends in a traceback."""
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "m.sqlite", Path("/proc/nowhere/m.sqlite")):
        with pytest.raises(MetadataError, match=r"cannot be written(?s:.*)choose a path"):
            MetadataStore(str(path))


#: Opens a store as a user who may only read it.
AS_READER = """
import os, sys
from penstock.utils.errors import MetadataError
from penstock.orchestration.metadata.library import library
from penstock.orchestration.metadata.records import RunState
from penstock.orchestration.metadata.store import MetadataStore
library()
if os.geteuid() == 0:
    os.setuid(65534)
try:
    MetadataStore(sys.argv[1])
except MetadataError as error:
    assert "cannot be written" in str(error), error
else:
    sys.exit("opened for writing")
store = MetadataStore(sys.argv[1], create=False)
print([run.id for run in store.list_runs()])
try:
    store.end_run("r", RunState.FAILED)
except MetadataError as error:
    assert "for reading only" in str(error), error
"""


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that every user can read; pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    if any(not parent.stat().st_mode & 0o001 for parent in folder.parents):
        pytest.skip("temporary folders are closed to other users here")
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_store_of_somebody_else_can_be_read(
    public_folder: Path, python: Start, journal: str
) -> None:
    """Fails if looking at a colleague's runs needs permission to change them."""
    path = public_folder / "m.sqlite"
    with MetadataStore(f"sqlite:///{path}?journal={journal}") as store:
        store.begin_run("p", "r")
    path.chmod(0o444)
    public_folder.chmod(0o555)
    out, errors = (process := python(AS_READER, str(path))).communicate(timeout=60)
    assert (process.returncode, out, errors) == (0, "['r']\n", "")


@pytest.mark.parametrize(
    ("version", "said"),
    [(8, r"older version(?s:.*)metadata\.upgrade 'sqlite:///"), (99, r"newer version(?s:.*)pip")],
)
def test_schema_of_another_version_is_explained(store_path: str, version: int, said: str) -> None:
    """Fails if a store of another ML Metadata is damaged, or the way out is not shown."""
    MetadataStore(store_path).close()
    database = sqlite3.connect(store_path)
    with database:
        database.execute("UPDATE MLMDEnv SET schema_version = ?", (version,))
    database.close()
    with pytest.raises(MetadataError, match=said):
        MetadataStore(store_path)


def test_upgrade_command_brings_an_old_store_up_to_date(
    store_path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if the command in the error message does not mend what the message is about."""
    lib = library()
    with MetadataStore(f"sqlite:///{store_path}?journal=delete") as store:
        store.begin_run("p", "kept")
    config = lib.protos.ConnectionConfig()
    config.sqlite.filename_uri = store_path
    config.sqlite.connection_mode = lib.protos.SqliteMetadataSourceConfig.READWRITE
    lib.mlmd.downgrade_schema(config, 8)
    with pytest.raises(MetadataError, match="older version"):
        MetadataStore(store_path)
    assert upgrade_main([store_path]) == 0
    assert "has the schema" in capsys.readouterr().out
    with MetadataStore(store_path) as store:
        assert store.get_run("kept").pipeline == "p"
    assert upgrade_main([store_path + ".nope"]) == 1
    assert "no metadata store here" in capsys.readouterr().err


def test_unreachable_servers_are_named_without_noise(
    monkeypatch: pytest.MonkeyPatch, python: Start
) -> None:
    """Fails if a server that is down ends in a C++ log, a traceback or a shown password."""
    script = (
        "import sys\n"
        "from penstock.orchestration.metadata.retry import RetryPolicy\n"
        "from penstock.orchestration.metadata.store import MetadataStore\n"
        "from penstock.utils.errors import MetadataError\n"
        "for setting in sys.argv[1:]:\n"
        "    try:\n"
        "        MetadataStore(setting, retries=RetryPolicy(0.1)).list_runs()\n"
        "    except MetadataError as error:\n"
        "        print(error)\n"
    )
    monkeypatch.setenv("PENSTOCK_METADATA_PASSWORD", "hunter2")
    process = python(
        script, "mysql://u@127.0.0.1:1/d", "postgresql://u@127.0.0.1:1/d", "grpc://127.0.0.1:1"
    )
    out, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert out.count("cannot be opened") == 2
    assert out.count("cannot be reached") == 1
    for scheme in ("mysql", "postgresql", "grpc"):
        assert f"{scheme}://" in out
    assert "hunter2" not in out


#: Lets no file grow beyond 1.5 MB, as a full disk would, and lifts the limit again.
ON_FULL_DISK = """
import resource, signal, sys
from penstock.components.base.artifact_types import Examples
from penstock.orchestration.metadata.records import NodeKey, RunState
from penstock.orchestration.metadata.store import MetadataStore
from penstock.utils.errors import MetadataError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = MetadataStore(sys.argv[1])
store.begin_run("p", "r")
limits = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, limits[1]))
done = 0
try:
    for number in range(1000):
        node = NodeKey("p", "r", f"n{number}", "test.N")
        execution = store.register_execution(node, {}, {"text": "x" * 50_000})
        store.publish_execution(node, execution, {"x": [Examples("/x")]})
        done += 1
except MetadataError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, limits)
store.mark_stale("r")
store.end_run("r", RunState.FAILED)
states = [found.state.value for found in store.run_executions("r")]
assert states.count("complete") == done > 0, (states, done)
assert len(store.list_artifacts(limit=None)) == done
"""


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_full_disk_is_explained_and_loses_nothing(
    store_path: str, python: Start, journal: str
) -> None:
    """Fails if a full disk damages the store, or ends in a message about SQL."""
    process = python(ON_FULL_DISK, f"sqlite:///{store_path}?journal={journal}")
    out, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert "disk is full or failing" in out and "make room" in out
    assert "disk I/O error" in out or "disk is full" in out
    assert "INSERT" not in out


def test_closed_store_says_so(store_path: str) -> None:
    """Fails if a closed store crashes the process in C++."""
    store = MetadataStore(store_path)
    store.close()
    store.close()
    with pytest.raises(MetadataError, match="was closed"):
        store.list_runs()


def _use_in_child(store: MetadataStore, answer: multiprocessing.SimpleQueue[str]) -> None:
    try:
        store.list_runs()
    except MetadataError as error:
        answer.put(str(error))


@pytest.mark.skipif(sys.platform == "win32", reason="has no fork")
def test_connection_does_not_cross_a_fork(store_path: str) -> None:
    """Fails if a forked child shares its parent's SQLite connection, which corrupts files."""
    with MetadataStore(store_path) as store:
        fork = multiprocessing.get_context("fork")
        answer = fork.SimpleQueue()
        child = fork.Process(target=_use_in_child, args=(store, answer))
        child.start()
        assert "cannot cross into a child process" in answer.get()
        child.join()
        assert store.list_runs() == []


def test_importing_the_store_does_not_import_ml_metadata(python: Start) -> None:
    """Fails if `penstock --help` pays for ML Metadata, or recording for TensorFlow."""
    script = (
        "import sys\n"
        "import penstock.orchestration.metadata.store\n"
        "import penstock.orchestration.metadata.lineage_text\n"
        "heavy = {'ml_metadata', 'grpc', 'google', 'sqlite3', 'numpy', 'pandas', 'tensorflow'}\n"
        "print(sorted(heavy & {name.partition('.')[0] for name in sys.modules}))\n"
        "from penstock.orchestration.metadata.store import MetadataStore\n"
        "MetadataStore('sqlite:///:memory:').begin_run('p', 'r')\n"
        "print(sorted({'pandas', 'tensorflow', 'apache_beam', 'pyarrow'} & set(sys.modules)))\n"
    )
    out, errors = python(script).communicate(timeout=60)
    assert (out, errors) == ("[]\n[]\n", "")

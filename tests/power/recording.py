"""Lets a command run with `shim.c` between it and libc, which notes what it does to a disk."""

from __future__ import annotations

import errno
import mmap
import os
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

from typing_extensions import Self

SOURCE = Path(__file__).with_name("shim.c")
COMPILER = shutil.which("gcc") or shutil.which("cc")
WHY_NOT = "needs a C compiler (Debian: apt-get install gcc libc6-dev): it records what is written"

_CONTROL = struct.Struct("=QQQII")
WRITES, SYNCS = 1, 2
FULL, BROKEN = errno.ENOSPC, errno.EIO


def compile_shim(folder: Path) -> Path:
    """The library to preload."""
    assert COMPILER is not None, WHY_NOT
    library = folder / "shim.so"
    flags = ("-shared", "-fPIC", "-O2", "-Wall", "-Werror")
    subprocess.run([COMPILER, *flags, "-o", library, SOURCE, "-ldl"], check=True)  # noqa: S603
    return library


class Recording:
    """What was done below a folder, in `journal`, and the switch that lets calls fail."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._beside = Path(tempfile.mkdtemp(prefix="raft-config-power-"))
        self.library = compile_shim(self._beside)
        self.journal = self._beside / "journal"
        self.control = self._beside / "control"
        self.control.write_bytes(bytes(_CONTROL.size))
        # The recorded processes may be somebody else's: PostgreSQL's.
        self.journal.touch()
        self._beside.chmod(0o755)
        for path in (self.journal, self.control):
            path.chmod(0o666)

    def environment(self) -> dict[str, str]:
        """What the recorded command has to be started with."""
        return {
            "LD_PRELOAD": str(self.library),
            "POWER_FOLDER": str(self.folder),
            "POWER_JOURNAL": str(self.journal),
            "POWER_CONTROL": str(self.control),
        }

    def close(self) -> None:
        """Forget what was recorded."""
        shutil.rmtree(self._beside)


class Fault:
    """Within `with`, calls of a kind fail from a certain one on, in whichever process."""

    def __init__(self, which: int, error: int, *, first: int, count: int = 1 << 62) -> None:
        self._told = (0, first, count, which, error)
        self.calls = 0

    def __enter__(self) -> Self:
        with Path(os.environ["POWER_CONTROL"]).open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _CONTROL.size)
        _CONTROL.pack_into(self._map, 0, *self._told)
        return self

    def look(self) -> bool:
        """Whether a call has failed by now."""
        self.calls = _CONTROL.unpack_from(self._map)[0]
        return self.happened

    def __exit__(self, *_: object) -> None:
        self.look()
        _CONTROL.pack_into(self._map, 0, 0, 0, 0, 0, 0)
        self._map.close()

    @property
    def happened(self) -> bool:
        """Whether a call failed."""
        return self.calls > self._told[1]

"""Small state that outlives publications: `<home>/history/*.json`, changed by one process at a time."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from canbao.errors import UserError
from canbao.home import Home, read_json, write_atomically


@contextmanager
def changing(home: Home) -> Iterator[None]:
    """Hold the state for as long as it takes to read, change and write it; a night's own lock is another one."""
    home.history.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(home.history / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def read(home: Home, name: str) -> dict[str, Any]:
    """The state of that name, {} where nothing is kept yet."""
    return read_json(home.history / f"{name}.json")


def write(home: Home, name: str, data: Mapping[str, Any]) -> None:
    """Keep the state of that name. Call it while holding `changing`."""
    write_atomically(home.history / f"{name}.json", text(data))


def text(data: Mapping[str, Any]) -> str:
    """State as the files hold it."""
    return json.dumps(data, ensure_ascii=False, indent=1) + "\n"


def existing(root: Path) -> Home:
    """The home that a command was given.

    Raises:
        UserError: There is none.
    """
    if not root.is_dir():
        raise UserError(f"工作目录 {root} 不存在（--home）。请检查路径。")
    return Home(root)

"""An installation's folder: where things lie in it, its key, and who is at work on it."""

import errno
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from canbao.errors import Blocked, UserError

KEY_VARIABLE = "CANBAO_KEY"

PRIVATE = 0o077
"""The umask of whatever writes into a home: it holds personal data, so that its owner alone may read it."""

_MARKS = ("key", "key.fingerprint", "published", "runs", "portal", "audit", "canbao.toml", "brief.toml")
"""What an installation has, or is given before it begins; one of them is enough."""

KEPT_RUNS = 30
"""Stopped nights whose rejected rows stay laid out in `<home>/runs/<run_id>/`."""


class Home:
    """The state of one installation below one folder (contract.md section 1, `--home`)."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.key_file = root / "key"
        self.fingerprint_file = root / "key.fingerprint"
        self.lock_file = root / "run.lock"
        self.settings_file = root / "canbao.toml"
        self.brief_file = root / "brief.toml"
        self.landing = root / "landing"
        self.staged = root / "staged"
        self.warehouse = root / "warehouse"
        self.steps = root / "steps"
        self.published = root / "published"
        self.current = self.published / "current"
        self.history = root / "history"
        self.prefect = root / "prefect"
        self.runs = root / "runs"

    def see(self) -> None:
        """See that the folder is an installation, or is empty and may become one: for whatever does not begin one.

        `canbao run`, `canbao schedule` and `canbao user add` make the folder; a mistyped `--home` must not become a
        second installation.

        Raises:
            UserError: There is no such folder, or it is something else.
        """
        if not self.root.is_dir():
            raise UserError(
                f"工作目录 {self.root} 不存在（--home），未建立任何内容。请检查路径；"
                "新装时先运行一次 canbao run，或先建好这个空目录。"
            )
        try:
            inside = {path.name for path in self.root.iterdir()} - {"lost+found"}
        except OSError as error:
            raise UserError(f"工作目录 {self.root} 无法读取（{error.strerror}）。请检查目录权限（--home）。") from None
        if inside and not inside & {*_MARKS}:
            raise UserError(
                f"目录 {self.root} 里有别的内容，不是参保台账的工作目录（--home），未建立任何内容。请检查路径；"
                "新装时先运行一次 canbao run，或另建一个空目录。"
            )

    def prepare(self) -> None:
        """Make the folder and see that it can be written to.

        Raises:
            UserError: The path is no folder, or may not be written to.
        """
        try:
            for folder in (self.root, self.published, self.runs):
                folder.mkdir(parents=True, exist_ok=True)
            if self.root.stat().st_uid == os.geteuid():
                self.root.chmod(0o700)  # also where an earlier version, or mkdir by hand, left it open to others
        except OSError as error:
            raise UserError(
                f"工作目录 {self.root} 无法使用：{error.strerror}。请换一个可写的目录（--home）。"
            ) from None
        if not os.access(self.root, os.W_OK):
            raise UserError(f"工作目录 {self.root} 不可写。请检查目录权限，或换一个目录（--home）。")

    def key(self) -> bytes:
        """The secret that person ids are hashed with: from `CANBAO_KEY`, else from `<home>/key`, made on first use.

        Raises:
            Blocked: The key is not the one that this home was built with (contract.md section 3.1).
        """
        known = self.fingerprint_file.read_text().strip() if self.fingerprint_file.exists() else None
        from_environment = os.environ.get(KEY_VARIABLE, "").strip()
        if from_environment:
            key, origin = from_environment.encode(), f"环境变量 {KEY_VARIABLE}"
        else:
            if known and not self.key_file.exists():
                raise Blocked(
                    f"找不到建库时使用的密钥：环境变量 {KEY_VARIABLE} 未设置，{self.key_file} 也不存在。"
                    "请恢复原密钥后再运行；换了密钥，人员标识将全部改变。"
                )
            key, origin = self._key_from_file(), str(self.key_file)
        if known and known != fingerprint(key):
            raise Blocked(
                f"密钥（{origin}）与本工作目录建库时使用的密钥不同，已停止，未发布任何内容。"
                f"请改回原密钥，或另用一个新的工作目录（--home）。本目录的密钥指纹为 {known}。"
            )
        return key

    def remember_key(self, key: bytes) -> None:
        """Note which key this home is built with; later runs with another one stop."""
        if not self.fingerprint_file.exists():
            write_atomically(self.fingerprint_file, fingerprint(key) + "\n")

    def _key_from_file(self) -> bytes:
        if not self.key_file.exists():
            fresh = self.root / f".key-{os.getpid()}-{secrets.token_hex(4)}"
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_hex(32) + "\n")
                file.flush()
                os.fsync(file.fileno())
            try:
                self.key_file.hardlink_to(fresh)
            except FileExistsError:
                pass  # another process was first: its key is the key
            finally:
                fresh.unlink()
        try:
            text = self.key_file.read_text().strip()
        except (OSError, UnicodeDecodeError):
            raise UserError(f"密钥文件 {self.key_file} 无法读取。请检查文件权限。") from None
        if not text:
            raise UserError(f"密钥文件 {self.key_file} 是空的。请恢复原密钥。")
        return text.encode()

    @contextmanager
    def lock(self, what: str, wait: float = 0.0) -> Iterator[None]:
        """Hold the home for one run; the hold ends with the process, however it ends.

        Args:
            what: Who holds it, as told to others (a run's id).
            wait: Seconds to wait for another run to end.

        Raises:
            Blocked: Another run stays at work.
        """
        # The kernel drops the lock with the process, and the descriptor does not survive an exec into a child.
        descriptor = os.open(self.lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            until = time.monotonic() + wait
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError as error:
                    if error.errno not in (errno.EACCES, errno.EAGAIN):
                        raise
                    if time.monotonic() >= until:
                        holder = self.lock_file.read_text(errors="replace").strip() or "未知"
                        raise Blocked(
                            f"工作目录 {self.root} 上另一次运行正在进行（{holder}），本次未开始。"
                            "请等它结束后再运行，或用 --wait 秒数 等待。"
                        ) from None
                    time.sleep(min(0.5, max(0.01, until - time.monotonic())))
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{what}，进程 {os.getpid()}\n".encode(), 0)
            yield
        finally:
            os.close(descriptor)

    def running(self) -> bool:
        """Whether a run is at work on this home."""
        if not self.lock_file.exists():
            return False
        descriptor = os.open(self.lock_file, os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        else:
            return False
        finally:
            os.close(descriptor)

    def current_publication(self) -> Path | None:
        """The folder that `current` points to, or None."""
        return self.current.resolve() if self.current.exists() else None

    def current_fault(self) -> str:
        """What is wrong with `current`, and what to do, in Chinese; empty where nothing is wrong."""
        whole = self.publications()
        target = self.current.readlink() if self.current.is_symlink() else None
        if target is None and not self.current.exists():
            wrong = "不见了" if whole else ""
        elif not self.current.exists():
            wrong = f"指向的 {target} 不存在"
        elif not read_json(self.current / "manifest.json"):
            wrong = f"指向的 {target or self.current} 缺少 manifest.json，或该文件已损坏"
        else:
            wrong = ""
        if not wrong:
            return ""
        told = f"当前发布的指针 {self.current} 已损坏：{wrong}。门户和报表没有可用的发布，已有的发布并未因此丢失。"
        good = [folder for folder in whole if read_json(folder / "manifest.json")]
        if not good:
            return f"{told}没有其他完整的发布，请从备份恢复，或重新运行 canbao run。"
        last = f"{good[-1].parent.name}/{good[-1].name}"
        moved = f"先把 {self.current} 移走，再" if self.current.exists() and target is None else ""
        return f"{told}请从备份恢复；或{moved}指向最近一次完整的发布：ln -sfn {last} {self.current}"

    def publications(self) -> list[Path]:
        """Every complete publication, oldest as-of date first and, within a date, oldest run first."""
        return [manifest.parent for manifest in sorted(self.published.glob("[0-9]*-*-*/*/manifest.json"))]

    def clear_leftovers(self) -> None:
        """Remove what runs that were broken off left behind. Call it while holding the lock."""
        for leftover in self.published.glob(".tmp-*"):
            shutil.rmtree(leftover) if leftover.is_dir() and not leftover.is_symlink() else leftover.unlink()
        for leftover in [*self.root.glob(".key-*"), *self.runs.glob(".*")]:
            leftover.unlink(missing_ok=True)
        for record in self.runs.glob("*.json"):
            self._settle(record)
        for folder in sorted(folder for folder in self.runs.glob("[0-9]*") if folder.is_dir())[:-KEPT_RUNS]:
            shutil.rmtree(folder)

    def _settle(self, record: Path) -> None:
        """A run that says it is running while nobody holds the lock was broken off: it has published or it has not."""
        data = read_json(record)
        if data.get("state") != "running":
            return
        current = self.current_publication()
        for folder in self.published.glob(f"[0-9]*-*-*/{record.stem}"):
            if current == folder.resolve():
                data["state"] = "published"
            else:  # stopped after the rename and before `current` moved: nobody was told of it
                shutil.rmtree(folder)
        if data["state"] == "running":
            data.update(state="broken_off", message="运行中途被中断，未发布任何内容。")
        write_atomically(record, json.dumps(data, ensure_ascii=False, indent=1))


def fingerprint(key: bytes) -> str:
    """16 hex digits that tell keys apart and do not give the key away."""
    return hashlib.sha256(b"canbao key fingerprint\n" + key).hexdigest()[:16]


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file's object, {} where it is missing or broken off."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def write_atomically(path: Path, text: str) -> None:
    """Write a small file so that a reader sees the old text or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}-{os.getpid()}")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Make a file's bytes, or a folder's entries (new names, renames), durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""What an office sets for its installation: `<home>/canbao.toml`, every key optional."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from canbao.errors import UserError


@dataclass(frozen=True)
class Settings:
    """An installation's settings.

    Attributes:
        keep_nights: `[publications] keep_nights`, nights kept whole before one a month stays.
        also_block: `[checks] block`, ids of warnings that stop the night in this office.
    """

    keep_nights: int = 30
    also_block: tuple[str, ...] = ()


def load_settings(path: Path) -> Settings:
    """Read `<home>/canbao.toml`.

    Raises:
        UserError: The file cannot be read, or holds a key or value that is not known.
    """
    if not path.exists():
        return Settings()
    try:
        data: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise UserError(f"设置文件 {path} 无法读取：{error}。请改正后重新运行。") from None
    default = Settings()
    publications, checks = data.get("publications", {}), data.get("checks", {})
    unknown = [key for key in data if key not in {"publications", "checks"}]
    if isinstance(publications, dict) and isinstance(checks, dict):
        unknown += [f"publications.{key}" for key in publications if key != "keep_nights"]
        unknown += [f"checks.{key}" for key in checks if key != "block"]
        keep, block = publications.get("keep_nights", default.keep_nights), checks.get("block", [])
        right = isinstance(keep, int) and keep >= 1 and isinstance(block, list)
        if right and not unknown and all(isinstance(entry, str) for entry in block):
            return Settings(keep, tuple(block))
    hint = f"不认识的项：{'、'.join(unknown)}。" if unknown else ""
    raise UserError(
        f"设置文件 {path} 有误。{hint}可用：[publications] keep_nights（正整数）、[checks] block（检查编号列表）。"
    )

"""What every kind of file is turned into: sheets with their cells as text."""

from dataclasses import dataclass, field


@dataclass
class Line:
    """A row that has something in it.

    Attributes:
        number: Row as the user sees it, 1 first.
        cells: Text of each cell that has any, by column from 0.
        numbers: Columns whose cell is a number, where the file tells.
        formulas: Columns whose cell is a formula.
        empty_formulas: Those of them without a result.
        cut: Columns whose cell was too long.
        hidden: Whether the row is hidden.
    """

    number: int
    cells: dict[int, str]
    numbers: frozenset[int] = frozenset()
    formulas: frozenset[int] = frozenset()
    empty_formulas: frozenset[int] = frozenset()
    cut: frozenset[int] = frozenset()
    hidden: bool = False


@dataclass
class Grid:
    """A sheet.

    Attributes:
        name: Its name, '' for a text file.
        lines: Its rows, in order.
        hidden: Whether the sheet is hidden.
        merged: Merged cells over more than one row: first row, last row, first column (rows from 1, columns from 0).
        typed: Whether `numbers` tells numbers from text.
    """

    name: str
    lines: list[Line]
    hidden: bool = False
    merged: list[tuple[int, int, int]] = field(default_factory=list)
    typed: bool = True

"""What a returned file may cost: everything that bounds the process that reads one stands here.

These are not rules of the trade but what a machine bears; a village's list is a hundred rows and 20 kB.
"""

BYTES = 20 << 20
"""Largest file."""

UNPACKED = 200 << 20
"""Largest sum of the parts of a packed file."""

PARTS = 2_000
"""Most parts of a packed file."""

ROWS = 60_000
"""Most rows that are not blank, all sheets together."""

COLUMNS = 500
"""Most columns of a sheet that are not blank."""

SHEETS = 300
"""Most sheets: a township sends the lists of its villages as sheets of one workbook."""

STRINGS = 1_500_000
"""Most different texts of a workbook."""

ELEMENTS = 12_000_000
"""Most elements of a workbook's parts."""

CELL_SIGNS = 2_000
"""Longer cells are cut."""

RAW_BYTES = 2_048
"""What is kept of a row as it stood."""

PROBLEMS = 20_000
"""Most findings told; each row that has one is in the result whatever happens."""

SECONDS = 60
"""By the clock and of the processor."""

MEMORY = 1 << 30
"""Address space."""

RESULT_BYTES = 400 << 20
"""Largest result file."""

OPEN_FILES = 64

OUT_OF_MEMORY = 3
"""Exit status of the process that reads, where memory ran out."""

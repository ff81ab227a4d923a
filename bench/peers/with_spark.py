"""The core with Spark in local mode; the same statement as DuckDB's."""

import os
from pathlib import Path

from bench.peers.files import COLUMNS, in_utf8, text_files


def core(landing: Path, scratch: Path) -> dict[tuple[int, str], tuple[int, int, int]]:
    """Level and division to people, uninsured, duplicates."""
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master(f"local[{os.cpu_count()}]")
        .config("spark.driver.memory", "8g")
        .config("spark.ui.enabled", "false")
        .config("spark.local.dir", str(scratch))
        .config("spark.sql.shuffle.partitions", "16")
        .getOrCreate()
    )
    for source in COLUMNS:
        whole = None
        for file in text_files(landing, source):
            reader = session.read.option("header", True).option("sep", file.separator)
            reader = reader.option("escape", '"')
            # a byte order mark may stand before the first header: columns go by their place
            frame = reader.csv(str(in_utf8(file, scratch))).toDF(*file.headers)
            frame = frame.select(*(frame[header].alias(field) for field, header in file.fields.items()))
            whole = frame if whole is None else whole.unionByName(frame)
        whole.createOrReplaceTempView(source)
    rows = session.sql((Path(__file__).parent / "core.sql").read_text(encoding="utf-8")).collect()
    found = {(row[0], row[1]): (int(row[2]), int(row[3]), int(row[4])) for row in rows}
    session.stop()
    return found

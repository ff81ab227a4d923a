"""The measures of a night: counted in one pass per table, compared with past nights, judged by Great Expectations."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from canbao import audit
from canbao.gates import Check
from canbao.home import read_json
from canbao.paths import package_dir
from canbao.quality import history
from canbao.quality.catalogue import Measure, load_catalogue
from canbao.quality.repair import rows as repair_rows

if TYPE_CHECKING:
    import duckdb

    from canbao.build import Step
    from canbao.nightly import Night

COUNTED = frozenset({"measure_count", "code_count", "wrong_row"})
"""Tables that the scan fills: a step that reads one of them runs after it."""

OWN_STEPS = frozenset({"measure_def", "measure_count"})
"""Names under which a night times what is done here besides the steps of `sql/7_quality`."""

PLACES = ("division_successor", "division_now")
"""Tables that lead the places of what was counted to the districts of today."""

SEEN_PUBLICATIONS = 60
"""Publications whose files a delivery is compared with, so that an old file under a new date is seen."""

_MARKED = 31
"""Measures that one pass counts: each has two bits at most of the 63 that mark a row."""


def after_count(steps: Sequence["Step"]) -> tuple[tuple["Step", ...], tuple["Step", ...]]:
    """Split the steps of the build: those that the scan rests on, and those that rest on the scan."""
    waiting = set(COUNTED)
    first, then = [], []
    for step in steps:
        if step.reads & waiting:
            waiting.add(step.name)
            then.append(step)
        else:
            first.append(step)
    return tuple(first), tuple(then)


def prepare(night: "Night") -> None:
    """Load what the measures rest on besides the sources: definitions, deliveries, past nights."""
    import polars as pl

    con = night.warehouse.con
    history.load(con, night.home, night.options.as_of)
    night.catalogue = load_catalogue({name: night.definitions[name] for name in _delivered(night)})
    definition_rows = [
        {
            "measure_id": one.measure_id, "source": one.source, "table_name": one.table, "axis": one.axis,
            "severity": one.severity, "threshold": float(one.threshold), "least": one.least, "figure": one.figure,
            "trial": one.trial,
        }
        for one in night.catalogue
    ]  # fmt: skip
    _fill(con, "measure_def", pl.DataFrame(definition_rows, infer_schema_length=None))
    files = night.intake.files.filter(pl.col("state") == "accepted")
    _fill(con, "delivered_file", files.select("source", "delivery", "sha256", "rows_accepted"))
    _fill(con, "seen_file", _seen(night.home.publications(), night.options.as_of.isoformat()))
    _fill(con, "source_delivery", pl.DataFrame(_deliveries(night), infer_schema_length=None))


def count(night: "Night") -> int:
    """Count every measure of the catalogue, of all districts at once, into `measure_count`.

    Returns:
        Number of measures counted.
    """
    con, catalogue = night.warehouse.con, night.catalogue
    into = night.store.select_into
    night.store.need(PLACES)
    delivered = _delivered(night)
    for name in delivered:
        for field in night.definitions[name].fields:
            if field.codes is not None:
                into("code_seen", _template("_code_seen").format(source=name, field=field.name))
                con.execute(_template("_code_count").format(source=name, field=field.name, codes=field.codes))
    existing = {row[0] for row in con.execute("SHOW TABLES").fetchall()}
    for measure in catalogue:
        if measure.wrong and measure.table not in existing:
            _not_computed(con, measure)
    for table, division, measures, source in _scans(night):
        if table in existing:
            scan(con, table, division, measures, source, into=into)
    return len(con.execute("SELECT measure_id FROM measure_count WHERE division_code = ''").fetchall())


def queries(night: "Night") -> list[str]:
    """The queries by which `count` will look through the tables, before any of these is there."""
    return [
        _scan(table, division, part, rows_of)
        for table, division, measures, source in _scans(night)
        for part, rows_of in _parts(measures, source)
    ]


def _parts(measures: Sequence[Measure], source: str | None) -> Iterator[tuple[Sequence[Measure], str | None]]:
    """The measures of a table as one pass each has marks for, and with the first of them the source."""
    yield measures[:_MARKED], source
    for first in range(_MARKED, len(measures), _MARKED):
        yield measures[first : first + _MARKED], None


def _scans(night: "Night") -> list[tuple[str, str, list[Measure], str | None]]:
    """One per table and division: table, division, measures, and the source whose rows are counted too."""
    sources = {(f"src_{name}", night.definitions[name].county or "NULL"): name for name in _delivered(night)}
    groups: dict[tuple[str, str], list[Measure]] = {place: [] for place in sources}
    for measure in night.catalogue:
        if measure.wrong:
            groups.setdefault((measure.table, measure.division or "NULL"), []).append(measure)
    return [(*place, measures, sources.get(place)) for place, measures in groups.items()]


def collect(night: "Night") -> int:
    """Gather the wrong rows that departments are asked about: what they have confirmed is not judged.

    Returns:
        Number of rows.
    """
    definitions = {name: night.definitions[name] for name in _delivered(night)}
    repair_rows.collect(night.warehouse.con, definitions, night.catalogue)
    return night.warehouse.count("wrong_row")


def scan(
    con: "duckdb.DuckDBPyConnection",
    table: str,
    division: str,
    measures: Sequence[Measure],
    source: str | None = None,
    *,
    into: Callable[[str, str], Any] | None = None,
) -> None:
    """Count measures of one table in one pass into `measure_count`; one that cannot be computed counts as null.

    Args:
        con: The open warehouse.
        table: The relation.
        division: Expression of a row's division code, or NULL.
        measures: Measures over that table and division.
        source: Count its rows too, as `rows.<source>`.
        into: Makes a table, given its name, of a query, given as the second, or takes it over from last night.
    """
    import duckdb

    from canbao.engine import NotComputed

    def count_all(some: Sequence[Measure], rows_of: str | None) -> None:
        query = _scan(table, division, some, rows_of)
        if into is None:
            con.execute(f"CREATE OR REPLACE TABLE scanned AS\n{query}")
        else:
            into("scanned", query)
        con.execute(_template("_measure_place"))

    if not measures and source is None:
        return
    for part, rows_of in _parts(measures, source):
        try:
            count_all(part, rows_of)
        except (duckdb.Error, NotComputed):  # one condition that cannot be computed must not hide the others
            if rows_of is not None:
                count_all([], rows_of)
            for measure in part:
                try:
                    count_all([measure], None)
                except (duckdb.Error, NotComputed):
                    _not_computed(con, measure)
    if measures:  # of an empty table nothing is wrong
        query = "SELECT measure_id, '', 0, 0 FROM (SELECT unnest(?) AS measure_id) AS m"
        con.execute(
            f"INSERT INTO measure_count {query} ANTI JOIN measure_count USING (measure_id)",
            [[measure.measure_id for measure in measures]],
        )


def checks(night: "Night", workspace: Path) -> list[Check]:
    """The outcome of every measure, as Great Expectations judged it over `measure`.

    Args:
        night: After the build.
        workspace: Great Expectations' folder.

    Returns:
        One check per measure of the catalogue, in its order; none where the build has no `measure`.
    """
    con, catalogue = night.warehouse.con, night.catalogue
    if "measure" not in {row[0] for row in con.execute("SHOW TABLES").fetchall()}:
        return []
    query = "SELECT * FROM measure_judged WHERE division_code = ''"
    cursor = con.execute(query)
    names = [column[0] for column in cursor.description]
    found = {row[0]: dict(zip(names, row, strict=True)) for row in cursor.fetchall()}
    judged = {one.measure_id for one in catalogue if found.get(one.measure_id, {}).get("judged") is not None}
    validated = _validate(con, [one for one in catalogue if one.measure_id in judged], workspace)
    places = _worst_places(con)
    outcome = []
    for one in catalogue:
        row = found.get(one.measure_id, {})
        passed = validated.get(one.measure_id)
        if passed is None and not validated and row.get("judged") is not None:
            passed = row["judged"] <= one.threshold  # the suite did not run: the same comparison
        outcome.append(_check(one, row, passed, places.get(one.measure_id, [])))
    return outcome


def _validate(con: "duckdb.DuckDBPyConnection", measures: Sequence[Measure], workspace: Path) -> dict[str, bool | None]:
    """Have Great Expectations hold every measure against its threshold, over one wide row of figures."""
    if not measures:
        return {}
    shares = "SELECT measure_id, judged FROM measure_judged WHERE division_code = '' AND judged IS NOT NULL"
    con.execute(f"CREATE OR REPLACE TABLE measure_wide AS PIVOT ({shares}) ON measure_id USING first(judged)")
    rules = [
        audit.Rule(
            check_id=one.measure_id, table="measure_wide", title=one.title, axis=one.axis, severity=one.severity,
            expect="at_most", columns=(one.measure_id,), limit=one.threshold,
        )
        for one in measures
    ]  # fmt: skip
    return {check.check_id: check.passed for check in audit.run_suite(con, "measure", rules, workspace)}


def _check(one: Measure, row: Mapping[str, Any], passed: bool | None, places: Sequence[tuple[str, int]]) -> Check:
    no_history = passed is None and bool(one.figure)
    return Check(
        check_id=one.measure_id,
        title=one.title,
        axis=one.axis,
        # Nothing to compare with is no fault of anybody's: it is said, and harms nothing.
        severity="info" if no_history else one.severity,
        passed=passed,
        numerator=row.get("numerator"),
        denominator=row.get("denominator"),
        value=row.get("value"),
        threshold=one.threshold,
        source=one.source,
        table_name=one.table,
        message=_message(one, row, passed, places),
        meaning=one.meaning,
        harms=one.harms,
        department=one.department,
        known=int(row.get("known") or 0),
        trial=one.trial,
    )


def _message(one: Measure, row: Mapping[str, Any], passed: bool | None, places: Sequence[tuple[str, int]]) -> str:
    if passed is True:
        return ""
    if passed is None and one.figure:
        return "没有可以比较的以往数据，暂不判断。"
    if passed is None:
        return f"“{one.title}”未能计算（表 {one.table}）。请联系系统维护人员；未能计算不等于通过。"
    words = {
        "numerator": f"{row['numerator'] or 0:,}",
        "denominator": f"{row['denominator'] or 0:,}",
        "share": f"{row['value']:.2%}",
        "limit": f"{one.threshold:.2%}",
    }
    text = one.told.format(**words)
    if row.get("known"):
        text += f"其中 {row['known']:,} 行经部门核实无误，不计入。"
    if places:
        text += "超限区县：" + "、".join(f"{name}（{number:,}）" for name, number in places[:5])
        text += f"等 {len(places)} 个。" if len(places) > 5 else "。"
    what = one.suggestion or "请核实原因"
    return f"{one.title}：{text}请联系{one.department}：{what}。"


def _worst_places(con: "duckdb.DuckDBPyConnection") -> dict[str, list[tuple[str, int]]]:
    query = (package_dir("expectations") / "sql" / "_worst_places.sql").read_text(encoding="utf-8")
    places: dict[str, list[tuple[str, int]]] = {}
    for measure_id, name, number in con.execute(query).fetchall():
        places.setdefault(measure_id, []).append((name, number))
    return places


def _delivered(night: "Night") -> list[str]:
    import polars as pl

    files = night.intake.files.filter(pl.col("state") == "accepted")
    found = set(files["source"].unique())
    return [name for name in night.definitions if name in found]


def _template(name: str) -> str:
    return (package_dir("expectations") / "sql" / f"{name}.sql").read_text(encoding="utf-8")


def _scan(table: str, division: str, measures: Sequence[Measure], source: str | None) -> str:
    sent = {one.measure_id for one in repair_rows.sent_measures(measures)}
    flags, marks, told, all_sent = ["NULL::BOOLEAN AS none"] * (not measures), list[str](), list[str](), 0
    outs: dict[str, tuple[str, int]] = {}  # what several measures are counted out of is judged and marked once

    def mark(condition: str) -> int:
        marks.append(f"CASE WHEN {condition} THEN {1 << len(marks)} ELSE 0 END")
        return 1 << (len(marks) - 1)

    if source is not None:
        told.append(_told(f"rows.{source}", 0, 0, is_sent=False))
    for number, one in enumerate(measures):
        flags.append(f"({one.wrong}) AS w{number}")
        is_wrong, out_of = f"w{number}", 0
        if one.of != "true":
            if one.of not in outs:
                flags.append(f"({one.of}) AS o{number}")
                outs[one.of] = (f"o{number}", mark(f"o{number}"))
            # Apart, and joined only where they are marked: what is joined by AND is computed anew for each use in it.
            name, out_of = outs[one.of]
            is_wrong = f"{name} AND {is_wrong}"
        wrong, is_sent = mark(is_wrong), one.measure_id in sent
        all_sent |= wrong * is_sent
        told.append(_told(one.measure_id, wrong, out_of, is_sent=is_sent))
    return _template("_measure_scan").format(
        division=f"({division})::VARCHAR",
        table=table,
        row_no="t.row_no" if sent else "NULL::BIGINT",
        flags=", ".join(flags),
        marks=f"({' | '.join(marks or '0')})::BIGINT",
        sent=all_sent,
        measures=", ".join(told),
    )


def _told(measure_id: str, wrong: int, out_of: int, *, is_sent: bool) -> str:
    marks = f"'wrong_mark': {wrong}::BIGINT, 'of_mark': {out_of}::BIGINT, 'is_sent': {str(is_sent).lower()}"
    return f"{{'measure_id': '{measure_id}', {marks}}}"


def _not_computed(con: "duckdb.DuckDBPyConnection", measure: Measure) -> None:
    con.execute("INSERT INTO measure_count VALUES (?, '', NULL, NULL)", [measure.measure_id])


def _seen(publications: Iterable[Path], as_of: str) -> Any:
    """Files that earlier publications used: source, delivery, sha256."""
    import polars as pl

    earlier = [folder for folder in publications if folder.parent.name < as_of][-SEEN_PUBLICATIONS:]
    seen = {
        (file["source"], file["delivery"], file["sha256"])
        for folder in earlier
        for file in read_json(folder / "manifest.json").get("inputs", {}).get("files", [])
        if file.get("sha256") and file.get("delivery")
    }
    frame = pl.DataFrame(
        sorted(seen), schema={"source": pl.String, "delivery": pl.String, "sha256": pl.String}, orient="row"
    )
    return frame.with_columns(pl.col("delivery").str.to_date())


def _deliveries(night: "Night") -> list[dict[str, Any]]:
    """One row per source: what came, when, and what of it could not be used."""
    import polars as pl

    damaged: dict[int, int] = {
        number: pl.read_parquet(path, columns=["error_code"]).filter(error_code="damaged_certno").height
        for number, path in night.intake.quarantine_paths
    }
    found = []
    for name, definition in night.definitions.items():
        own = night.intake.files.filter((pl.col("source") == name) & (pl.col("state") == "accepted"))
        unreadable = [json.loads(text or "{}") for text in own["unreadable"]]
        repeated = night.warehouse.count(f"superseded_{name}") if definition.kind == "snapshot" and own.height else 0
        found.append(
            {
                "source": name, "title": definition.title, "kind": definition.kind,
                "department": definition.department, "rhythm_days": definition.rhythm_days,
                "has_county": definition.county is not None, "delivered": own.height > 0,
                "delivery": own["delivery"].max(),
                "rows_read": int(own["rows_read"].sum() or 0), "rows_accepted": int(own["rows_accepted"].sum() or 0),
                "rows_rejected": int(own["rows_rejected"].sum() or 0),
                "rows_damaged": sum(damaged.get(number, 0) for number in own["file_no"]),
                "rows_repeated": repeated,
                "cells_unreadable": sum(sum(file.values()) for file in unreadable),
            }
        )  # fmt: skip
    return found


def tell_falls(con: "duckdb.DuckDBPyConnection", checks: Iterable[Check]) -> None:
    """Fill `fallen_county`: counties whose rows of a source did not come tonight, let pass or not.

    Args:
        con: The open warehouse.
        checks: All checks of the night.
    """
    import polars as pl

    rows = [(one.check_id, county) for one in checks if one.passed is False for county in one.counties]
    _fill(con, "fallen_county", pl.DataFrame(rows, schema=["check_id", "county"], orient="row"))


def _fill(con: "duckdb.DuckDBPyConnection", table: str, frame: Any) -> None:
    con.execute(f"DELETE FROM {table}")
    if frame.height:
        con.register("loading", frame.to_arrow())
        con.execute(f"INSERT INTO {table} BY NAME SELECT * FROM loading")
        con.unregister("loading")

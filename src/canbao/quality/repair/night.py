"""What a night does about the repair requests."""

from typing import TYPE_CHECKING

from canbao.quality.repair import rows

if TYPE_CHECKING:
    import duckdb

    from canbao.home import Home
    from canbao.nightly import Night


def load_known(con: "duckdb.DuckDBPyConnection", home: "Home") -> None:
    """Fill `known_item` (measure_id, item_id, content) with what departments confirmed, before anything is judged."""
    from canbao.quality.repair import state

    if not (state.folder(home) / "state.parquet").exists():
        return
    con.register("loading", state.known_items(state.load(home)).to_arrow())
    con.execute("INSERT INTO known_item SELECT * FROM loading")
    con.unregister("loading")


def gather(night: "Night") -> None:
    """Find what is left of the wrong rows: of measures not collected yet, and the rejected ones.

    Call it when `quarantine` is there and before the step `repair_item` runs.
    """
    from canbao.quality.catalogue import load_catalogue

    delivered = set(night.intake.files.filter(state="accepted")["source"])
    definitions = {name: one for name, one in night.definitions.items() if name in delivered}
    with night.timed("publish", "wrong_row") as entry:
        rows.collect(night.warehouse.con, definitions, load_catalogue(definitions))
        rows.collect_rejected(night.warehouse.con, definitions)
        entry["rows"] = night.warehouse.count("wrong_row")


def settle(night: "Night") -> None:
    """Lay a published night against the requests: what is repaired closes, what comes wrong again reopens.

    Only a night that became the current publication says how things stand.
    """
    from canbao.quality.catalogue import load_catalogue
    from canbao.quality.repair import state

    if not night.became_current or not (state.folder(night.home) / "state.parquet").exists():
        return
    con = night.warehouse.con
    computed = {row[0] for row in con.execute("SELECT measure_id FROM repair_measure").fetchall()}
    found = con.execute("SELECT item_id, delivery, content FROM wrong_row").pl()
    catalogue = {one.measure_id for one in rows.sent_measures(load_catalogue(night.definitions))}
    catalogue |= {f"{rows.REJECTED}.{name}" for name in night.definitions}
    with state.held(night.home):
        before = state.load(night.home)
        before.items = state.settled(before, found, computed, catalogue, night.options.as_of)
        before.settled = night.options.as_of.isoformat()
        state.save(night.home, before)

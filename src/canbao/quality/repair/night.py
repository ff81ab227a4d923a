"""What a night does about the repair requests."""

from dataclasses import replace
from typing import TYPE_CHECKING

from canbao.errors import CanbaoError
from canbao.quality.repair import rows

if TYPE_CHECKING:
    from canbao.nightly import Night
    from canbao.quality.repair.state import State


def load_known(night: "Night") -> None:
    """Fill `known_item` (measure_id, item_id, content) with what departments confirmed, before anything is judged."""
    from canbao.quality.repair import state

    if not (state.folder(night.home) / "state.parquet").exists():
        return
    try:
        kept = state.load(night.home)
    except CanbaoError as error:  # no reason to withhold the ledger: known rows are judged like the others
        night.intake.notes.append(f"{error}本次未使用部门已核实的条目。")
        return
    con = night.warehouse.con
    con.register("loading", state.known_items(kept).to_arrow())
    con.execute("INSERT INTO known_item SELECT * FROM loading")
    con.unregister("loading")


def gather(night: "Night") -> None:
    """Add the rejected rows to the wrong ones that the measures found.

    Call it when `quarantine` is there and before the step `repair_item` runs.
    """
    delivered = set(night.intake.files.filter(state="accepted")["source"])
    definitions = {name: one for name, one in night.definitions.items() if name in delivered}
    with night.timed("publish", "wrong_row") as entry:
        rows.collect_rejected(night.warehouse.con, definitions)
        entry["rows"] = night.warehouse.count("wrong_row")


def settle(night: "Night") -> None:
    """Lay a published night against the requests: what is repaired closes, what comes wrong again reopens.

    Only a night that became the current publication says how things stand.
    """
    from canbao.quality.repair import state

    if not night.became_current or not (state.folder(night.home) / "state.parquet").exists():
        return
    try:
        with state.held(night.home):
            state.save(night.home, after(night, state.load(night.home)))
    except CanbaoError as error:  # the night is published already, and the next one makes up for it
        night.say(f"校核申请的状态未更新：{error}")


def after(night: "Night", kept: "State") -> "State":
    """The requests as they stand after a night whose wrong rows are found; nothing is saved."""
    from canbao.quality.catalogue import load_catalogue
    from canbao.quality.repair import state

    con = night.warehouse.con
    computed = {row[0] for row in con.execute("SELECT measure_id FROM repair_measure").fetchall()}
    found = con.execute("SELECT item_id, delivery, content FROM wrong_row").pl()
    catalogue = {one.measure_id for one in rows.sent_measures(load_catalogue(night.definitions))}
    catalogue |= {f"{rows.REJECTED}.{name}" for name in night.definitions}
    items = state.settled(kept, found, computed, catalogue, night.options.as_of)
    return replace(kept, items=items, settled=night.options.as_of.isoformat())

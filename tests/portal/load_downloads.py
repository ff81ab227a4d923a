"""How long lists take as files, and how much memory: python -m tests.portal.load_downloads [--rows 100000] [--lists 50].

Makes a small city, fills one district's list of the uninsured up to so many rows and another's up to 10,000, starts the
portal, fetches the long list alone and then many of 10,000 rows at once. The promise: 100,000 rows as a workbook in under
15 s with under 300 MB in the process that writes it, 50 lists of 10,000 rows at once in under 1 GB over all of the
portal's processes (exit 1 where it does not hold).
"""

import argparse
import contextlib
import re
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import httpx2

from canbao.home import Home
from canbao.portal.accounts import Accounts
from canbao.portal.store import Store

from .kit import PASSWORD
from .published import DISTRICT, OTHER_DISTRICT, make_home

SECONDS, WORKER_MB, ALL_MB, SHORT_LIST = 15, 300, 1000, 10_000


def fill(index: Path, wanted: dict[str, int]) -> None:
    """Make the lists of some districts as long as wanted, by people who exist many times."""
    with duckdb.connect(str(index)) as con:
        con.execute("ALTER TABLE worklist RENAME TO listed")
        parts = []
        for code, rows in wanted.items():
            found = con.execute("SELECT tree_no, tree_last FROM division WHERE division_code = ?", [code]).fetchall()
            first, last = found[0]
            parts.append(
                "(SELECT w.* REPLACE (gen_random_uuid() AS person_id, w.household_no || '-' || i AS household_no,"
                f" w.tree AS household_tree) FROM listed AS w, range({rows}) AS r(i)"
                f" WHERE w.tree BETWEEN {first} AND {last} AND w.role = 'household' ORDER BY i LIMIT {rows})"
            )
        con.execute(
            f"CREATE TABLE worklist AS SELECT * FROM ({' UNION ALL '.join(parts)}) ORDER BY tree, household_no, person_id"
        )
        con.execute("DROP TABLE listed")


def processes(portal: int) -> dict[int, tuple[float, float]]:
    """The portal and what it started: process to resident and peak memory in MB."""
    found = {}
    parents = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            parents[int(status.parent.name)] = int(re.search(r"PPid:\s+(\d+)", status.read_text())[1])
        except (OSError, TypeError):
            continue
    family = {portal}
    for _ in range(4):
        family |= {child for child, parent in parents.items() if parent in family}
    for one in family:
        try:
            text = Path(f"/proc/{one}/status").read_text()
            found[one] = tuple(int(re.search(rf"{name}:\s+(\d+)", text)[1]) / 1024 for name in ("VmRSS", "VmHWM"))
        except (OSError, TypeError):
            continue
    return found


def _client(address: str, name: str) -> httpx2.Client:
    client = httpx2.Client(base_url=address, trust_env=False, timeout=600)
    token = re.search(r'name="csrf" value="(\w+)"', client.get("/login").text)
    answer = client.post("/login", data={"username": name, "password": PASSWORD, "csrf": token[1]})
    assert answer.status_code == 303, answer.status_code
    return client


def _fetch(client: httpx2.Client, path: str) -> tuple[float, int, int]:
    begun = time.perf_counter()
    answer = client.get(path)
    assert answer.status_code == 200, answer.status_code
    return time.perf_counter() - begun, int(answer.headers["x-canbao-rows"]), len(answer.content)


def main() -> int:
    """Measure; 1 where the promise does not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.portal.load_downloads")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--lists", type=int, default=50)
    parser.add_argument("--home", type=Path, help="a home that tests.portal.published made; its index is altered")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = given.home or make_home(Path(folder))
        store = Store(home)
        index = store.wait().index_file
        store.close()
        del store
        fill(index, {DISTRICT: given.rows, OTHER_DISTRICT: SHORT_LIST})
        Home(home).key()
        accounts = Accounts(home)
        names = [f"office{number}" for number in range(given.lists)]
        for name in names:
            accounts.add(name, PASSWORD, role="district", division=OTHER_DISTRICT, export="masked")
        accounts.add("long", PASSWORD, role="district", division=DISTRICT, export="masked")
        command = [sys.executable, "-m", "canbao", "serve", "--home", str(home), "--port", "0"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        most = 0.0
        stop = threading.Event()

        def watch() -> None:
            nonlocal most
            while not stop.wait(0.2):
                most = max(most, sum(now for now, _ in processes(process.pid).values()))

        try:
            assert process.stdout is not None
            address = process.stdout.readline().split()[-1]
            with contextlib.closing(_client(address, "long")) as client:
                for form in ("xlsx", "csv"):
                    seconds, rows, size = _fetch(client, f"/uninsured.{form}")
                    print(f".{form}: {rows:,} rows, {size / 1e6:.1f} MB, {seconds:.1f} s")
                    if form == "xlsx":
                        slow = seconds
                peaks = sorted(
                    (peak for one, (_, peak) in processes(process.pid).items() if one != process.pid), reverse=True
                )
                writer = peaks[0]
                print(f"memory of the process that wrote: {writer:.0f} MB at most")
            clients = [_client(address, name) for name in names]
            threading.Thread(target=watch, daemon=True).start()
            begun = time.perf_counter()
            with ThreadPoolExecutor(given.lists) as pool:
                took = sorted(
                    seconds for seconds, _, _ in pool.map(lambda one: _fetch(one, "/uninsured.xlsx"), clients)
                )
            print(
                f"{given.lists} lists of {SHORT_LIST:,} rows at once: {time.perf_counter() - begun:.1f} s, first after {took[0]:.1f} s"
            )
            print(f"memory of all processes: {most:.0f} MB at most")
        finally:
            stop.set()
            process.terminate()
            process.wait(30)
    return 0 if slow < SECONDS and writer < WORKER_MB and most < ALL_MB else 1


if __name__ == "__main__":
    sys.exit(main())

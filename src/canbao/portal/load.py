"""What the portal bears: `python -m canbao.portal.load --home HOME`, on any home with a publication.

Twenty people at work at once, with and without time to read; one long list as a workbook and as text; many sign-ins;
many lists at once. The home is only read: accounts, audit log and index of the measurement lie in a folder of their
own, which goes afterwards. Prints the figures, keeps them as JSON where asked to; exit 1 where a promise does not hold.
"""

import argparse
import http.client
import json
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from canbao.errors import UserError
from canbao.home import Home
from canbao.paths import table_files
from canbao.portal.accounts import Accounts
from canbao.portal.lists import measure_list
from canbao.processes import family

PAGE_MS, LONG_SECONDS, LONG_MB, SIGN_IN_SECONDS, ALL_MB = 300, 15, 300, 300, 1000
"""The promises: pages at the 95th percentile, a long list and its writer, a thousand sign-ins, many lists at once.

Memory of several processes is the sum of their proportional sizes: pages that they share count once.
"""

_PASSWORD = "measuring 电池 staple 订书"  # noqa: S105 - of accounts that live as long as the measurement
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_ROLES = ("city", "district", "township", "village")
_MIX = {"home": 8, "ledger": 22, "uninsured": 20, "filter": 15, "people": 8, "duplicates": 5, "person": 18, "search": 4}
"""What people at work do, in parts of a hundred."""


class Client:
    """One browser: a connection that is kept, and the cookies of a session."""

    def __init__(self, address: str) -> None:
        self.place = http.client.HTTPConnection(urlsplit(address).netloc, timeout=600)
        self.cookies: dict[str, str] = {}

    def ask(self, method: str, path: str, fields: dict[str, str] | None = None) -> tuple[int, bytes]:
        """Status and body."""
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        body = urlencode(fields) if fields else None
        self.place.request(method, path, body, headers | (_FORM if fields else {}))
        answer = self.place.getresponse()
        content = answer.read()
        for given in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = given.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer.status, content

    def post(self, path: str, page: str, **fields: str) -> tuple[int, bytes]:
        """Fill in the form of a page."""
        token = re.search(rb'name="csrf" value="(\w+)"', self.ask("GET", page)[1])
        return self.ask("POST", path, {"csrf": token[1].decode() if token else "", **fields})

    def sign_in(self, name: str) -> "Client":
        """Sign in.

        Raises:
            UserError: The portal refuses.
        """
        status, _ = self.post("/login", "/login", username=name, password=_PASSWORD)
        if status != 303:
            raise UserError(f"登录失败：{name}，状态 {status}。")
        return self


@dataclass
class Memory:
    """Memory of a process and whatever it started, looked at while something goes on.

    Attributes:
        process: The portal.
        most: Largest sum of resident sizes (MB); pages that processes share count in each.
        most_own: The same with shared pages counted once (proportional sizes).
        writer: Largest resident size of one of the others.
    """

    process: int
    most: float = 0.0
    most_own: float = 0.0
    writer: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def watched(self) -> Iterator["Memory"]:
        """Look while the block runs."""
        watch = threading.Thread(target=self._watch, daemon=True)
        watch.start()
        try:
            yield self
        finally:
            self._stop.set()
            watch.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.25):
            sizes = {one: _size(one) for one in family(self.process)}
            self.most = max(self.most, sum(resident for resident, _ in sizes.values()))
            self.most_own = max(self.most_own, sum(own for _, own in sizes.values()))
            self.writer = max([self.writer, *(resident for one, (resident, _) in sizes.items() if one != self.process)])


def _size(process: int) -> tuple[float, float]:
    """Resident and proportional size in MB; zero for a process that is gone."""
    try:
        text = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="utf-8")
    except OSError:
        return 0.0, 0.0
    found = {name: int(size) / 1024 for name, size in re.findall(r"^(Rss|Pss):\s+(\d+)", text, re.MULTILINE)}
    return found.get("Rss", 0.0), found.get("Pss", 0.0)


class Worker:
    """Somebody at work, who opens one page after the other."""

    def __init__(self, client: Client, seed: int) -> None:
        self.client = client
        self.dice = random.Random(seed)  # noqa: S311 - which page comes next
        self.people: list[str] = []
        self.below: list[str] = []
        self.names: list[str] = []
        self.took: list[tuple[str, float]] = []
        self.faults: list[str] = []

    def work(self, seconds: float, think: bool) -> None:
        """Open pages for a while.

        Args:
            seconds: How long.
            think: Whether they read what they opened for a second or two.
        """
        until = time.monotonic() + seconds
        if think:
            time.sleep(self.dice.uniform(0, 2))
        while time.monotonic() < until:
            kind = self.dice.choices([*_MIX], [*_MIX.values()])[0]
            self._open(kind)
            if think:
                time.sleep(self.dice.uniform(1, 2))

    def _open(self, kind: str) -> None:
        dice, division = self.dice, f"division={self.dice.choice(self.below)}&" if self.below else ""
        if kind == "search":
            begun = time.perf_counter()
            term = dice.choice(self.names) if self.names else "张三"
            status, body = self.client.post("/search", "/search", term=term)
            spent = (time.perf_counter() - begun) / 2  # two pages: the form and what it finds
        else:
            path = {
                "home": "/",
                "ledger": f"/ledger?{division}basis={dice.choice(('household', 'residence'))}",
                "uninsured": f"/uninsured?{division}page={dice.choice((1, 1, 2, 3, 10))}",
                "filter": f"/uninsured?{division}" + dice.choice((
                    "reason=lapsed", "separated=yes", "age_from=18&age_to=40", "feedback=no&sort=priority",
                    "group=pupil", "priority=1", "reason=never&basis=residence",
                )),
                "people": f"/people?{division}measure={dice.choice(('insured', 'insured_staff', 'registered'))}"
                f"&page={dice.choice((1, 2, 50))}",
                "duplicates": f"/duplicates?{division}page={dice.choice((1, 2))}",
                "person": f"/person/{dice.choice(self.people)}" if self.people else "/uninsured",
            }[kind]  # fmt: skip
            begun = time.perf_counter()
            status, body = self.client.ask("GET", path)
            spent = time.perf_counter() - begun
        self.took.append((kind, spent))
        if status != 200:
            self.faults.append(f"{status} {kind}")
            return
        if kind in {"uninsured", "filter", "people"}:
            self.people = [one.decode() for one in re.findall(rb"/person/([0-9a-f]{32})", body)] or self.people
            names = re.findall(rb'/person/[0-9a-f]{32}">([^<]+)<', body)
            self.names = [one.decode() for one in names if len(one.decode()) > 1] or self.names
        elif kind == "ledger":
            found = re.findall(rb'<th class="area"><a href="/ledger\?division=(\d{12})', body)
            self.below = [*dict.fromkeys([*self.below[-20:], *(one.decode() for one in found)])][-40:]


def _percentiles(took: list[float]) -> dict[str, float]:
    ordered = sorted(took)
    pick = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    found = {name: round(ordered[int(len(ordered) * part)] * 1000, 1) for name, part in pick.items()}
    return {"pages": len(ordered), **found, "max": round(ordered[-1] * 1000, 1)}


def _at_work(clients: list[Client], process: int, seconds: float, think: bool) -> dict[str, Any]:
    workers = [Worker(client, number) for number, client in enumerate(clients)]
    begun = time.monotonic()
    with Memory(process).watched() as memory, ThreadPoolExecutor(len(workers)) as pool:
        for job in [pool.submit(worker.work, seconds, think) for worker in workers]:
            job.result()
    spent = time.monotonic() - begun
    took = [one for worker in workers for one in worker.took]
    kinds = sorted({kind for kind, _ in took})
    return {
        **_percentiles([spent for _, spent in took]),
        "per_second": round(len(took) / spent, 1),
        "kinds": {kind: _percentiles([spent for name, spent in took if name == kind]) for kind in kinds},
        "faults": sorted({fault for worker in workers for fault in worker.faults}),
        "peak_mb": round(memory.most),
        "peak_own_mb": round(memory.most_own),
    }


def _lists(publication: Path, rows: int, how_many: int) -> list[tuple[int, str]]:
    """Lists whose length comes near to a number, from the ledger: rows and address without ending."""
    import polars as pl

    ledger = pl.read_parquet(publication / "ledger.parquet").sort(
        (pl.col("value") - rows).abs(), "division_code", "measure", "basis"
    )
    found: dict[str, int] = {}
    for row in ledger.iter_rows(named=True):
        where = measure_list(row["measure"], row["division_code"], row["basis"])
        if where is not None and where[0] != "/duplicates":
            found.setdefault(f"{where[0]}{{}}?{urlencode(where[1])}", row["value"])
        if len(found) == how_many:
            break
    return [(value, address) for address, value in found.items()]


def _fetch(client: Client, address: str) -> tuple[float, int]:
    begun = time.perf_counter()
    status, body = client.ask("GET", address)
    if status != 200:
        raise UserError(f"下载失败，状态 {status}：{address}")
    return time.perf_counter() - begun, len(body)


def _offices(publication: Path, how_many: int) -> list[tuple[str, str]]:
    """Role and division of people at work: of every level, the larger divisions more often than they are."""
    import polars as pl

    ledger = pl.read_parquet(publication / "ledger.parquet").filter(
        (pl.col("measure") == "uninsured")
        & (pl.col("basis") == "residence")
        & ~pl.col("division_code").str.ends_with("-")
    )
    found: list[tuple[str, str]] = []
    for level, part in ((1, 0.1), (2, 0.4), (3, 0.3), (4, 0.2)):
        codes = ledger.filter(pl.col("level") == level).sort("value", "division_code", descending=True)["division_code"]
        wanted = max(1, round(how_many * part))
        found += [(_ROLES[level - 1], codes[number % len(codes)]) for number in range(wanted)]
    return found[:how_many]


def _made(home: Path, publication: Path, people: int, lists: int, signers: int) -> list[str]:
    """The accounts of the measurement; names of those at work."""
    accounts = Accounts(home)
    city = next(code for role, code in _offices(publication, people) if role == "city")
    offices = _offices(publication, people)
    wanted = [(f"worker{number}", role, code) for number, (role, code) in enumerate(offices)]
    wanted += [(f"taker{number}", "city", city) for number in range(lists + 1)]
    wanted += [(f"signer{number}", "city", city) for number in range(signers)]
    for name, role, code in wanted:
        accounts.add(name, _PASSWORD, role=role, division=code, export="masked")
        accounts.grant(name, role=role, division=code, export="masked", daily_rows=100_000_000)
    return [name for name, _, _ in wanted[: len(offices)]]


def measure(home: Path, scratch: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Measure everything.

    Args:
        home: A home with a publication; it is only read.
        scratch: An empty folder.
        given: Numbers of people, lists, sign-ins and seconds.

    Raises:
        UserError: There is no publication, or the portal does not answer as it should.
    """
    publication = Home(home).current_publication()
    if publication is None:
        raise UserError(f"工作目录 {home} 里没有发布（--home）。请先运行一夜。")
    (scratch / "published").symlink_to(home.resolve() / "published", target_is_directory=True)
    Home(scratch).prepare()
    workers = _made(scratch, publication, given.people, given.lists, 2 * given.at_once)
    command = [sys.executable, "-m", "canbao", "serve", "--home", str(scratch), "--port", "0"]
    begun = time.monotonic()
    portal = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        line = portal.stdout.readline() if portal.stdout else ""
        found = re.search(r"http://\S+", line)
        if not found:
            raise UserError("门户没有启动。")
        address = found[0]
        while b'"as_of":null' in Client(address).ask("GET", "/healthz")[1].replace(b": ", b":"):
            if time.monotonic() - begun > 900:
                raise UserError("发布的索引没有在 15 分钟内做好。")
            time.sleep(0.2)
        figures: dict[str, Any] = {
            "home": str(home), "publication": str(publication.relative_to(home.resolve() / "published")),
            "persons": _rows(publication, "person"), "cores": _cores(),
            "index_seconds": round(time.monotonic() - begun, 1), "index_mb": _folder_mb(scratch / "portal" / "index"),
        }  # fmt: skip
        for name, part in _parts(address, portal.pid, publication, workers, given):
            figures[name] = part()
            print(f"{name:<16}{json.dumps(figures[name], ensure_ascii=False)}", flush=True)
    finally:
        portal.terminate()
        portal.wait(60)
        if portal.stdout:
            portal.stdout.close()
    return figures


def _parts(
    address: str, process: int, publication: Path, workers: list[str], given: argparse.Namespace
) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    clients = [Client(address).sign_in(name) for name in workers]
    yield "work", lambda: _at_work(clients, process, given.seconds, True)
    yield "no_think", lambda: _at_work(clients, process, given.seconds / 2, False)

    def long_list() -> dict[str, Any]:
        rows, where = _lists(publication, given.rows, 1)[0]
        client = Client(address).sign_in("taker0")
        found: dict[str, Any] = {"rows": rows, "list": where.format("")}
        for form in ("xlsx", "csv"):
            with Memory(process).watched() as memory:
                seconds, size = _fetch(client, where.format(f".{form}"))
            found |= {
                form: {"seconds": round(seconds, 2), "mb": round(size / 1e6, 1), "writer_mb": round(memory.writer)}
            }
        return found

    yield "long_list", long_list
    yield "sign_ins", lambda: _sign_ins(address, process, given)

    def many() -> dict[str, Any]:
        wanted = _lists(publication, given.short_rows, given.lists)
        takers = [Client(address).sign_in(f"taker{number + 1}") for number in range(len(wanted))]
        begun = time.perf_counter()
        with Memory(process).watched() as memory, ThreadPoolExecutor(len(wanted)) as pool:
            jobs = [
                pool.submit(_fetch, taker, where.format(".xlsx"))
                for taker, (_, where) in zip(takers, wanted, strict=True)
            ]
            took = sorted(job.result()[0] for job in jobs)
        return {
            "lists": len(wanted), "rows": [min(rows for rows, _ in wanted), max(rows for rows, _ in wanted)],
            "seconds": round(time.perf_counter() - begun, 1), "first": round(took[0], 1),
            "half": round(took[len(took) // 2], 1), "peak_mb": round(memory.most),
            "peak_own_mb": round(memory.most_own),
        }  # fmt: skip

    yield "many_lists", many


def _sign_ins(address: str, process: int, given: argparse.Namespace) -> dict[str, Any]:
    took = []

    def one(number: int) -> float:
        begun = time.perf_counter()
        client = Client(address).sign_in(f"signer{number % (2 * given.at_once)}")
        client.ask("GET", "/account")
        client.place.close()
        return time.perf_counter() - begun

    begun = time.perf_counter()
    with Memory(process).watched() as memory, ThreadPoolExecutor(given.at_once) as pool:
        took = sorted(pool.map(one, range(given.sign_ins)))
    seconds = time.perf_counter() - begun
    return {
        "sign_ins": given.sign_ins, "seconds": round(seconds, 1),
        "thousand_seconds": round(seconds / given.sign_ins * 1000, 1),
        "p50": round(took[len(took) // 2], 2), "p95": round(took[int(len(took) * 0.95)], 2),
        "peak_mb": round(memory.most), "peak_own_mb": round(memory.most_own),
    }  # fmt: skip


def kept(figures: dict[str, Any]) -> dict[str, bool]:
    """Which promises hold; a list that is shorter than promised proves as much as it is long."""
    work, alone, many = figures["work"], figures["long_list"], figures["many_lists"]
    return {
        f"pages at the 95th percentile under {PAGE_MS} ms": work["p95"] < PAGE_MS and not work["faults"],
        f"{alone['rows']:,} rows as .xlsx in under {LONG_SECONDS} s": alone["xlsx"]["seconds"] < LONG_SECONDS,
        f"its writer under {LONG_MB} MB": alone["xlsx"]["writer_mb"] < LONG_MB,
        f"1,000 sign-ins in {SIGN_IN_SECONDS} s": figures["sign_ins"]["thousand_seconds"] < SIGN_IN_SECONDS,
        f"they under {ALL_MB} MB": figures["sign_ins"]["peak_own_mb"] < ALL_MB,
        f"{many['lists']} lists of {many['rows'][0]:,} rows and more under {ALL_MB} MB": many["peak_own_mb"] < ALL_MB,
    }


def _rows(publication: Path, table: str) -> int:
    import pyarrow.parquet as pq

    return sum(int(pq.read_metadata(file).num_rows) for file in table_files(publication, table))


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0))


def _folder_mb(folder: Path) -> int:
    return round(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6)


def main() -> int:
    """Measure, print, keep; 1 where a promise does not hold."""
    parser = argparse.ArgumentParser(prog="python -m canbao.portal.load", description="what the portal bears")
    parser.add_argument("--home", type=Path, required=True, metavar="DIR", help="with a publication; only read")
    parser.add_argument("--people", type=int, default=20, help="at work at once (20)")
    parser.add_argument("--seconds", type=float, default=60, help="how long they work (60)")
    parser.add_argument("--rows", type=int, default=100_000, help="of the long list (100000)")
    parser.add_argument("--lists", type=int, default=50, help="taken at once (50)")
    parser.add_argument("--short-rows", type=int, default=10_000, help="of each of them (10000)")
    parser.add_argument("--sign-ins", type=int, default=1000, help="(1000)")
    parser.add_argument("--at-once", type=int, default=20, help="sign-ins at a time (20)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="canbao-load-") as folder:
        try:
            figures = measure(given.home, Path(folder), given)
        except UserError as error:
            print(f"canbao.portal.load: {error}", file=sys.stderr)
            return 2
    figures["kept"] = kept(figures)
    for promise, holds in figures["kept"].items():
        print(f"{'ok  ' if holds else 'NOT '} {promise}")
    if given.json:
        given.json.write_text(json.dumps(figures, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return 0 if all(figures["kept"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())

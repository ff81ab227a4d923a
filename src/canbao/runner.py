"""Runs the nightly flow: at once (`canbao run`) or every night (`canbao schedule`)."""

import importlib
import signal
import sys
import threading
import warnings
from pathlib import Path
from types import ModuleType

from canbao import audit
from canbao.clock import ZONE
from canbao.errors import UserError
from canbao.home import Home
from canbao.nightly import Night, Options, open_night
from canbao.paths import flows_dir
from canbao.prefect_api import local_api
from canbao.progress import Progress
from canbao.quality import nights, watch


def run_night(options: Options, *, verbose: bool = False) -> Night:
    """Run one night as a Prefect flow run in this process.

    Raises:
        UserError: Wrong use.
        Blocked: A blocking check failed, or another run holds the home.
    """
    # Nothing needs to be cleaned up after a run: to be told to stop is to stop, in the midst of a query as well.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with Progress() as progress, open_night(options, progress) as night:
        progress("启动任务引擎")
        with local_api(night.home.prefect / "run", verbose=verbose) as server:
            flows = load_flows()
            # Great Expectations takes seconds to import: the server starts meanwhile, on the other core.
            ahead = threading.Thread(target=audit.import_great_expectations, daemon=True)
            ahead.start()
            server.wait()
            ahead.join()
            flows.nightly(
                landing=str(options.landing),
                home=str(options.home),
                as_of=options.as_of.isoformat(),
                return_state=True,
            )
        if night.error is not None:
            raise night.error
    return night


def schedule(options: dict[str, str | float | int | None], home: Path, cron: str, *, verbose: bool = False) -> None:
    """Serve the nightly flow as a Prefect deployment until told to stop; the schedule stays on across restarts.

    Args:
        options: Parameters of the flow.
        home: The installation.
        cron: When, in China's time.
        verbose: Let Prefect talk.

    Raises:
        UserError: The cron line is not one.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with local_api(home / "prefect" / "schedule", scheduler=True, verbose=verbose) as server:
        from prefect.schedules import Cron

        try:
            when = Cron(cron, timezone=ZONE.key)
        except ValueError:
            raise UserError(f'--cron “{cron}” 不是有效的 cron 表达式，例如 "0 2 * * *"（每天 2 点）。') from None
        nights.keep_schedule(Home(home), cron)
        watch.begin(home, cron)
        flows = load_flows()
        server.wait()
        print(f"夜间任务已就绪：{cron}（{ZONE.key}），来文目录 {options['landing']}，工作目录 {home}", flush=True)
        warnings.filterwarnings("ignore", message="coroutine 'Runner.astop' was never awaited")  # Prefect, on SIGTERM
        flows.nightly.serve(
            name="nightly",
            schedule=when,
            parameters=options,
            pause_on_shutdown=False,
            print_starting_message=False,
            limit=1,
        )


def load_flows() -> ModuleType:
    """The module `flows/nightly.py`, from a checkout as from a wheel."""
    folder = str(flows_dir())
    if folder not in sys.path:
        sys.path.append(folder)  # a scheduled run's process gets this path and finds the module by its name
    return importlib.import_module("nightly")

"""A cluster of Spark's own on this machine: a master and workers, each a process of its own, reached at 127.0.0.1 only."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = "127.0.0.1"
PATIENCE = 120.0  # seconds; two Javas start on a busy machine


@dataclass
class Cluster:
    """A running one.

    Attributes:
        master: What `--spark-master` is told.
        page: The master's page.
    """

    master: str
    page: str
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def state(self) -> dict[str, Any]:
        """What the master says of workers and applications."""
        with urllib.request.urlopen(f"{self.page}/json/", timeout=10) as answer:  # noqa: S310
            told: dict[str, Any] = json.load(answer)
        return told


@contextmanager
def cluster(folder: Path, workers: int = 2) -> Iterator[Cluster]:
    """A master and workers with one core and 1 GiB each; none of their processes outlives the block.

    Args:
        folder: For what they write, their logs too.
        workers: How many.
    """
    port, page = _free_port(), _free_port()
    made = Cluster(f"spark://{HERE}:{port}", f"http://{HERE}:{page}")
    places = ["--host", HERE]
    try:
        _start(made, folder / "master", "master.Master", [*places, "--port", str(port), "--webui-port", str(page)])
        for number in range(workers):
            own = folder / f"worker-{number}"
            size = ["--cores", "1", "--memory", "1g", "--webui-port", "0", "--work-dir", str(own / "work")]
            _start(made, own, "worker.Worker", [*places, *size, made.master])
        _wait(made, workers)
        yield made
    finally:
        for process in reversed(made._processes):
            _stop(process)


def _start(made: Cluster, folder: Path, what: str, arguments: list[str]) -> None:
    import pyspark

    folder.mkdir(parents=True)
    home = Path(pyspark.__file__).parent
    own = {
        "SPARK_HOME": str(home),
        "SPARK_CONF_DIR": str(folder),  # empty: no settings of this machine's own
        "SPARK_LOCAL_IP": HERE,
        "SPARK_LOCAL_DIRS": str(folder / "tmp"),
        "SPARK_DAEMON_MEMORY": "256m",
        "SPARK_DAEMON_JAVA_OPTS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    }
    command = [str(home / "bin" / "spark-class"), f"org.apache.spark.deploy.{what}", *arguments]
    with (folder / "log").open("wb") as log:
        # a session of its own: what a worker starts ends with it, whatever becomes of the worker
        made._processes.append(
            subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **own}, start_new_session=True)
        )


def _wait(made: Cluster, workers: int) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if any(process.poll() is not None for process in made._processes):
            break
        with suppress(OSError):
            if made.state()["aliveworkers"] == workers:
                return
        time.sleep(0.3)
    raise RuntimeError("the cluster did not start")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(10)
    with suppress(ProcessLookupError):  # nothing is left of it
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((HERE, 0))
        return int(found.getsockname()[1])

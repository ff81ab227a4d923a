"""Prefect's local API, started beside a run and gone with it.

The server is a child that ends when the pipe from its parent closes, so it cannot outlive a run that was killed.
Prefect keeps its own records under `<home>/prefect`; they hold dates, paths and counts, never a person.
"""

import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from canbao import prefect_store

_FD_VARIABLE = "CANBAO_PREFECT_FD"
_STARTUP_SECONDS = 180


@contextmanager
def local_api(folder: Path, *, scheduler: bool = False, verbose: bool = False) -> Iterator["Server"]:
    """Give this process a Prefect API; nothing of Prefect may have been imported before.

    An office that has a Prefect server of its own sets `PREFECT_API_URL`; then that one is used.

    Args:
        folder: Where Prefect keeps its records.
        scheduler: Run the scheduling services too (`canbao schedule`).
        verbose: Let Prefect talk.
    """
    settings = {
        "PREFECT_HOME": str(folder),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_LOGGING_LEVEL": "INFO" if verbose else "CRITICAL",  # what fails is told by us, once
        "PREFECT_LOGGING_TO_API_ENABLED": "false",
        "PREFECT_CLI_COLORS": "false",
        "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "false",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "",
    }
    settings = {name: value for name, value in settings.items() if value}
    os.environ.update(settings)
    if os.environ.get("PREFECT_API_URL"):
        yield Server(None)
        return
    folder.mkdir(parents=True, exist_ok=True)
    fresh = not (folder / prefect_store.STORE).exists()
    if fresh:
        prefect_store.begin_from_template(folder)
    os.environ["NO_PROXY"] = ",".join(filter(None, [os.environ.get("NO_PROXY"), "127.0.0.1", "localhost"]))
    password = f"canbao:{secrets.token_hex(16)}"  # other accounts of this machine can reach the port
    os.environ["PREFECT_SERVER_API_AUTH_STRING"] = os.environ["PREFECT_API_AUTH_STRING"] = password
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        port = listener.getsockname()[1]
        child = subprocess.Popen(
            [sys.executable, "-m", "canbao.prefect_api", *(["scheduler"] if scheduler else [])],
            stdin=subprocess.PIPE,
            stdout=None if verbose else subprocess.DEVNULL,
            stderr=None if verbose else subprocess.DEVNULL,
            pass_fds=[listener.fileno()],
            env={**os.environ, _FD_VARIABLE: str(listener.fileno()), "PREFECT_UI_ENABLED": "0"},
            start_new_session=True,  # Ctrl-C is for the run; the server goes when the run is gone
        )
    os.environ["PREFECT_API_URL"] = f"http://127.0.0.1:{port}/api"
    server = Server(child, made=folder if fresh else None)
    try:
        yield server
    finally:
        del os.environ["PREFECT_API_URL"]
        server.stop()


class Server:
    """The child process of `local_api`; `made` is the folder of a store that it makes anew."""

    def __init__(self, child: "subprocess.Popen[bytes] | None", made: Path | None = None) -> None:
        self.child = child
        self.made = made

    def wait(self) -> None:
        """Wait until it answers.

        Raises:
            RuntimeError: It ended, or did not answer in time.
        """
        if self.child is None:
            return
        url = f"{os.environ['PREFECT_API_URL']}/health"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:  # the socket listens from the start: the request waits in its queue until the server takes it
            opener.open(url, timeout=_STARTUP_SECONDS).close()
        except OSError as error:
            raise RuntimeError(f"Prefect's local API did not start (exit {self.child.poll()})") from error
        if self.made is not None:
            prefect_store.keep_template(self.made)

    def stop(self) -> None:
        """End it."""
        if self.child is None or self.child.stdin is None:
            return
        self.child.stdin.close()
        try:
            self.child.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


def _serve(*, scheduler: bool) -> None:
    import uvicorn
    from prefect.server.api.server import create_app

    config = uvicorn.Config(create_app(ephemeral=not scheduler), log_level="error", lifespan="on")
    server = uvicorn.Server(config)

    def watch() -> None:
        sys.stdin.buffer.read()  # returns when the parent is gone, however it went
        server.should_exit = True
        if not stopped.wait(timeout=5):
            os._exit(0)

    stopped = threading.Event()
    threading.Thread(target=watch, daemon=True).start()
    listener = socket.socket(fileno=int(os.environ[_FD_VARIABLE]))
    server.run(sockets=[listener])
    stopped.set()
    os._exit(0)  # all is written; taking the interpreter apart would take another second


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _serve(scheduler="scheduler" in sys.argv[1:])

"""`canbao serve`: the portal as a process. Never plain http to other machines."""

import contextlib
import ctypes
import os
import signal
import socket
import ssl
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import uvicorn

from canbao.errors import UserError
from canbao.home import Home
from canbao.portal.app import create_app
from canbao.portal.settings import is_loopback, load_portal_settings

CONNECTIONS = 1000
"""Open connections, beyond which new ones are answered 503."""

LAST_WORDS = 10
"""Seconds that answers under way have to end in when the portal is told to stop."""


_M_ARENA_MAX = -8  # malloc.h


class _Server(uvicorn.Server):
    """Ends on SIGTERM and SIGINT without passing the signal on: the process ends with status 0."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn; says where the portal is once it can be reached there."""
        await super().startup(sockets=sockets)
        for one in sockets or []:
            name, port = one.getsockname()[:2]
            name = f"[{name}]" if ":" in name else name
            print(f"门户已启动 serving: {'https' if self.config.is_ssl else 'http'}://{name}:{port}", flush=True)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """See uvicorn."""
        before = {one: signal.signal(one, self.handle_exit) for one in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)


def _small_heaps() -> None:
    """Let threads share heaps: glibc gives each its own otherwise, and keeps what each once needed.

    The processes that write lists are started with this environment; they do one thing at a time.
    """
    os.environ.setdefault("MALLOC_ARENA_MAX", "1")
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


def serve(
    home: Path,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
    behind_proxy: str = "",
) -> None:
    """Serve until told to stop.

    Args:
        home: The installation's folder.
        host: Address to listen on.
        port: Port; 0 takes a free one.
        tls_cert: Certificate chain (PEM).
        tls_key: Its key (PEM).
        behind_proxy: Address of the proxy that ends TLS in front of the portal; nobody else is answered.

    Raises:
        UserError: A public address without TLS or proxy, a certificate that cannot be read, an address in use.
        Blocked: The key is not the one that this home was built with.
    """
    if (tls_cert is None) != (tls_key is None):
        raise UserError("--tls-cert 与 --tls-key 必须同时给出。")
    proxy = _address(behind_proxy)
    if tls_cert is None and not proxy and not is_loopback(host):
        raise UserError(
            f"{host} 不是本机地址，未加密的门户不能对外提供服务。"
            "请给出证书（--tls-cert、--tls-key），或给出前置代理的地址（--behind-proxy），或只监听 127.0.0.1。"
        )
    _small_heaps()
    settings = load_portal_settings(home)
    installation = Home(home)
    installation.prepare()
    installation.key()  # another key than the home was built with is told now, and not out of the middle of the start
    listening = _listen(host, port)
    with listening:
        _see_certificate(tls_cert, tls_key)
        config = uvicorn.Config(
            create_app(home, settings, proxy=proxy),
            lifespan="on",
            ws="none",
            access_log=False,
            log_level="warning",
            server_header=False,
            proxy_headers=False,
            limit_concurrency=CONNECTIONS,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=LAST_WORDS,
            h11_max_incomplete_event_size=32 * 1024,
            ssl_certfile=str(tls_cert) if tls_cert else None,
            ssl_keyfile=str(tls_key) if tls_key else None,
        )
        _Server(config).run(sockets=[listening])
    print("门户已停止 stopped.", flush=True)


def _address(text: str) -> str:
    if not text:
        return ""
    try:
        return str(ip_address(text))
    except ValueError:
        raise UserError(f"--behind-proxy 应为代理的 IP 地址，而不是 {text!r}。") from None


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        raise UserError(f"无法监听 {host}:{port}（{error.strerror}）。请换一个地址或端口（--host、--port）。") from None
    return listening


def _see_certificate(cert: Path | None, key: Path | None) -> None:
    if cert is None or key is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as error:
        raise UserError(f"证书或私钥无法读取（{error.strerror or error}）。请检查 --tls-cert 与 --tls-key。") from None

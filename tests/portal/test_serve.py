"""`canbao serve` as a process: where it listens, who may speak for whom, how it ends."""

import contextlib
import json
import re
import signal
import socket
import ssl
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from canbao.home import Home
from canbao.portal.accounts import Accounts

from .kit import DISTRICT, PASSWORD, Installation

EVERYWHERE = "0.0.0.0"  # noqa: S104
CANBAO = [sys.executable, "-m", "canbao"]


@contextlib.contextmanager
def serving(home, *options):
    """A portal on a free port; its address."""
    command = [*CANBAO, "serve", "--home", str(home), "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"https?://\S+", line)
        assert found, (line, process.stderr.read() if process.poll() is not None else "")
        yield process, found[0]
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(20)
        process.stdout.close()
        process.stderr.close()


def _sign_in(client, name="office"):
    token = re.search(r'name="csrf" value="(\w+)"', client.get("/login").text)[1]
    return client.post("/login", data={"username": name, "password": PASSWORD, "csrf": token})


@pytest.fixture
def home(tmp_path):
    Accounts(tmp_path / "home").add("office", PASSWORD, role="district", division=DISTRICT)
    return tmp_path / "home"


def test_it_serves_and_ends_cleanly(home):
    with serving(home) as (process, address):
        with httpx2.Client(base_url=address, trust_env=False) as client:
            assert client.get("/healthz").json()["stale"] is True
            answer = _sign_in(client)
            assert answer.status_code == 303
            assert "server" not in answer.headers
            assert "Secure" not in answer.headers["set-cookie"]
            assert "万州区" in client.get("/account").text
            assert client.get("/account/../healthz").status_code in {200, 404}
            assert client.get("/static/../app.py").status_code == 404
            assert client.get("/static/%2e%2e/app.py").status_code == 404
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
        assert "已停止" in process.stdout.read()
        assert process.stderr.read() == ""
    entries = [json.loads(line) for path in (home / "audit").glob("*.jsonl") for line in path.read_text().splitlines()]
    assert [(entry["action"], entry["address"]) for entry in entries][:1] == [("sign_in", "127.0.0.1")]


def _refused(home, *options):
    command = [*CANBAO, "serve", "--home", str(home), "--port", "0", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


@pytest.mark.parametrize("host", [EVERYWHERE, "::", "192.0.2.7", "portal.test"])
def test_no_plain_http_to_others(home, host):
    status, said = _refused(home, "--host", host)
    assert status == 2
    assert "--tls-cert" in said


@pytest.mark.parametrize(
    "options",
    [
        ("--tls-cert", "none.pem"),
        ("--tls-cert", "none.pem", "--tls-key", "none.key"),
        ("--behind-proxy", "portal.test"),
        ("--host", "192.0.2.7", "--behind-proxy", "127.0.0.1"),
    ],
)
def test_wrong_use(home, options):
    assert _refused(home, *options)[0] == 2


def test_another_key_than_the_home_was_built_with(home, monkeypatch):
    Home(home).remember_key(Home(home).key())
    monkeypatch.setenv("CANBAO_KEY", "another key of sixteen letters")
    status, said = _refused(home)
    assert status == 1
    assert "密钥" in said and "Traceback" not in said


def test_a_port_in_use(home):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        status, said = _refused(home, "--port", str(taken.getsockname()[1]))
    assert status == 2
    assert "端口" in said


def test_wrong_settings(home):
    (home / "canbao.toml").write_text(
        '[portal]\nidle_minutes = "long"\ncolour = 1\n[portal.oidc]\nissuer = "http://x.test"\n'
    )
    status, said = _refused(home)
    assert status == 2
    for word in ("portal.idle_minutes", "portal.colour", "portal.oidc.issuer", "portal.oidc.client_id"):
        assert word in said


def _certificate(folder):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert, private = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert, private


def test_tls(home, tmp_path):
    cert, key = _certificate(tmp_path)
    with serving(home, "--host", EVERYWHERE, "--tls-cert", str(cert), "--tls-key", str(key)) as (_, address):
        port = address.rpartition(":")[2]
        trust = ssl.create_default_context(cafile=str(cert))
        with httpx2.Client(base_url=f"https://localhost:{port}", verify=trust, trust_env=False) as client:
            answer = _sign_in(client)
            assert answer.status_code == 303
            given = answer.headers["set-cookie"]
            assert given.startswith("__Host-canbao-session=")
            assert "Secure" in given
            assert "strict-transport-security" in answer.headers
            assert client.get("/account").status_code == 200


def test_only_the_named_proxy_is_believed(home):
    with serving(home, "--host", EVERYWHERE, "--behind-proxy", "127.0.0.1") as (_, address):
        port = address.rpartition(":")[2]
        said = {"x-forwarded-for": "203.0.113.9, 198.51.100.4", "x-forwarded-proto": "https"}
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", headers=said, trust_env=False) as client:
            answer = client.get("/login")
            assert "Secure" in answer.headers["set-cookie"]
            token = re.search(r'name="csrf" value="(\w+)"', answer.text)[1]
            cookie = answer.headers["set-cookie"].partition(";")[0]
            fields = {"username": "office", "password": PASSWORD, "csrf": token}
            assert client.post("/login", data=fields, headers={"cookie": cookie}).status_code == 303
    last = json.loads(next((home / "audit").glob("*.jsonl")).read_text().splitlines()[-1])
    assert (last["action"], last["address"]) == ("sign_in", "198.51.100.4")


def test_others_do_not_get_past_the_proxy(tmp_path):
    made = Installation(tmp_path)
    made.portal.proxy = "10.0.0.80"
    made.add("office")
    direct = made.browser(address="10.0.0.99", **{"x-forwarded-for": "10.1.1.1"})
    assert direct.get("/login").status_code == 403
    assert direct.get("/healthz").status_code == 200
    made.close()


def test_without_a_proxy_nobody_says_who_they_are(installation):
    installation.add("office")
    installation.browser("office", **{"x-forwarded-for": "203.0.113.9"})
    assert installation.entries(action="sign_in")[-1]["address"] == "10.1.2.3"


def test_the_log_is_copied_when_the_portal_starts(home, tmp_path):
    (home / "canbao.toml").write_text(f'[audit]\ncopy_to = "{tmp_path / "copy"}"\n')
    with serving(home) as (_, address), httpx2.Client(base_url=address, trust_env=False) as client:
        for _ in range(50):
            if not client.get("/healthz").json()["audit_copy_late"]:
                break
        else:
            pytest.fail("no copy")
    assert (tmp_path / "copy" / "head.json").exists()

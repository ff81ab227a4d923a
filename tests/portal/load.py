"""How many people can sign in at once: python -m tests.portal.load [--sign-ins 1000] [--at-once 20].

Starts the portal in a home of its own, lets accounts sign in and look at a page, and prints seconds and peak memory. The
promise is a thousand sign-ins in five minutes below 1 GB (exit 1 where it does not hold).
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2

from canbao.portal.accounts import Accounts

from .kit import DISTRICT, PASSWORD

MINUTES, MEGABYTES = 5, 1000


def _sign_in(address: str, name: str) -> float:
    begun = time.perf_counter()
    with httpx2.Client(base_url=address, trust_env=False, timeout=300) as client:
        token = re.search(r'name="csrf" value="(\w+)"', client.get("/login").text)
        assert token is not None
        answer = client.post("/login", data={"username": name, "password": PASSWORD, "csrf": token[1]})
        assert answer.status_code == 303, answer.status_code
        assert client.get("/account").status_code == 200
    return time.perf_counter() - begun


def _peak(process: int) -> float:
    """Peak resident memory of a process in MB."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]


def main() -> int:
    """Measure; 1 where the promise does not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.portal.load")
    parser.add_argument("--sign-ins", type=int, default=1000)
    parser.add_argument("--at-once", type=int, default=20)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        accounts = Accounts(home)
        names = [f"office{number}" for number in range(given.at_once * 2)]
        for name in names:
            accounts.add(name, PASSWORD, role="district", division=DISTRICT)
        command = [sys.executable, "-m", "canbao", "serve", "--home", folder, "--port", "0"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            address = process.stdout.readline().split()[-1]
            before = _peak(process.pid)
            begun = time.perf_counter()
            with ThreadPoolExecutor(given.at_once) as pool:
                jobs = [pool.submit(_sign_in, address, names[n % len(names)]) for n in range(given.sign_ins)]
                took = sorted(job.result() for job in jobs)
            seconds, peak = time.perf_counter() - begun, _peak(process.pid)
        finally:
            process.terminate()
            process.wait(20)
    thousand = seconds / given.sign_ins * 1000
    print(f"{given.sign_ins} sign-ins, {given.at_once} at once: {seconds:.1f} s, {thousand:.0f} s for a thousand")
    print(f"half of them within {took[len(took) // 2]:.2f} s, 95 of 100 within {took[len(took) * 95 // 100]:.2f} s")
    print(f"memory: {before:.0f} MB before, {peak:.0f} MB at most")
    return 0 if thousand < MINUTES * 60 and peak < MEGABYTES else 1


if __name__ == "__main__":
    sys.exit(main())

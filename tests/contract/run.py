#!/usr/bin/env python3
"""Runs schemathesis against the real binary: no 5xx, no undocumented status, no body that is not as described.

For each of nobody, a patient, a therapist and an admin: a fresh data folder, a seeded clinic, the server on a free
loopback port without its worker, one run of single requests and one of chains, in which a request uses what an answer
before it named, both with a fixed seed and few examples. Two of them run at a time, because the tool itself keeps one
core busy. Everything started here is ended here.

    tests/contract/run.py --binary target/debug/afterglow --schemathesis target/ci-venv/bin/schemathesis
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

# These end the login that the run itself uses; a login of its own tries them last.
ENDING = ["delete_login", "delete_device"]
# Would reach out to whatever push service an example names.
OUTWARD = ["test_push_subscription"]
SINGLE = "examples,coverage,fuzzing"
STATEFUL = "stateful"
CHECKS = ",".join(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    ]
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(folder: Path, port: int) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AFTERGLOW_")}
    return kept | {
        "AFTERGLOW_DATA_DIR": str(folder / "data"),
        "AFTERGLOW_SERVER__LISTEN": f"127.0.0.1:{port}",
        "AFTERGLOW_SERVER__METRICS_LISTEN": "",
        "AFTERGLOW_AUTH__ACCESS_TOKEN_SECONDS": "3600",
        "AFTERGLOW_AUTH__STAFF_IDLE_MINUTES": "60",
        "AFTERGLOW_LOG__FILTER": "warn",
        "NO_PROXY": "127.0.0.1",
    }


def seed(binary: str, folder: Path, env: dict[str, str]) -> dict[str, list[dict]]:
    out = folder / "people.jsonl"
    command = [binary, "seed", "--patients", "3", "--checkins", "3", "--journal", "3", "--out", str(out)]
    subprocess.run(command, env=env, cwd=folder, check=True)
    people: dict[str, list[dict]] = {}
    for line in out.read_text().splitlines():
        person = json.loads(line)
        people.setdefault(person["role"], []).append(person)
    return people


def wait_until_ready(base: str, server: subprocess.Popen) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(300):
        if server.poll() is not None:
            sys.exit(f"the server ended with {server.returncode} before it was ready")
        try:
            with opener.open(f"{base}/readyz", timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    sys.exit("the server was not ready within 30 seconds")


@contextmanager
def serving(binary: str, folder: Path) -> Iterator[tuple[str, dict[str, list[dict]]]]:
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    env = environment(folder, port)
    people = seed(binary, folder, env)
    server = subprocess.Popen([binary, "serve", "--no-worker"], env=env, cwd=folder)
    try:
        wait_until_ready(base, server)
        yield base, people
        if server.poll() is not None:
            sys.exit(f"the server ended with {server.returncode} during the run")
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def schemathesis(
    arguments: argparse.Namespace, base: str, token: str | None, phases: str, chosen: list[str]
) -> list[str]:
    # What one answer names is asked for in the next request; these chains are short, so there can be more of them.
    examples = arguments.examples * (10 if phases == STATEFUL else 1)
    command = [
        *(arguments.schemathesis, "run", f"{base}/openapi.json", "--url", base),
        *("--checks", CHECKS, "--phases", phases),
        *("--seed", "20261122", "--generation-database", "none", "--max-examples", str(examples)),
        *("--no-shrink", "--continue-on-failure", "--workers", "1", "--request-timeout", "20", "--warnings", "off"),
        *("--suppress-health-check", "all", *chosen),
    ]
    return command + (["--header", f"Authorization: Bearer {token}"] if token else [])


def options(name: str, operations: list[str]) -> list[str]:
    return [part for operation in operations for part in (name, operation)]


def check(arguments: argparse.Namespace, role: str) -> bool:
    """Everything as one identity, and at its end what ends its login."""
    folder = Path(tempfile.mkdtemp(prefix="afterglow-contract-"))
    begun = time.monotonic()
    output = folder / "output"
    try:
        with serving(arguments.binary, folder) as (base, people), output.open("wb") as log:
            token = people[role][0]["access_token"] if role != "nobody" else None
            most = options("--exclude-operation-id", ENDING + OUTWARD)
            runs = [(SINGLE, most), (STATEFUL, most)]
            if role == "patient":
                runs.append((SINGLE, options("--include-operation-id", ENDING)))
            commands = [schemathesis(arguments, base, token, phases, chosen) for phases, chosen in runs]
            codes = [
                subprocess.run(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT).returncode
                for command in commands
            ]
        kept = not any(codes)
        if not kept:
            print(output.read_text(errors="replace"), flush=True)
        print(f"contract: as {role}: {'kept' if kept else 'broken'}, {time.monotonic() - begun:.0f} s", flush=True)
        return kept
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True, type=os.path.abspath)
    parser.add_argument("--schemathesis", required=True, type=os.path.abspath)
    parser.add_argument("--examples", type=int, default=15, help="examples of each operation and identity")
    arguments = parser.parse_args()
    # The longest first.
    roles = ["patient", "therapist", "admin", "nobody"]
    with ThreadPoolExecutor(max_workers=2) as two:
        kept = list(two.map(lambda role: check(arguments, role), roles))
    print("contract: kept" if all(kept) else "contract: broken")
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())

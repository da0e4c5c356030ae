#!/usr/bin/env python3
"""Runs schemathesis against the real binary: no 5xx, no undocumented status, no body that is not as described.

A fresh data folder, a seeded clinic, the server on a free loopback port without its worker; then one run as nobody,
as a patient, as a therapist and as an admin, with a fixed seed and few examples each. Everything started here is
ended here.

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
from pathlib import Path

# These end the login that the run itself uses; a login of its own tries them last.
ENDING = ["delete_login", "delete_device"]
# Would reach out to whatever push service an example names.
OUTWARD = ["test_push_subscription"]
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


def check(arguments: argparse.Namespace, base: str, folder: Path, token: str | None, only: list[str] | None) -> bool:
    command = [
        *(arguments.schemathesis, "run", f"{base}/openapi.json", "--url", base),
        *("--checks", CHECKS, "--phases", "examples,coverage,fuzzing"),
        *("--seed", "20261122", "--generation-database", "none", "--max-examples", str(arguments.examples)),
        *("--no-shrink", "--continue-on-failure", "--workers", "1", "--request-timeout", "20", "--warnings", "off"),
        *("--suppress-health-check", "all"),
    ]
    if token:
        command += ["--header", f"Authorization: Bearer {token}"]
    chosen = ("--include-operation-id", only) if only else ("--exclude-operation-id", ENDING + OUTWARD)
    for operation in chosen[1]:
        command += [chosen[0], operation]
    return subprocess.run(command, cwd=folder).returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True, type=os.path.abspath)
    parser.add_argument("--schemathesis", required=True, type=os.path.abspath)
    parser.add_argument("--examples", type=int, default=15, help="examples of each operation and identity")
    arguments = parser.parse_args()

    folder = Path(tempfile.mkdtemp(prefix="afterglow-contract-"))
    server = None
    try:
        port = free_port()
        base = f"http://127.0.0.1:{port}"
        env = environment(folder, port)
        people = seed(arguments.binary, folder, env)
        server = subprocess.Popen([arguments.binary, "serve", "--no-worker"], env=env, cwd=folder)
        wait_until_ready(base, server)
        patient, leaving = people["patient"][0], people["patient"][1]
        runs = {
            "nobody": (None, None),
            "a patient": (patient["access_token"], None),
            "a therapist": (people["therapist"][0]["access_token"], None),
            "an admin": (people["admin"][0]["access_token"], None),
            "a patient who logs out": (leaving["access_token"], ENDING),
        }
        failed = []
        for name, (token, only) in runs.items():
            print(f"contract: as {name}", flush=True)
            begun = time.monotonic()
            if not check(arguments, base, folder, token, only):
                failed.append(name)
            print(f"contract: as {name}: {time.monotonic() - begun:.0f} s", flush=True)
        if server.poll() is not None:
            sys.exit(f"the server ended with {server.returncode} during the run")
        print("contract: kept" if not failed else f"contract: broken as {', '.join(failed)}")
        return 1 if failed else 0
    finally:
        if server is not None and server.poll() is None:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())

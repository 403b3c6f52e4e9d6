"""Runs many commands fast: a process that has the program loaded forks for each of them.

Each command has a process of its own as ever, with its arguments, variables, folder and files; what it hasn't is the
second that Python takes to load the program. Where that loading is what is tested, start `-m scim_server.cli` instead.
"""

from __future__ import annotations

import gc
import json
import os
import select
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

from scim_server.cli import main

ROOT: Final = Path(__file__).parent.parent
LARGEST: Final = 1 << 20  # bytes of a command with its variables
# What stands for `scim-server`: it hands over what it was given, and ends as the command does.
PROGRAM: Final = """#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as line:
    line.connect({place!r})
    asked = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
    socket.send_fds(line, [len(asked).to_bytes(4, "little")], [0, 1, 2])
    line.sendall(asked)
    ended = line.recv(1)
sys.exit(ended[0] if ended else 255)
"""


@contextmanager
def warm(folder: Path) -> Iterator[Path]:
    """A folder with a `scim-server` for PATH. `folder` is empty, and its path short enough for a socket's."""
    place = folder / "s"
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(place))
    listening.listen()
    command = [sys.executable, "-m", "tests.warm", str(listening.fileno())]
    process = subprocess.Popen(command, cwd=ROOT, pass_fds=[listening.fileno()], stdin=subprocess.PIPE)
    listening.close()
    program = folder / "scim-server"
    program.write_text(PROGRAM.format(python=sys.executable, place=str(place)))
    program.chmod(0o755)
    try:
        yield folder
    finally:
        process.communicate(timeout=30)  # ends with its input


def serve(listening: socket.socket) -> None:
    """Fork for each command that comes, until standard input ends, as it does with whoever started this."""
    context = click.Context(main)
    for name in main.list_commands(context):
        main.get_command(context, name)
    gc.freeze()  # else each command would go through, and so copy, all that is loaded when it ends
    while listening in select.select([listening, sys.stdin], [], [])[0]:
        line, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            if os.fork() == 0:
                run(line)
            _, status = os.wait()
            line.sendall(bytes([os.waitstatus_to_exitcode(status) & 0xFF]))
            os._exit(0)
        line.close()
        _reap()


def run(line: socket.socket) -> None:
    """Be the command that is asked for on `line`; doesn't return."""
    head, files, _, _ = socket.recv_fds(line, 4, 3)
    (size,) = struct.unpack("<I", head)
    assert size < LARGEST
    with line.makefile("rb") as asked:
        arguments, folder, variables = json.loads(asked.read(size))
    line.close()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    for place, file in enumerate(files):
        os.dup2(file, place)
        os.close(file)
    main(arguments, prog_name="scim-server")


def _reap() -> None:
    """Let go of the processes that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))

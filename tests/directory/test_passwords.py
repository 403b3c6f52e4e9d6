"""What a password costs to hash, which tests make cheap for themselves (tests/conftest.py) and production must not."""

from __future__ import annotations

import json
import subprocess
import sys

from argon2 import extract_parameters
from argon2.low_level import Type

from scim_server.directory.passwords import hash_password, is_password

PROGRAM = (
    "import json; from scim_server.directory.passwords import hash_password as h; print(json.dumps(h('sesame street')))"
)


def test_a_guess_is_as_dear_as_rfc_9106_advises() -> None:
    printed = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout
    stored = json.loads(printed)
    told = extract_parameters(stored)
    # RFC 9106 §4, the second choice: for where 2 GiB for each password are too much
    assert (told.type, told.time_cost, told.memory_cost, told.parallelism) == (Type.ID, 3, 64 * 1024, 4)
    assert (told.salt_len, told.hash_len) == (16, 32)
    assert is_password(stored, "sesame street")
    assert not is_password(stored, "sesame streeT")


def test_here_it_is_cheap() -> None:
    assert extract_parameters(hash_password("sesame street")).memory_cost == 8

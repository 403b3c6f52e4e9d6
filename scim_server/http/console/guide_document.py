"""The page docs/identity-providers.md, printed from the tables of `guides`, which the console's set-up pages show too:
`python -m scim_server.http.console.guide_document > docs/identity-providers.md`.

Knows no server: its URL is an example's.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from textwrap import fill
from typing import Final

from scim_server.http.console.guides import ENTRA, GENERIC, GOOGLE, JUMPCLOUD, OKTA, ONELOGIN, PING, Guide, Step, filled

ROOT: Final = "https://scim.example.com"
ORDER: Final = (ENTRA, OKTA, ONELOGIN, GOOGLE, JUMPCLOUD, PING, GENERIC)
INTRO: Final = """\
# Setting up identity providers

Printed from the tables in `scim_server/http/console/guides.py` by `python -m scim_server.http.console.guide_document`.
A test compares the two, so change the tables and print the page again. The console shows the same, with the server's
own URLs, under Settings → Provisioning → a connection → Set-up.

What is common to all: a connection with the provider's preset, a token, and the base URL. That is what `serve` prints
after `SCIM base URL`, with the name by which the provider reaches the server; it ends in `/scim/v2`, without a slash.
All of them need HTTPS with a certificate that the world trusts, so that a proxy that ends TLS stands in front
([operations.md](operations.md)). In the examples the host is `scim.example.com` and the workspace `Acme`.

A connection and a token are made in the console, or at the command line:

```sh
scim-server connection create --workspace Acme --name NAME --preset PRESET
scim-server token create --workspace Acme --connection NAME --expires-in 365
```

What the settings are that some lines name, and how OAuth clients are made, is in [connections.md](connections.md).

Names of menus are the providers' own and move about. What is said here of what they send is from their documentation
and from recorded requests; none of it was tried against the services themselves.
"""
_LINK: Final = re.compile(r"`docs/([\w-]+\.md)`")
_WIDTH: Final = 119


def page() -> str:
    """The whole page, ending in one newline."""
    return "\n".join([INTRO, *(_section(guide) for guide in ORDER)])


def _section(guide: Guide) -> str:
    steps = "".join(_step(number, step) for number, step in enumerate(guide.steps, start=1))
    rows = "".join(f"| {source} | `{target}` | {remark} |\n" for source, target, remark in guide.mapping)
    table = f"| there | here | |\n| --- | --- | --- |\n{rows}"
    parts = (
        f"## {guide.name}\n\nPreset `{guide.preset}`. {guide.lead}\n",
        steps,
        table,
        f"To mind:\n\n{_list(guide.minds)}",
        f"To expect:\n\n{_list(guide.after)}",
    )
    return "\n".join(parts)


def _step(number: int, step: Step) -> str:
    lines = [_wrapped(f"{number}. ", step.text)]
    lines.extend(_wrapped("   - ", line) for line in _entered(step))
    return "".join(lines)


def _entered(step: Step) -> Iterator[str]:
    for field, value in step.copies:
        yield f"{field}: `{value}`"
    if step.credential:
        yield f"{step.credential}: the token"


def _list(texts: Iterable[str]) -> str:
    return "".join(_wrapped("- ", text) for text in texts)


def _wrapped(lead: str, text: str) -> str:
    text = _LINK.sub(r"[\1](\1)", filled(text, ROOT))
    later = " " * len(lead)
    wrapped = fill(
        text, _WIDTH, initial_indent=lead, subsequent_indent=later, break_long_words=False, break_on_hyphens=False
    )
    return f"{wrapped}\n"


def main() -> None:
    """Prints the page."""
    sys.stdout.write(page())


if __name__ == "__main__":  # pragma: no cover
    main()

"""Print a command that README.md tells its readers to run, so that CI and tests run the same one.

    python tools/readme_command.py example
    python tools/readme_command.py test

A command stands in README.md as the only line of a code block, right below ``<!-- command: NAME -->``.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"
_COMMAND = re.compile(r"<!-- command: (\w+) -->\n```\w*\n(.+)\n```\n")


def commands(text: str) -> dict[str, str]:
    """Return the commands of a text by name; each is one line."""
    return dict(_COMMAND.findall(text))


def main(names: list[str]) -> int:
    """Print the command of that name."""
    found = commands(README.read_text(encoding="utf-8"))
    if len(names) != 1 or names[0] not in found:
        print(f"usage: readme_command.py {{{','.join(found)}}}", file=sys.stderr)
        return 2
    print(found[names[0]])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

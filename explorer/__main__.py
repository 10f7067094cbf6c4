"""The command `explorer`, also as `python -m explorer`: Ctrl-C is heard while it still imports."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; see `explorer.cli.main`."""
    try:
        from explorer.cli import main as command_line  # takes 0.2 s

        command_line()
    except KeyboardInterrupt:
        print("explorer: Interrupted.", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()

"""The command line: the only place that prints, asks or exits."""

from __future__ import annotations

import gc
import signal
import sys

from personas.errors import Interrupted, UsageError


def main() -> None:
    """Run the command line; the console script."""
    # A start creates many objects and hardly any garbage; looking for it takes a tenth of a short run.
    gc.set_threshold(100_000)
    # SIGTERM and SIGHUP end the program as Ctrl-C does; a signal that nohup ignores stays ignored.
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    try:
        from personas.cli.app import run

        run()
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        sys.exit(Interrupted.exit_code)
    except OSError as error:  # stdout, while help is printed
        print(f"Error: stdout: {error.strerror}.", file=sys.stderr)
        sys.exit(UsageError.exit_code)
    finally:
        gc.freeze()  # or Python would look for garbage once more at the end, for 0.1 s

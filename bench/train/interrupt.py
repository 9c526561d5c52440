"""Ctrl-C and SIGTERM, put off until a training step is complete."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """The request to stop that has come in, if any. A second one is not put off."""

    def __init__(self) -> None:
        self.received: signal.Signals | None = None

    def receive(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            self.obey()
        self.received = signal.Signals(number)

    def obey(self) -> None:
        """Raises what was asked for: KeyboardInterrupt for SIGINT, SystemExit (status 143) for SIGTERM."""
        if self.received is signal.SIGINT:
            raise KeyboardInterrupt
        if self.received is not None:
            raise SystemExit(128 + self.received)


@contextmanager
def deferred() -> Iterator[Interrupt]:
    """SIGINT and SIGTERM only set a mark inside the block. Other threads get no signals: a no-op there."""
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    obeyed = [n for n in STOPPING if signal.getsignal(n) != signal.SIG_IGN]
    before = {number: signal.signal(number, interrupt.receive) for number in obeyed}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)

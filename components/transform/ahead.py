# SPDX-License-Identifier: Apache-2.0
"""Work done ahead of whoever wants it, in a thread.

Reading, transforming and writing are done by libraries that let other threads run
meanwhile, so that two cores are used where one would wait for the other.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from typing import TypeVar

T = TypeVar("T")

#: Items that wait to be taken; each is a batch of rows.
_DEPTH = 2


@contextmanager
def ahead(source: Iterable[T]) -> Iterator[Iterator[T]]:
    """The items of `source`, which a thread works out while earlier ones are used.

        with ahead(batches) as found:
            for batch in found: ...

    An exception of the source is raised where its item would have been. The thread has ended
    when the block is left, however it is left.
    """
    waiting: queue.Queue[tuple[bool, T | BaseException | None]] = queue.Queue(_DEPTH)
    unwanted = threading.Event()

    def put(item: tuple[bool, T | BaseException | None]) -> None:
        while not unwanted.is_set():
            try:
                waiting.put(item, timeout=0.1)
                return
            except queue.Full:
                continue

    def work() -> None:
        try:
            for item in source:
                put((True, item))
                if unwanted.is_set():
                    return
            put((False, None))
        except BaseException as error:
            put((False, error))

    def taken() -> Generator[T, None, None]:
        while True:
            there, item = waiting.get()
            if not there:
                if isinstance(item, BaseException):
                    raise item
                return
            yield item  # type: ignore[misc]

    thread = threading.Thread(target=work, name="ahead", daemon=True)
    thread.start()
    try:
        with closing(taken()) as items:
            yield items
    finally:
        unwanted.set()
        thread.join()

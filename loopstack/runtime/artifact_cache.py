"""A bounded cache that makes each value once, however many threads ask for it.

Keys are compared by equality, never by a digest alone. The cost of the values held is bounded:
the least recently used ones go first. A value in use stays alive through its own references.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

V = TypeVar("V")


@dataclass(frozen=True)
class CacheStats:
    hits: int
    misses: int
    entries: int
    cost: int


class ArtifactCache(Generic[V]):
    """Least-recently-used cache; ``cost`` weighs a value, ``limit`` bounds the sum of weights."""

    def __init__(self, cost: Callable[[V], int], limit: Callable[[], int]) -> None:
        self._cost_of = cost
        self._limit = limit
        self._lock = threading.Lock()
        self._futures: OrderedDict[Hashable, Future[V]] = OrderedDict()
        self._cost = 0
        self._hits = 0
        self._misses = 0

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """Return the value of ``key``, made by ``make()`` if absent.

        Other threads that ask for the same key meanwhile wait for it. An error of ``make`` reaches
        all of them and is not kept.
        """
        with self._lock:
            future = self._futures.get(key)
            if future is not None:
                self._hits += 1
                self._futures.move_to_end(key)
            else:
                self._misses += 1
                mine = self._futures[key] = Future()
        return future.result() if future is not None else self._make(key, mine, make)

    def _make(self, key: Hashable, future: Future[V], make: Callable[[], V]) -> V:
        try:
            value = make()
        except BaseException as error:
            with self._lock:
                if self._futures.get(key) is future:
                    del self._futures[key]
            future.set_exception(error)
            raise
        with self._lock:
            future.set_result(value)
            if self._futures.get(key) is future:
                self._cost += self._cost_of(value)
            self._evict()
        return value

    def _evict(self) -> None:
        """Drop finished entries, oldest first, until the limit holds; the newest one stays."""
        limit = self._limit()
        for key, future in list(self._futures.items())[:-1]:
            if self._cost <= limit:
                break
            if future.done():
                del self._futures[key]
                self._cost -= self._cost_of(future.result())

    def clear(self) -> None:
        """Forget every value; the ones being made are finished for those who wait, not kept."""
        with self._lock:
            self._futures.clear()
            self._cost = 0

    def after_fork_in_child(self) -> None:
        """Start empty: threads that were making values do not exist here."""
        self._lock = threading.Lock()
        self.clear()

    def stats(self) -> CacheStats:
        with self._lock:
            return CacheStats(self._hits, self._misses, len(self._futures), self._cost)

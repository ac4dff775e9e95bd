"""Strongly connected components of a graph of statements, in an order that respects its edges."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def components(names: Sequence[str], edges: Collection[tuple[str, str]]) -> list[tuple[str, ...]]:
    """Return the components, sources before targets; where that leaves a choice, first in the list.

    Each component keeps the order of ``names``.
    """
    reach = {name: _reachable(name, edges) for name in names}
    groups: list[tuple[str, ...]] = []
    for name in names:
        if not any(name in group for group in groups):
            both = [n for n in names if n == name or (n in reach[name] and name in reach[n])]
            groups.append(tuple(both))
    return _sorted(groups, reach)


def _reachable(name: str, edges: Collection[tuple[str, str]]) -> set[str]:
    found: set[str] = set()
    waiting = [name]
    while waiting:
        here = waiting.pop()
        following = {target for source, target in edges if source == here} - found
        found |= following
        waiting += sorted(following)
    return found


def _sorted(groups: list[tuple[str, ...]], reach: dict[str, set[str]]) -> list[tuple[str, ...]]:
    ordered: list[tuple[str, ...]] = []
    waiting = list(groups)
    while waiting:
        ready = next(g for g in waiting if not _follows_any(g, waiting, reach))
        ordered.append(ready)
        waiting.remove(ready)
    return ordered


def _follows_any(
    group: tuple[str, ...], others: list[tuple[str, ...]], reach: dict[str, set[str]]
) -> bool:
    return any(group[0] in reach[other[0]] for other in others if other is not group)

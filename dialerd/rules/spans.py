"""Spans of time: sorted, disjoint, never touching `(start, end)` pairs of instants, the end excluded."""

from collections.abc import Iterable, Sequence

from dialerd.model.instants import Instant

Span = tuple[Instant, Instant]
Spans = Sequence[Span]


def merge(spans: Iterable[Span]) -> list[Span]:
    """Return the union of `spans`, which may overlap, touch and be empty, in any order."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if start >= end:
            continue
        if merged and start <= merged[-1][1]:
            if end > merged[-1][1]:
                merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return merged


def intersect(left: Spans, right: Spans) -> list[Span]:
    """Return the instants that lie in both."""
    common: list[Span] = []
    i = j = 0
    while i < len(left) and j < len(right):
        start = max(left[i][0], right[j][0])
        end = min(left[i][1], right[j][1])
        if start < end:
            common.append((start, end))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return common


def without(whole: Span, holes: Spans) -> list[Span]:
    """Return what `holes` leave of `whole`."""
    left = []
    start, last = whole
    for hole_start, hole_end in holes:
        if start < min(hole_start, last):
            left.append((start, min(hole_start, last)))
        start = max(start, hole_end)
    if start < last:
        left.append((start, last))
    return left

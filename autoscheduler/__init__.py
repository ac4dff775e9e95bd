"""The autoscheduler: finds fast schedules by proposing, masking and measuring them.

Role: strategies for ``KernelFunction.search``; LoopStack finds them by entry point and knows none.
Input: a :class:`loopstack.records.SearchTask`; output: a ``SearchResult``.

    space/    what a schedule may look like: slots that print scripts, edits, the legality mask
    search/   in which order to try, and when to stop

Invariants: an illegal script is never measured (masked, not learned); no strategy returns a
schedule worse than the default one; the same seed and the same timings give the same candidates.
"""

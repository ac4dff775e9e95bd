"""Search: in which order candidates are tried, and when to stop.

    budget.py    "20s", "2m", "300 trials"
    random.py    draws                   evolve.py   a population that mutates and crosses
    engine.py    propose -> mask -> measure (in a worker) -> report, until the budget is spent
    finals.py    the best few and the default schedule, timed again in turn
    proxy.py     sizes at which a slow program runs in milliseconds
    slow.py      a search at those sizes, confirmed at full size
    sessions.py  a whole search with real workers

      proposer --script--> mask --nest--> worker --timing--> proposer
                  (this process)         (its own process, one candidate ahead)

Invariants: the default schedule is measured first and takes part in the finals; whatever ends a
search (budget, Ctrl-C, a proposer without ideas), the best so far is returned.
"""

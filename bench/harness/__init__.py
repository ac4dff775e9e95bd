"""The harness: interleaved contests, one process per thread count, one JSON file.

rows.py      one row of a suite: who takes part, what is right
child.py     the process that measures (its environment fixes everybody's threads)
facts.py     figures without a peer: fraction of peak, compile time, call overhead, ...
report.py    ratios, geometric means, losses
runner.py    what ``loopstack bench`` calls
"""

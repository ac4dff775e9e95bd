"""What tests share.

programs.py     programs written out by hand
inputs.py       data: small integers, random floats, special values
guarded.py      arrays flush against unreadable pages; calls in a forked child
compiled_c.py   C text -> shared library -> call
strategies.py   hypothesis: random programs and sizes
scripts.py      hypothesis: random schedule scripts
golden.py       comparison with stored text
"""

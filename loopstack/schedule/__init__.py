"""Schedules: the script a user reads, one command a line, each a pure edit of a loop tree.

    script.py      Schedule (parse, print, append), build, check: start here
    commands.py    the table: keyword -> command
    command.py     what every command is; words.py reads a line, with columns
    lookup.py      Statement.index -> loops; rewrite.py  edits of trees; ranges.py  constant ranges
    one file a family:
      order.py       reorder interchange reverse shift
      split.py       split tile join           fuse.py     fuse distribute
      compute_at.py  inline.py  rfactor.py     move work between statements
      pack.py        stage.py                  local copies
      marks.py       unroll vectorize parallelize          jam.py  unroll_and_jam
      memory.py      prefetch stream
    default.py     the analytic default, with access_shape, contraction, fusion, hardware

                    Program (integer sizes)
                       | identity_tree
    script --parse--> command, command, ... --apply--> Tree --poly.legality--> legal, or a witness

Invariants every command keeps: each instance of each statement stays in the tree, once (again only
for a statement that compute_at placed); loop names are unique; a leaf's forms are over the loops
above it; a copy covers what its readers read. Commands never judge dependences, ``check`` does.
Malformed requests are ArgumentError, wrong orders IllegalSchedule.

``at L`` means once per iteration of L. A stage covers the part of L's body that holds its
statement: loaded before that part, stored after it.
"""

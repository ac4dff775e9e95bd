"""Exact analysis of programs and loop trees: what depends on what, and which orders keep results.

    intervals.py    constant ranges of loops, by interval propagation
    projection.py   remove names from constraints (Fourier-Motzkin)
    isl.py          the only file that imports islpy, on first use
    accesses.py     which leaf of a tree makes each access of the program, and when
    quick.py        order proofs in plain Python; silent when not sure
    uniform.py      order proofs by distances, as between the accesses of stencils
    dependence.py   the dependences of a program, and their text
    results.py      what a reduction writes, apart from the terms it adds up
    first_values.py the first values of reductions, as statements that order can spoil
    legality.py     check(tree): None, or a violation with a witness

              Program ---------> dependence.describe -> text
                 |
    Tree -> accesses -> conflicting pairs -> quick (sure) -> legal
                                               | not sure
                                               v
                                      isl: empty -> legal, a point -> Violation (witness)

Input: programs and trees of ``loopstack.ir``. Nothing here changes a tree or chooses a schedule.
"""

"""The intermediate representation: one program form for every way in.

affine.py      quasi-affine forms over indices and sizes
expr.py        scalar expressions
operators.py   the one table of scalar operators
expansions.py  functions written with operators of that table (tanh, erf, ...)
program.py     arrays, statements, programs
printer.py     program -> text        reader.py   text -> program
verifier.py    well-formedness        canonical.py   names taken out, then hashed
loop_tree.py   program + schedule
"""

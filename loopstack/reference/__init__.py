"""The oracle: what a program means, slowly and exactly, and how far a kernel may be from it.

    domain.py        integer points of a statement's domain
    arithmetic.py    how scalars are computed: as declared, or wide and rounded at stores
    interpreter.py   run(program, arrays): statements in program order
    tolerance.py     reference(program, arrays): results with computed error bounds; compare()

Input: a bound program (integer sizes) and NumPy arrays. Output: new arrays; arguments are never
changed. Imports only ir.
"""

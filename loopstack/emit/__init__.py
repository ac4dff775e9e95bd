"""A program as text in another language, for reading and for linking without LoopStack.

    bounds.py       loop bounds from constraints, by elimination
    loops.py        program -> nested loops, guards and assignments in program order
    names.py        identifiers and forms as text
    c_expressions.py   expressions, literals, names in C
    c_text.py       loops -> a C function            (ls.emit_c)
    nest_c_text.py  nest text -> a C function
    scheduled_c.py  nest text behind the program's signature    (ls.emit_c, scheduled=True)
    numpy_text.py   loops -> a Python function       (ls.emit_numpy)

Input: a Program, sizes bound or not. Imports only ir.
"""

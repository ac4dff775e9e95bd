"""The space of schedules: slots, templates that print scripts, edits, masks.

slots.py        a slot and its choices; drawing, mutating, crossing assignments
contraction.py  slots of matrix products, convolutions, einsums
nests.py        slots of everything else: maps, folds
templates.py    a whole program's slots, and the script of an assignment
edits.py        program-agnostic changes to a script
trees.py        script -> tree, by the longest known prefix
mask.py         script -> legal tree and nest text, or nothing

assignment --templates--> script --mask--> nest text --(worker)--> timing
"""

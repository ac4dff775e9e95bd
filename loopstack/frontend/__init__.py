"""The ways in: each turns what a user wrote into one ``loopstack.ir.program.Program``.

types.py       f32["m k"], ls.size: annotations
indices.py     ls.indices: indices and affine forms over them
graph.py       the graph a traced kernel builds: nodes, tensors, the trace
promotion.py   NumPy 2 dtype rules with weak Python numbers
values.py      symbolic values: what operators and subscripts give
functions.py   exp, where, sum, pad, ...: the functions users call
tensor.py      trace(fn) -> Program
compose.py     a kernel called inside a kernel
extents.py     how far each index runs
build.py       graph -> Program: what is stored, names, statements
sizes.py       infer_sizes: shapes of arrays -> integer sizes
einsum.py      einsum subscripts -> Program
affine.py      parse(fn) -> Program: loops that are read, not run (and affine_*.py, listed there)

              user's function                      "bij,bjk->bik"
                    | trace                              |
                    v                                    v
   annotations -> graph (nodes, tensors) <---------------+
                    | build (extents, sharing, names)
                    v
                 Program  -> infer_sizes -> bind
"""

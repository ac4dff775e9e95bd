"""Kernels and shapes. ``ROWS`` of a suite: name, function, sizes, and the same work elsewhere.

{"name": "128", "function": matmul, "sizes": {...},     our kernel at these sizes
 "numpy": callable of the inputs with out=, or None,
 "onnx": (operator, attributes),                        one node over the same inputs
 "constant": "B" or None,                               the operand that is weights
 "quick": True}                                         part of a quick run
"""

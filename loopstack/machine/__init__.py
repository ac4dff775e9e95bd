"""This machine: what its CPU can do (features), its caches (caches), its speed (peaks).

A target (instruction set) decides what code is generated; a machine decides what is fast. Nothing
here is typed in: features come from CPUID and XCR0 (or hwcap), peaks are measured.
"""

from __future__ import annotations

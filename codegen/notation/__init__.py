"""Formulas as people write them: one walk over an expression, and a script for each way of writing.

Text, LaTeX and MathML are scripts. None of them uses SymPy's printers, which recurse and repeat what is shared.
"""

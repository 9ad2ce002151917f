"""Neural networks as SymPy graphs: visible gradient formulas, compiled functions, proofs that they are right."""

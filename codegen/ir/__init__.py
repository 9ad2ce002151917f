"""Systems of equations: their indices, vertices and order, whether they are well formed, what they cost."""

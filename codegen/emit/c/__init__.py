"""C99: the scheduled program as readable C that needs libm alone."""

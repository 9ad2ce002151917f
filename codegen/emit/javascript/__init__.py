"""Scheduled graphs as modules of JavaScript: the program that C code is, over typed arrays."""

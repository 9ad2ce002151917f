"""One term of a derivative: where it is 0, what it is a multiple of, and which terms are one sum."""

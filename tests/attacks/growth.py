"""What a process keeps of graphs that are compiled and dropped, and of calls.

SymPy's caches are cleared after every ten graphs and before memory is measured, and so are codegen's own of derivatives
and constants; those have fixed sizes.
"""

from __future__ import annotations

from tests.attacks.outcome import SECONDS, Outcome, answer

KILOBYTES = {"vector": 10.0, "numba": 200.0}
"""What may stay of one graph. LLVM's engine in Numba keeps the object code of a readable one."""
CALLS, KILOBYTES_A_CALL = 20_000, 0.01
WARM = {"vector": 50, "numba": 5}
"""Graphs before the first measurement, in which the memory of a process takes its size."""

PROGRAM = """
import ctypes, functools, gc, os, sys
import codegen
from sympy import sin, symbols
from sympy.core.cache import clear_cache
emitter, warm, graphs, calls = sys.argv[1], *map(int, sys.argv[2:])
a, b = symbols("a b")
libc = ctypes.CDLL(None)
def make(k):
    graph = codegen.gradient(codegen.from_expressions({"e": (a + k * b) * sin(b + k)}, [a, b]), "e")
    function = codegen.compile(graph, cache=False, emitter=emitter)
    function(2.0, 1.0)
    return function
def kilobytes():
    clear_cache()
    for found in gc.get_objects():
        if type(found) is functools._lru_cache_wrapper and str(found.__module__).startswith("codegen."):
            if found.cache_info().maxsize != 1:
                found.cache_clear()
    gc.collect()
    gc.collect()  # Numba lets go of a module once its functions are gone
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)  # what is free is no growth
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024
def made(numbers):
    # What fills the caches lies among what stays, and leaves holes: they are cleared before it is much.
    for k in numbers:
        make(k)
        if k % 10 == 9:
            kilobytes()
    return kilobytes()
before = made(range(warm))
found = (made(range(warm, warm + graphs)) - before) / graphs
function = make(0)
for _ in range(1000):
    function(2.0, 1.0)
before = kilobytes()
for _ in range(calls):
    function(2.0, 1.0)
print([found, (kilobytes() - before) / calls])
"""


def attack(tries: int) -> Outcome:
    """Compile and drop so many graphs as vector code, and a fifth as many in the readable form."""
    failures, said = [], []
    for emitter, graphs in (("vector", tries), ("numba", max(tries // 5, 1))):
        graph, call = answer(PROGRAM, emitter, WARM[emitter], graphs, CALLS, seconds=SECONDS + tries)
        said.append(f"{emitter} {graph:.1f} kB a graph, {1024 * call:.1f} bytes a call")
        if graph > KILOBYTES[emitter] or call > KILOBYTES_A_CALL:
            failures.append(said[-1])
    return Outcome(tries, tuple(failures), "; ".join(said))

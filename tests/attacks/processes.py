"""Attacks on the life of a process: its end while threads compute, its forks while threads compile.

Each attack is a program that is run in a new interpreter with a number; it survives with exit status 0 and nothing on
standard error.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from tests.attacks.outcome import Outcome, child

EXIT = """
# The interpreter ends while four threads that it does not wait for are inside compiled code.
import sys, threading, time
import numpy as np
import codegen, symnn
number = int(sys.argv[1])
network = symnn.Network(64, (symnn.dense(64, "tanh"), symnn.dense(10)), "softmax_cross_entropy")
graph = network.gradient_graph
pack = {"theta": list(network.layout), "gradient": list(graph.outputs[1:])}
function = codegen.compile(graph, pack=pack, threads=(1, 2, 4)[number % 3])
theta, x, y = network.initial_parameters(seed=0), np.zeros((1500, 64)), np.zeros(1500, np.int64)
function(theta, x, y)
def work():
    while True:
        function(theta, x, y)
for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.02 + 0.005 * (number * 7 % 13))
"""

FORK = """
# Children are forked while a thread compiles and loads; each compiles a graph of its own and calls it.
import os, signal, sys, threading, time
import codegen
from sympy import sin, symbols
number, children = int(sys.argv[1]), 4
a, b = symbols("a b")
def make(k):
    graph = codegen.gradient(codegen.from_expressions({"e": (a + k * b) * sin(b + k)}, [a, b]), "e")
    function = codegen.compile(graph, cache=k % 2 == 0, emitter="numba" if k % 8 == 0 else "auto")
    if k % 4 == 0:
        function.kernel
    return function(2.0, 1.0)
def work():
    k = 10_000 * number
    while True:
        make(k := k + 1)
make(0)
threading.Thread(target=work, daemon=True).start()
for child in range(children):
    time.sleep(0.01 * ((number + child) * 7 % 13))
    process = os.fork()
    if not process:
        make(10_000 * number + 5_000 + child)
        os._exit(0)
    until = time.monotonic() + 100
    while not (ended := os.waitpid(process, os.WNOHANG))[0]:
        if time.monotonic() > until:
            os.kill(process, signal.SIGKILL)
            sys.exit("a child hangs")
        time.sleep(0.005)
    if ended[1]:
        sys.exit(f"a child ended with status {ended[1]}")
"""

PROGRAMS: Mapping[str, str] = {"exit": EXIT, "fork": FORK} if hasattr(os, "fork") else {"exit": EXIT}


def attack(name: str, tries: int) -> Outcome:
    """Run a program so often, with the numbers from 0."""
    found = ((number, child(PROGRAMS[name], number)) for number in range(tries))
    return Outcome(tries, tuple(f"number {number} {wrong}" for number, wrong in found if wrong))

#!/usr/bin/env bash
# Numba takes the code of a dispatcher back when nobody holds it any more (it registers a finalizer that removes its
# overloads from the target). Expected: a jitted function that a program makes in a namespace of its own and drops with
# it is freed. Seen: that works only if the namespace does not hold the function under a name, as every `def` in a module
# does. Numba's table of functions holds the compiled function, that its globals, those the dispatcher, whose end the
# table waits for: generated modules are never freed, whatever else lets go of them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6 numba==0.68.1
"$folder/venv/bin/python" - <<'PYTHON'
import gc
import sys
import weakref

import numba

print("numba", numba.__version__)
TEXT = "@numba.njit('float64(float64)')\ndef twice(x):\n    return 2*x\n"


def freed(name_stays):
    namespace = {"numba": numba}
    exec(TEXT, namespace)
    function = namespace["twice"] if name_stays else namespace.pop("twice")
    assert function(2.0) == 4.0
    watched = weakref.ref(function)
    del function, namespace
    for _ in range(3):
        gc.collect()
    return watched() is None


found = freed(name_stays=True), freed(name_stays=False)
print("freed, with its name in its globals:", found[0])
print("freed, without:                     ", found[1])
sys.exit(0 if found == (False, True) else 1)
PYTHON

"""Hostile files: data and checkpoints with errors strewn in.

What a reader makes of each is what it should be, or one error of one line, soon and in little memory.
"""

from __future__ import annotations

from tests.attacks.outcome import Outcome, answer

MUTATE = """
import json, os, random, resource, sys, tempfile, time
from pathlib import Path
import numpy as np
import symnn
from symnn import checkpoint

SECONDS, SECONDS_A_MEGABYTE, MEGABYTES = 2.0, 0.5, 512
TOKENS = [b"\\0", b",", b";", b"\\n", b'"', b"nan", b"1e999", b"-", b"9" * 400, b"{", b"[" * 60, b"\\xff", b"null",
          b"{}", b"1e-320", b"<f8", b"True", b"(", b"descr", b"F64", b"shape", (2**63 - 1).to_bytes(8, "little")]

def mutated(data, chance):
    data = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 5, 30])):
        at, to = sorted(chance.randrange(len(data) + 1) for _ in range(2))
        to = min(to, at + chance.choice([1, 8, 100]))
        kind = chance.randrange(5)
        if kind == 0 and data:
            data[at % len(data)] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del data[at:to]
        elif kind == 2:
            data[at:at] = data[at:to] * chance.choice([1, 2, 50])
        elif kind == 3:
            data[at:to] = chance.choice(TOKENS)
        else:
            data[at:at] = chance.choice(TOKENS)
    return bytes(data)

def attack(files, read, tries, seed, mutate=mutated, crafted={}):
    # What is crafted is every other one, each once, and may say what has to be called when it was read.
    # Whoever takes more than that is told so by the system, and says so with a MemoryError.
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = taken + MEGABYTES * 1_000_000
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    chance, failures, slowest, accepted = random.Random(seed), [], 0.0, 0
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            Path(folder, name).write_bytes(content)
            assert read(Path(folder, name)) == "", f"{name}, as it was: {read(Path(folder, name))}"
        for number in range(tries):
            name = chance.choice(list(files))
            path, let_go, allowed = Path(folder, name), None, SECONDS
            if number % 2 == 0 and number // 2 < len(crafted):
                name = list(crafted)[number // 2]
                path = Path(folder, f"{number}-{name}")
                let_go = crafted[name](path)
            else:
                path.write_bytes(mutate(files[name], chance))
                allowed += SECONDS_A_MEGABYTE * len(files[name]) / 1e6
            begun = time.process_time()
            try:
                wrong = read(path)
                accepted += 1
            except symnn.SymnnError as error:
                wrong = "an error of several lines" if "\\n" in str(error) or len(str(error)) > 2000 else ""
                if "ran out of memory" in str(error):
                    wrong = str(error)
            except BaseException as error:
                wrong = f"{type(error).__name__}: {str(error)[:200]}"
            seconds = time.process_time() - begun
            if callable(let_go):
                let_go()
            slowest = max(slowest, seconds)
            if wrong or seconds > allowed:
                failures.append(f"number {number}, {name}: {wrong or f'{seconds:.1f} s'}")
    print(json.dumps([failures, slowest, accepted]))
"""

DATA = (
    MUTATE
    + """
import io, threading, zipfile

def archive(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name + ".npy", content)

def header(descr, shape):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue()

def numbers(descr, shape, size):
    return header(descr, shape) + bytes(size)

def claiming(path):
    archive(path, {"y": numbers("<f8", (1,), 8), "a": numbers("<f8", (400_000_000,), 8)})
    data = path.read_bytes()
    sizes = data.rindex(b"PK\\1\\2") + 24
    path.write_bytes(data[:sizes] + (3_200_000_128).to_bytes(4, "little") + data[sizes + 4 :])

def growing(path):
    path.write_text("a,y\\n" + "1,2\\n2,3\\n" * 20_000)
    ended = threading.Event()
    def grow():
        with path.open("a") as file:
            while not ended.is_set():
                file.write("3,4\\n")
                file.flush()
    thread = threading.Thread(target=grow)
    thread.start()
    def let_go():
        ended.set()
        thread.join()
    return let_go

def wide(path, columns):
    path.write_text(",".join(f"c{n}" for n in range(columns)) + ",y\\n" + ("1," * columns + "2\\n") * 3)

CRAFTED = {
    "device.csv": lambda path: path.symlink_to("/dev/zero"),
    "fifo.csv": os.mkfifo,
    "directory.csv": Path.mkdir,
    "claims.npz": claiming,
    "zeros.npz": lambda path: archive(path, {"y": numbers("<f8", (13_000_000,), 104_000_000)}),
    "growing.csv": growing,
    "nothing.npz": lambda path: archive(path, dict.fromkeys("ya", header("<U0", (20_000_000,)))),
    "subarrays.npz": lambda path: archive(path, {"y": header([("f", "<f8", (0,))], (2**40,))}),
    "columns.csv": lambda path: wide(path, 9_999),
    "too-many.csv": lambda path: wide(path, 100_000),
    "separators.csv": lambda path: path.write_text("a,y\\n1,2\\n" + "," * 9_000_000),
    "blank.csv": lambda path: path.write_text(",".join(f"c{n}" for n in range(9_999)) + "\\n" * 8_500_000),
    "arrays.npz": lambda path: archive(path, {f"c{n}": numbers("<f8", (3,), 24) for n in range(5_000)}),
    "directory.npz": lambda path: path.write_bytes(b"PK\\1\\2".ljust(46, b"0") * 300_000),
    "axis.npz": lambda path: archive(path, {"y": numbers("|u1", (3,), 3), "a": numbers("|u1", (3, 10**6), 3 * 10**6)}),
    "words.csv": lambda path: path.write_text("y,a\\n" + "".join(f"1,w{n}\\n" for n in range(150_000))),
    "names.csv": lambda path: path.write_text("x" * 9_000_000),
    "bytes.npz": lambda path: archive(path, {"y": numbers("|i1", (30_000_000,), 30_000_000)}),
}
if sys.platform == "win32":
    CRAFTED = {name: craft for name, craft in CRAFTED.items() if name not in ("device.csv", "fifo.csv")}
os.environ["SYMNN_DATA_MEGABYTES"] = "100"  # three times as much are less than MEGABYTES

def read(path):
    found = symnn.load_file(path, "y", missing="mean")
    parts = [part for split in (found.train, found.validation, found.test) for part in (split.x, split.y) if len(part)]
    return "" if all(np.isfinite(part).all() for part in parts) else "numbers that are not finite"

with tempfile.TemporaryDirectory() as folder:
    rows = np.random.default_rng(0).normal(size=(12, 3)).round(3)
    text = "a,b,y\\n" + "".join(f"{a},{b},{int(c > 0)}\\n" for a, b, c in rows)
    mixed = "kind;size;y\\n" + "".join(f'{"red" if b > 0 else "blue"};"{a}";{c}\\n' for a, b, c in rows)
    np.savez(Path(folder, "plain.npz"), a=rows, y=rows[:, 0] > 0)
    np.savez_compressed(Path(folder, "packed.npz"), a=rows.astype("f4"), b=rows[:, 1], y=np.array(["m", "n"] * 6))
    files = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    files |= {"table.csv": text.encode(), "mixed.csv": mixed.encode(), "table.tsv": text.replace(",", "\\t").encode()}
    large = Path(folder, "large.csv")
    large.write_text("y,a\\n" + "1,2\\n0,3\\n" * 1_050_000)
    read(large)  # compiles what reads large tables
tries = int(sys.argv[1])
attack(files, read, tries, 0, crafted=CRAFTED)
"""
)

LARGE = (
    MUTATE
    + """
# From eight megabytes on a table is read by compiled code.
rows = np.random.default_rng(0).normal(size=(70_000, 20)).round(3).tolist()
text = ",".join("abcdefghijklmnopqrsy") + "\\n" + "".join(",".join(map(str, row)) + "\\n" for row in rows)
assert len(text) > 8.4e6

def read(path):
    found = symnn.load_file(path, "y", task="regression", missing="mean")
    return "" if np.isfinite(found.train.x).all() else "numbers that are not finite"

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "large.csv")
    path.write_text(text)
    read(path)  # compiles
attack({"large.csv": text.encode()}, read, int(sys.argv[1]), 0)
"""
)

WEIGHTS = (
    MUTATE
    + """
def altered(data, chance):
    # Errors strewn over the file hardly ever pass its header: most go into what the header holds, or behind it.
    size = int.from_bytes(data[:8], "little")
    header, numbers = json.loads(data[8 : 8 + size]), data[8 + size :]
    kind = chance.randrange(5)
    if kind == 0:
        return mutated(data, chance)
    if kind == 1:
        at = chance.randrange(len(numbers) // 8) * 8
        value = chance.choice([0.0, -1.0, 1e308, float("nan"), float("inf"), 5e-324, chance.gauss(0, 1)])
        numbers = numbers[:at] + np.float64(value).tobytes() + numbers[at + 8 :]
    elif kind == 2:
        name = chance.choice([name for name in header if name != "__metadata__"])
        field = chance.choice(["dtype", "shape", "data_offsets"])
        header[name][field] = chance.choice(["F32", "I64", [3], [], [2**62, 4], [0, 0], [0, 8], [3, 2], -1, None])
    elif kind == 3:
        said = "spec" if "spec" in header["__metadata__"] else "graph"
        words = json.loads(header["__metadata__"][said])
        inside = words
        while isinstance(inside, (dict, list)) and inside:
            holder, place = inside, chance.choice(list(inside) if isinstance(inside, dict) else range(len(inside)))
            inside = holder[place]
        holder[place] = chance.choice([None, -1, 0, 10**9, 1e308, "tanh", "x" * 5000, "x*" * 400 + "x", [1] * 100, {},
                                       "gelu(" * 30 + "x" + ")" * 30, "exp(" * 90 + "x" + ")" * 90, "x**x**x", "1/0*x"])
        header["__metadata__"][said] = json.dumps(words)
    else:
        name = chance.choice(list(header["__metadata__"]))
        text = header["__metadata__"][name].encode()
        header["__metadata__"][name] = mutated(text, chance).decode("latin-1")
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + numbers

def read(path):
    found = checkpoint.load(path)
    return "" if np.isfinite(found.theta).all() else "parameters that are not finite"

from codegen import from_expressions
from sympy import Idx, IndexedBase, Sum, Symbol, tanh

spec = {"inputs": 2, "layers": [{"dense": 3, "activation": {"formula": "x*tanh(x)"}}, {"dense": 1}], "loss": "huber"}
network = symnn.Network.from_spec(spec)
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "small.safetensors")
    checkpoint.save(path, network, network.initial_parameters(0))
    files = {path.name: path.read_bytes()}
    s, t, x, h, y, a = Idx("s", Symbol("S")), Idx("t", 5), *map(IndexedBase, "xhy"), Symbol("a")
    steps = {h[s, 0]: x[s, 0], h[s, t]: tanh(a*h[s, t - 1] + x[s, t]), "loss": Sum((h[s, t] - y[s, t])**2, s, t)}
    model = symnn.Model.from_graph(from_expressions(steps, [a, x, y]), {"a": 0.5}, ["x"], output="h", loss="loss")
    path = Path(folder, "graph.safetensors")
    checkpoint.save(path, model.network, [0.5])
    files[path.name] = path.read_bytes()
attack(files, read, int(sys.argv[1]), 1, altered)
"""
)


def data(tries: int) -> Outcome:
    """Tables that are crafted, and of every kind with errors strewn in, a thousandth of them large ones."""
    small, large = _mutated(DATA, tries), tries // 1_000
    if not large:
        return small
    found = _mutated(LARGE, large)
    remark = f"{small.remark}; of {large:,} large ones {found.remark}"
    return Outcome(tries + large, small.failures + found.failures, remark)


def weights(tries: int) -> Outcome:
    """Checkpoints with errors strewn in; what is still one has finite parameters and its network's outputs."""
    return _mutated(WEIGHTS, tries)


def _mutated(program: str, tries: int) -> Outcome:
    failures, slowest, accepted = answer(program, tries, seconds=3600)
    remark = f"{accepted:,} were still what they should be; the slowest took {slowest:.2f} s"
    return Outcome(tries, tuple(failures), remark)

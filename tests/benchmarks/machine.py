"""The process that measures and the machine it runs on. Imports nothing that reads the environment when imported."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def prepare(threads: int, caches: str) -> None:
    """Hold this process and its children to so many cores and threads, and whoever keeps compiled code to ``caches``.

    To be called before any of the libraries is imported.
    """
    os.environ.update(environment(threads, caches))
    if hasattr(os, "sched_setaffinity"):
        available = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, available[-threads:])  # the first core has the most interrupts


def environment(threads: int, caches: str) -> dict[str, str]:
    """Environment variables for a number of threads and a directory for caches.

    >>> environment(2, "caches")["OPENBLAS_NUM_THREADS"]
    '2'
    """
    counted = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    eigen = "true" if threads > 1 else "false"
    return {
        **dict.fromkeys(counted, str(threads)),
        "XLA_FLAGS": f"--xla_cpu_multi_thread_eigen={eigen} intra_op_parallelism_threads={threads}",
        "SYMNN_CACHE_DIR": f"{caches}/symnn",
        "NUMBA_CACHE_DIR": f"{caches}/numba",
        "JAX_COMPILATION_CACHE_DIR": f"{caches}/jax",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        "PYTENSOR_FLAGS": f"base_compiledir={caches}/pytensor",
        "TORCHINDUCTOR_CACHE_DIR": f"{caches}/torch",
    }


def described(distributions: Iterable[str]) -> str:
    """The processor, the system and the versions of what is installed, in one line."""
    cores = os.cpu_count() or 1
    found = [f"{name} {number}" for name in distributions if (number := _version(name))]
    vectors = next((name for flag, name in _VECTORS if flag in _cpuinfo("flags").split()), "")
    processor = _cpuinfo("model name") or platform.processor() or platform.machine()
    return "; ".join(
        [
            ", ".join(filter(None, [processor, vectors, f"{cores} core{'s' if cores > 1 else ''}"])),
            f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
            ", ".join(found),
        ]
    )


_VECTORS = (("avx512f", "AVX-512"), ("avx2", "AVX2"), ("asimd", "NEON"), ("sse2", "SSE2"))


def _cpuinfo(field: str) -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return ""
    found = re.search(rf"^{field}\s*:\s*(.*)$", text, re.MULTILINE)
    return found[1].strip() if found else ""


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""

"""Measures faiss and usearch on the vectors of benches/gallery.rs, on one thread.

Usage: gallery.py ROWS PROBES ROUNDS

ROWS and PROBES are files of little-endian float32, 128 values per row. Prints one JSON object.
`make bench-gallery` calls this script.
"""

import gc
import json
import resource
import sys
import time

import faiss
import numpy
from usearch.index import Index

DIMENSIONS = 128


def read(path):
    return numpy.fromfile(path, dtype="<f4").reshape(-1, DIMENSIONS)


def resident_kib():
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize() // 1024


def timed(action):
    start = time.perf_counter()
    result = action()
    return result, (time.perf_counter() - start) * 1e6


def tenth_percentile_us(action, rounds):
    """Returns the 10th percentile of the times, as gallery.rs does. `action` gets the round."""
    return sorted(timed(lambda: action(index))[1] for index in range(rounds))[rounds // 10]


def measure_build(build):
    gc.collect()
    before = resident_kib()
    index, microseconds = timed(build)
    return index, {"build_us": microseconds, "memory_kib": resident_kib() - before}


def faiss_flat(rows, probes, rounds):
    def build():
        index = faiss.IndexFlatIP(DIMENSIONS)
        index.add(rows)
        return index

    index, result = measure_build(build)
    result["search_us"] = tenth_percentile_us(lambda i: index.search(probes[i % len(probes)][None], 2), rounds)
    result["best"] = [int(index.search(probe[None], 1)[1][0, 0]) for probe in probes]
    updates = min(rounds, 50)
    result["insert_us"] = tenth_percentile_us(lambda i: index.add(probes[i % len(probes)][None]), updates)
    # Remove from any position: a flat index moves the later rows to close the gap.
    result["remove_us"] = tenth_percentile_us(lambda i: index.remove_ids(numpy.array([i * 7919 % len(rows)])), updates)
    return result


def usearch_index(rows, probes, rounds):
    def build():
        index = Index(ndim=DIMENSIONS, metric="ip", dtype="f32")
        index.add(numpy.arange(len(rows)), rows, threads=1)
        return index

    index, result = measure_build(build)
    search = lambda i, exact: index.search(probes[i % len(probes)], 2, exact=exact, threads=1)
    result["exact_us"] = tenth_percentile_us(lambda i: search(i, True), rounds)
    result["search_us"] = tenth_percentile_us(lambda i: search(i, False), rounds)
    result["best"] = [int(search(i, True).keys[0]) for i in range(len(probes))]
    result["best_by_index"] = [int(search(i, False).keys[0]) for i in range(len(probes))]
    updates = min(rounds, 50)
    result["insert_us"] = tenth_percentile_us(
        lambda i: index.add(len(rows) + i, probes[i % len(probes)], threads=1), updates
    )
    result["remove_us"] = tenth_percentile_us(lambda i: index.remove(len(rows) + i, threads=1), updates)
    return result


def main():
    faiss.omp_set_num_threads(1)
    rows, probes, rounds = read(sys.argv[1]), read(sys.argv[2]), int(sys.argv[3])
    result = {"faiss": faiss_flat(rows, probes, rounds), "usearch": usearch_index(rows, probes, rounds)}
    print(json.dumps(result))


if __name__ == "__main__":
    main()

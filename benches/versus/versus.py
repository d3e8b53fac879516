"""Runs counterfoil and its peers on the same files in turn, checks that they agree, and writes benches/RESULTS.md."""

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / "target/release"
DATA = Path(os.environ.get("BENCH_DATA", ROOT / "target/versus/data"))
PEERS = Path(__file__).with_name("peers.py")


class Run:
    """One process: wall time in seconds, CPU time, peak memory and peak anonymous memory in MiB, and what it said."""

    def __init__(self, command, allowed=(0,)):
        started = time.perf_counter()
        process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.peak = self.anonymous = 0
        done = threading.Event()
        watching = threading.Thread(target=self.watch, args=(process.pid, done))
        watching.start()
        out, err = process.stdout.read(), process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        self.seconds = time.perf_counter() - started
        done.set()
        watching.join()
        self.cpu = used.ru_utime + used.ru_stime
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in allowed:
            raise RuntimeError(f"{command}: exit {process.returncode}\n{err.decode()[-2000:]}")
        self.said = out.decode()

    def watch(self, pid, done):
        while not done.wait(0.01):
            try:
                for line in open(f"/proc/{pid}/status"):
                    if line.startswith("RssAnon"):
                        self.anonymous = max(self.anonymous, int(line.split()[1]) / 1024)
                    if line.startswith("VmHWM"):
                        self.peak = max(self.peak, int(line.split()[1]) / 1024)
            except (FileNotFoundError, ProcessLookupError):
                return


def table(name, kind, rows, change="none", shuffled=False):
    """A generated Parquet file; made once."""
    path = DATA / f"{name}-{rows}.parquet"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        more = ["--shuffled"] if shuffled else []
        subprocess.run([BIN / "generate", kind, str(rows), partial, "--change", change, *more], check=True)
        partial.rename(path)
    return path


def made(path, make):
    """Another form of a file; made once."""
    if not path.exists():
        partial = path.with_name("partial-" + path.name)
        if partial.is_dir():
            shutil.rmtree(partial)
        partial.unlink(missing_ok=True)
        make(partial)
        partial.rename(path)
    return path


def snapshot(parquet):
    def make(folder):
        subprocess.run(
            [BIN / "counterfoil", "snapshot", f"parquet:{parquet}", "-o", folder, "--key", "id", "--quiet"], check=True
        )

    return made(parquet.with_suffix(".snapshot"), make)


def sql(parquet, suffix, statement):
    def make(path):
        import duckdb

        duckdb.connect().execute(statement.format(parquet=parquet, path=path))

    return made(parquet.with_suffix(suffix), make)


def duckdb_file(parquet):
    return sql(parquet, ".duckdb", "ATTACH '{path}' AS d; CREATE TABLE d.t AS FROM '{parquet}'")


def csv(parquet):
    return sql(parquet, ".csv", "COPY (FROM '{parquet}') TO '{path}' (HEADER)")


def sqlite(parquet):
    def make(path):
        import sqlite3

        import pyarrow.parquet as pq

        file = pq.ParquetFile(parquet)
        kinds = {"int64": "INTEGER", "double": "REAL", "bool": "INTEGER"}
        names = [f'"{f.name}" {kinds.get(str(f.type), "TEXT")}' for f in file.schema_arrow]
        names[0] += " PRIMARY KEY"
        db = sqlite3.connect(path)
        db.execute(f"CREATE TABLE t({', '.join(names)})")
        marks = ", ".join("?" * len(names))
        for batch in file.iter_batches(65_536):
            columns = [
                [v if isinstance(v, (int, float, str, type(None))) else str(v) for v in c.to_pylist()]
                for c in batch.columns
            ]
            db.executemany(f"INSERT INTO t VALUES ({marks})", zip(*columns))
        db.commit()
        db.close()

    return made(parquet.with_suffix(".db"), make)


class Counterfoil:
    def __init__(self, left, right, threads, more=(), alone=False):
        self.alone = alone
        self.out = DATA / "out"
        plan = DATA / f"plan-{left.stem}-{right.stem}{left.suffix}.yaml"
        url = {".parquet": "parquet:{}", ".snapshot": "snapshot:{}"}[left.suffix]
        a, b = (name(path) for path in (left, right))
        plan.write_text(
            f'version: 1\nconnections:\n  a: {{ url: "{url.format(left)}" }}\n  b: {{ url: "{url.format(right)}" }}\n'
            f'target: b\ntables:\n  "{b}": {{ from: "a.{a}", key: id, checks: [row_diff] }}\n'
        )
        self.command = [BIN / "counterfoil", "run", plan, "--out", self.out, "--threads", threads, "--quiet", *more]

    def run(self):
        shutil.rmtree(self.out, ignore_errors=True)
        run = Run(self.command, allowed=(0, 1))
        found = json.loads((self.out / "report.json").read_text())["tables"][0]
        run.answer = None if self.alone else {
            "changed": found["changed"],
            "missing": found["missing_in_target"],
            "extra": found["extra_in_target"],
        }
        return run


def name(path):
    return path.stem if path.suffix == ".parquet" else json.loads((path / "manifest.json").read_text())["tables"][0]["name"]


class Peer:
    def __init__(self, tool, left, right, threads, out=None):
        self.command = [sys.executable, PEERS, tool, left, right, threads, *([out] if out else [])]

    def run(self):
        run = Run(self.command)
        run.answer = json.loads(run.said)
        return run


class Plain:
    """A program whose answer is of no interest."""

    def __init__(self, *command, before=None):
        self.command, self.before = command, before

    def run(self):
        if self.before:
            self.before()
        run = Run(self.command)
        run.answer = None
        return run


def measured(contestants, runs):
    """Each once for its answer, then all in turn. Whoever gives another answer than the first is not timed."""
    times, notes, answer = {}, {}, None
    for who, contestant in list(contestants.items()):
        try:
            run = contestant.run()
        except RuntimeError as error:
            notes[who] = "failed: " + str(error).strip().splitlines()[-1][:100]
            continue
        if answer is None:
            answer = run.answer
        if run.answer is not None and answer is not None and run.answer != answer:
            notes[who] = f"another answer: {json.dumps(run.answer)}"
            continue
        times[who] = []
    for _ in range(runs):
        for who in times:
            times[who].append(contestants[who].run())
    return times, notes, answer


def row(who, runs, base):
    median = lambda of: statistics.median(of(r) for r in runs)  # noqa: E731
    seconds = median(lambda r: r.seconds)
    ratio = f"{seconds / base:.2f}" if base else ""
    return (
        f"| {who} | {seconds:.2f} | {ratio} | {median(lambda r: r.cpu):.2f} |"
        f" {median(lambda r: r.peak):.0f} | {median(lambda r: r.anonymous):.0f} |"
    )


def cases(n, threads):
    """Name, what it is, the contestant that ratios refer to, and the contestants; files are made when asked for."""
    t = str(threads)

    def pair(kind, rows, change, shuffled=(False, False)):
        names = [f"{kind}-{'shuffled-' if s else ''}{c}" for c, s in zip(("none", change), shuffled)]
        return tuple(table(f, kind, rows, c, s) for f, c, s in zip(names, ("none", change), shuffled))

    def engines(left, right, polars=True):
        found = {"counterfoil": Counterfoil(left, right, t), "DuckDB": Peer("duckdb", left, right, t)}
        if polars:
            found["polars"] = Peer("polars", left, right, t)
        return found

    def ordered():
        a, b = pair("plain", n, "few")
        os.environ["RAYON_NUM_THREADS"] = t
        return {**engines(a, b), "decoding both files": Plain(BIN / "decode", a, b)}

    def stored():
        a, b = pair("plain", n, "few")
        return {"counterfoil": Counterfoil(snapshot(a), snapshot(b), t), "DuckDB": Peer("duckdb", a, b, t)}

    def identical():
        a, b = pair("plain", n, "few")
        return {"counterfoil": Counterfoil(snapshot(a), snapshot(a), t), "DuckDB": Peer("duckdb", a, a, t)}

    def late():
        a, b = pair("plain", n, "late")
        return {"counterfoil": Counterfoil(snapshot(a), snapshot(b), t), "DuckDB": Peer("duckdb", a, b, t)}

    def shuffled(*sides):
        a, b = pair("plain", n, "few", sides)
        return {
            "counterfoil": Counterfoil(a, b, t, ["--memory", "512MiB"]),
            "DuckDB": Peer("duckdb", a, b, t),
        }

    def half():
        a, b = pair("plain", n, "half")
        return {"counterfoil": Counterfoil(a, b, t), "DuckDB": Peer("duckdb", a, b, t, DATA / "half-out.parquet")}

    def small():
        a, b = pair("plain", n // 10, "few")
        found = engines(a, b)
        found["datacompy (pandas)"] = Peer("datacompy", a, b, t)
        found["reladiff (DuckDB)"] = Peer("reladiff", duckdb_file(a), duckdb_file(b), t)
        found["csv-diff"] = Peer("csv-diff", csv(a), csv(b), t)
        if shutil.which("sqldiff"):
            found["sqldiff"] = Peer("sqldiff", sqlite(a), sqlite(b), t)
        return found

    def sqlite_snapshot():
        a, _ = pair("plain", n // 5, "few")
        db, out = sqlite(a), DATA / "sqlite-out"
        clean = lambda: shutil.rmtree(out, ignore_errors=True)  # noqa: E731
        take = [BIN / "counterfoil", "snapshot", f"sqlite:{db}", "-o", out, "--threads", t, "--quiet"]
        return {
            "counterfoil snapshot": Plain(*take, before=clean),
            "connectorx and write_parquet": Plain(sys.executable, PEERS, "connectorx", db, "", t, DATA / "cx.parquet"),
        }

    def scaling():
        found = {}
        for rows in (n // 10, n, n * 10):
            a, b = pair("plain", rows, "few")
            found[f"{rows:,} rows"] = Counterfoil(a, b, t, alone=True)
        return found

    def cores():
        a, b = pair("plain", n, "few")
        s, h = pair("plain", n, "few", (False, True))
        db, out = sqlite(table("plain-none", "plain", n // 5)), DATA / "cores-out"
        clean = lambda: shutil.rmtree(out, ignore_errors=True)  # noqa: E731
        take = lambda source, threads: Plain(  # noqa: E731
            BIN / "counterfoil", "snapshot", source, "-o", out, "--key", "id", "--threads", threads, "--quiet", before=clean
        )
        found = {}
        for threads in ("1", "2"):
            of = f"{threads} thread{'s' if threads == '2' else ''}"
            found[f"ordered pair, {of}"] = Counterfoil(a, b, threads)
            found[f"shuffled target, {of}"] = Counterfoil(s, h, threads, ["--memory", "512MiB"])
            found[f"snapshot of Parquet, {of}"] = take(f"parquet:{a}", threads)
            found[f"snapshot of SQLite, {of}"] = take(f"sqlite:{db}", threads)
        return found

    def of(kind, rows):
        return lambda: engines(*pair(kind, rows, "few"), polars=kind != "documents")

    return {
        "ordered": (f"{n:,} rows x 10 columns in key order, zstd Parquet, 0.02 % differing", "DuckDB", ordered),
        "stored": ("the same as two stored snapshots (DuckDB reads the Parquet files)", "DuckDB", stored),
        "identical": ("two stored snapshots, identical", "DuckDB", identical),
        "late": ("two stored snapshots that differ in the last hundredth", "DuckDB", late),
        "shuffled-one": ("the target shuffled, --memory 512MiB", "DuckDB", lambda: shuffled(False, True)),
        "shuffled-both": ("both shuffled, --memory 512MiB", "DuckDB", lambda: shuffled(True, True)),
        "half": ("every second row differs; DuckDB writes them to Parquet", "DuckDB", half),
        "wide": (f"{n // 5:,} rows x 100 columns", "DuckDB", of("wide", n // 5)),
        "text": (f"{n // 2:,} rows of long texts", "DuckDB", of("text", n // 2)),
        "documents": (f"{n // 5:,} rows with a map and a list", "DuckDB", of("documents", n // 5)),
        "decimals": (f"{n // 2:,} rows x 9 decimals of up to 38 digits", "DuckDB", of("decimals", n // 2)),
        "peers": (f"{n // 10:,} rows, every tool", "DuckDB", small),
        "sqlite": (f"a SQLite table of {n // 5:,} rows to disk", "connectorx and write_parquet", sqlite_snapshot),
        "scaling": ("key order, 0.02 % differing", f"{n:,} rows", scaling),
        "cores": ("one thread and two", None, cores),
    }


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rows", type=int, default=10_000_000)
    arguments.add_argument("--runs", type=int, default=5)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--results", type=Path, default=ROOT / "benches/RESULTS.md")
    arguments.add_argument("case", nargs="*")
    arguments = arguments.parse_args()
    DATA.mkdir(parents=True, exist_ok=True)
    known = cases(arguments.rows, arguments.threads)
    unknown = [c for c in arguments.case if c not in known]
    if unknown:
        sys.exit(f"unknown case {unknown[0]}; there are {', '.join(known)}")
    parts_folder = DATA / "results"
    parts_folder.mkdir(exist_ok=True)
    for case in arguments.case or known:
        title, base, make = known[case]
        times, notes, answer = measured(make(), arguments.runs)
        reference = statistics.median(r.seconds for r in times[base]) if base in times else None
        lines = [f"## {case}: {title}", ""]
        if answer:
            lines += [f"All that are timed found {answer['changed']:,} changed, {answer['missing']:,} missing and {answer['extra']:,} extra rows.", ""]
        over = f"of {base}" if base else "ratio"
        lines += [f"| | seconds | {over} | CPU seconds | peak MiB | anonymous MiB |", "| --- | ---: | ---: | ---: | ---: | ---: |"]
        lines += [row(who, runs, reference) for who, runs in times.items()]
        lines += [f"| {who} | not timed: {note} | | | | |" for who, note in notes.items()]
        (parts_folder / f"{case}.md").write_text("\n".join(lines) + "\n")
        print("\n".join(lines), "\n", flush=True)
    cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ["duckdb", "polars", "datacompy", "reladiff", "csv-diff", "connectorx"]
    versions = ", ".join(f"{p} {importlib.metadata.version(p)}" for p in packages)
    head = [
        "# Measured against other tools",
        "",
        f"By `benches/versus/run` on {datetime.date.today()}: {os.cpu_count()} cores ({cpu}), {memory:.0f} GiB, {arguments.threads} threads,"
        f" warm cache, medians of {arguments.runs} alternating runs of whole processes. counterfoil writes its whole run folder"
        f" (reports, differences) in that time, the others only count. {versions}.",
        "",
    ]
    parts = [(parts_folder / f"{case}.md").read_text() for case in known if (parts_folder / f"{case}.md").exists()]
    arguments.results.write_text("\n".join(head) + "\n" + "\n".join(parts))


if __name__ == "__main__":
    main()

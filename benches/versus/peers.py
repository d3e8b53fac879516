"""Other tools at the same task: which rows of two tables differ? Prints {"changed", "missing", "extra"} as JSON.

    peers.py TOOL LEFT RIGHT THREADS [OUT]

LEFT and RIGHT are files in the tool's own format. The key is the column `id`."""

import json
import sys


def answer(changed, missing, extra):
    print(json.dumps({"changed": int(changed), "missing": int(missing), "extra": int(extra)}))


def duckdb_join(left, right, threads, out=None):
    import duckdb

    c = duckdb.connect()
    c.execute(f"SET threads={threads}")
    c.execute(f"CREATE VIEW a AS FROM '{left}'; CREATE VIEW b AS FROM '{right}'")
    columns = [row[0] for row in c.execute("DESCRIBE a").fetchall() if row[0] != "id"]
    differs = " OR ".join(f'a."{x}" IS DISTINCT FROM b."{x}"' for x in columns)
    joined = "FROM a FULL OUTER JOIN b ON a.id = b.id"
    if out:
        both = ", ".join(f'a."{x}" AS "{x}_expected", b."{x}" AS "{x}_actual"' for x in columns)
        c.execute(
            f"COPY (SELECT a.id AS a_id, b.id AS b_id, {both} {joined}"
            f" WHERE a.id IS NULL OR b.id IS NULL OR {differs}) TO '{out}' (FORMAT parquet)"
        )
        joined = f"FROM '{out}'"
        found = c.execute(
            "SELECT count(*) FILTER (a_id IS NOT NULL AND b_id IS NOT NULL), count(*) FILTER (b_id IS NULL),"
            f" count(*) FILTER (a_id IS NULL) {joined}"
        )
    else:
        found = c.execute(
            f"SELECT count(*) FILTER (a.id IS NOT NULL AND b.id IS NOT NULL AND ({differs})),"
            f" count(*) FILTER (b.id IS NULL), count(*) FILTER (a.id IS NULL) {joined}"
        )
    answer(*found.fetchone())


def polars_join(left, right, threads, _=None):
    import os

    os.environ["POLARS_MAX_THREADS"] = threads
    import polars as pl

    a, b = pl.scan_parquet(left), pl.scan_parquet(right)
    columns = [x for x in a.collect_schema().names() if x != "id"]
    joined = a.join(b, on="id", how="full", suffix="_b")
    differs = pl.any_horizontal([pl.col(x).ne_missing(pl.col(f"{x}_b")) for x in columns])
    both = pl.col("id").is_not_null() & pl.col("id_b").is_not_null()
    found = joined.select(
        (both & differs).sum().alias("changed"),
        pl.col("id_b").is_null().sum().alias("missing"),
        pl.col("id").is_null().sum().alias("extra"),
    ).collect()
    answer(*found.row(0))


def datacompy_pandas(left, right, _threads, _=None):
    import datacompy
    import pandas as pd

    c = datacompy.Compare(pd.read_parquet(left), pd.read_parquet(right), join_columns="id", abs_tol=0, rel_tol=0)
    answer(len(c.intersect_rows) - c.count_matching_rows(), len(c.df1_unq_rows), len(c.df2_unq_rows))


def reladiff_duckdb(left, right, threads, _=None):
    import duckdb
    import reladiff

    columns = [r[0] for r in duckdb.connect(left, read_only=True).execute("DESCRIBE t").fetchall()]
    a, b = (
        reladiff.connect_to_table({"driver": "duckdb", "filepath": f}, "t", "id", thread_count=int(threads))
        for f in (left, right)
    )
    signs = {}
    rest = tuple(x for x in columns if x != "id")
    for sign, row in reladiff.diff_tables(a, b, key_columns=("id",), extra_columns=rest):
        signs.setdefault(row[0], set()).add(sign)
    answer(
        sum(s == {"+", "-"} for s in signs.values()),
        sum(s == {"-"} for s in signs.values()),
        sum(s == {"+"} for s in signs.values()),
    )


def csv_diff(left, right, _threads, _=None):
    import csv_diff

    a, b = (csv_diff.load_csv(open(f, newline=""), key="id") for f in (left, right))
    found = csv_diff.compare(a, b)
    answer(len(found["changed"]), len(found["removed"]), len(found["added"]))


def sqldiff(left, right, _threads, _=None):
    import subprocess

    counts = {"UPDATE": 0, "DELETE": 0, "INSERT": 0}
    with subprocess.Popen(["sqldiff", "--primarykey", left, right], stdout=subprocess.PIPE, text=True) as run:
        for line in run.stdout:
            verb = line.split(" ", 1)[0]
            if verb in counts:
                counts[verb] += 1
    answer(counts["UPDATE"], counts["DELETE"], counts["INSERT"])


def connectorx_parquet(database, _right, _threads, out):
    import connectorx as cx

    frame = cx.read_sql(f"sqlite://{database}", "SELECT * FROM t", return_type="polars")
    frame.write_parquet(out, compression="lz4")
    print(json.dumps({"rows": len(frame)}))


TOOLS = {
    "duckdb": duckdb_join,
    "polars": polars_join,
    "datacompy": datacompy_pandas,
    "reladiff": reladiff_duckdb,
    "csv-diff": csv_diff,
    "sqldiff": sqldiff,
    "connectorx": connectorx_parquet,
}

if __name__ == "__main__":
    TOOLS[sys.argv[1]](*sys.argv[2:])

"""Compares pairs of Parquet files with DuckDB: a line of JSON in for each pair, one out.

In: {"expected", "actual": paths, "keys": how many leading columns are the key (0: a bag), "columns": how many}.
Out: {"matched", "missing", "extra", "changed"}. Keys must be unique."""

import json
import sys

import duckdb

connection = duckdb.connect()
for line in sys.stdin:
    case = json.loads(line)
    columns = [f"c{at}" for at in range(case["columns"])]
    keys, rest = columns[: case["keys"]], columns[case["keys"] :]
    connection.execute(f"CREATE OR REPLACE TEMP TABLE a AS SELECT *, 1 AS there FROM '{case['expected']}'")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE b AS SELECT *, 1 AS there FROM '{case['actual']}'")
    if keys:
        same_key = " AND ".join(f"a.{c} IS NOT DISTINCT FROM b.{c}" for c in keys)
        differs = " OR ".join(f"a.{c} IS DISTINCT FROM b.{c}" for c in rest) or "false"
        found = connection.execute(
            f"SELECT count(*) FILTER (a.there = 1 AND b.there = 1 AND NOT ({differs})),"
            f" count(*) FILTER (b.there IS NULL), count(*) FILTER (a.there IS NULL),"
            f" count(*) FILTER (a.there = 1 AND b.there = 1 AND ({differs}))"
            f" FROM a FULL OUTER JOIN b ON {same_key}"
        ).fetchone()
        names = ("matched", "missing", "extra", "changed")
        print(json.dumps(dict(zip(names, found))))
    else:
        count = lambda query: connection.execute(f"SELECT count(*) FROM ({query})").fetchone()[0]  # noqa: E731
        missing = count("FROM a EXCEPT ALL FROM b")
        extra = count("FROM b EXCEPT ALL FROM a")
        matched = count("FROM a INTERSECT ALL FROM b")
        print(json.dumps({"matched": matched, "missing": missing, "extra": extra, "changed": 0}))

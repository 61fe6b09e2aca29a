# Fabric notebook source

# METADATA ********************

# META {
# META   "kernel_info": {
# META     "name": "synapse_pyspark"
# META   },
# META   "dependencies": {
# META     "lakehouse": {
# META       "default_lakehouse": "b5a4c7d0-3f52-4d0e-8a6b-6e0f2c9d1a10",
# META       "default_lakehouse_name": "lh_retrain_loop",
# META       "default_lakehouse_workspace_id": "00000000-0000-0000-0000-000000000000",
# META       "known_lakehouses": [
# META         {
# META           "id": "b5a4c7d0-3f52-4d0e-8a6b-6e0f2c9d1a10"
# META         }
# META       ]
# META     },
# META     "environment": {
# META       "environmentId": "b5a4c7d0-3f52-4d0e-8a6b-6e0f2c9d1a11",
# META       "workspaceId": "00000000-0000-0000-0000-000000000000"
# META     }
# META   }
# META }

# MARKDOWN ********************

# # Count a model's rows on its features' buckets
#
# For tables past one machine: Spark reads and counts, and only counts leave it. What is asked for
# is in `ml_profile_requests`, what was counted goes to `ml_feature_profiles`. The same notebook
# runs on Fabric and on plain Spark.

# PARAMETERS CELL ********************

# The pipeline overrides these.
request_id = ""
table = ""  # of the rows, as lakehouse schema/table
timestamp_column = ""
id_column = ""
prediction_column = ""
version_column = ""
version = ""
start = ""  # ISO 8601 with an offset, included
end = ""  # excluded
days = ""  # ISO dates with commas; empty: one profile of it all, on edges of its own
bins = "10"  # of PSI

# METADATA ********************

# META {
# META   "language": "python",
# META   "language_group": "synapse_pyspark"
# META }

# MARKDOWN ********************

# ## Tables

# CELL ********************

import math
import os
import uuid
from datetime import UTC, datetime

import numpy as np
from pyspark.ml.feature import Bucketizer
from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

spark = SparkSession.builder.getOrCreate()
spark.conf.set("spark.sql.session.timeZone", "UTC")
LAKEHOUSE = os.environ.get("LAKEHOUSE_ROOT", "Tables")
REQUESTS, PROFILES = "lh_gold/ml_profile_requests", "lh_gold/ml_feature_profiles"
MADE_AT, ATTEMPT = datetime.now(UTC), uuid.uuid4().hex
MISSING, ABOVE, BELOW, UNSEEN, EXAMPLE = -1, -2, -3, -4, -5
MAX_CUTS, EXAMPLES = 4096, 5
PREDICTION = ""
# Fabric's Spark knows Delta; plain Spark reads the same files as delta-rs names them.
HAS_DELTA = "DeltaSparkSessionExtension" in (spark.conf.get("spark.sql.extensions", "") or "")


def read_delta(name):
    path = f"{LAKEHOUSE}/{name}"
    if HAS_DELTA:
        return spark.read.format("delta").load(path)
    from deltalake import DeltaTable

    return spark.read.option("basePath", path).parquet(*DeltaTable(path).file_uris())


RESULT = T.StructType(
    [
        *[T.StructField(name, T.StringType()) for name in ("request_id", "attempt")],
        T.StructField("made_at", T.TimestampType()),
        *[T.StructField(name, T.StringType()) for name in ("day", "feature")],
        T.StructField("bucket", T.LongType()),
        T.StructField("category", T.StringType()),
        T.StructField("n", T.LongType()),
        *[T.StructField(name, T.DoubleType()) for name in ("s", "q", "lo", "hi", "centre", "cut")],
        T.StructField("bin_edge", T.BooleanType()),
        T.StructField("odd", T.StringType()),
    ]
)


def append_delta(name, rows):
    """Write rows in one commit: a reader sees an attempt whole or not at all."""
    path = f"{LAKEHOUSE}/{name}"
    if HAS_DELTA:
        values = [tuple(row[field] for field in RESULT.names) for row in rows]
        frame = spark.createDataFrame(values, RESULT).coalesce(1)
        frame.write.format("delta").mode("append").save(path)
        return
    import pyarrow as pa
    from deltalake import write_deltalake

    kinds = {
        T.StringType(): pa.string(),
        T.TimestampType(): pa.timestamp("us", tz="UTC"),
        T.LongType(): pa.int64(),
        T.DoubleType(): pa.float64(),
        T.BooleanType(): pa.bool_(),
    }
    schema = pa.schema([(field.name, kinds[field.dataType]) for field in RESULT.fields])
    write_deltalake(path, pa.Table.from_pylist(rows, schema=schema), mode="append")

# METADATA ********************

# META {
# META   "language": "python",
# META   "language_group": "synapse_pyspark"
# META }

# MARKDOWN ********************

# ## What is asked for

# CELL ********************

asked = read_delta(REQUESTS).where(F.col("request_id") == request_id).collect()
if not asked:
    raise RuntimeError(f"nothing is asked for under {request_id!r}")
KINDS = {row["feature"]: row["kind"] for row in asked if row["place"] < 0}
CUTS, CATEGORIES = {}, {}
for row in sorted(asked, key=lambda row: row["place"]):
    if row["place"] >= 0 and KINDS[row["feature"]] == "numeric":
        CUTS.setdefault(row["feature"], []).append(row["cut"])
    elif row["place"] >= 0:
        CATEGORIES.setdefault(row["feature"], []).append(row["category"])
DAYS = [day for day in days.split(",") if day]
COLUMN = {name: name or prediction_column for name in KINDS}
PLACE = {name: f"c{place}" for place, name in enumerate(KINDS)}

# METADATA ********************

# META {
# META   "language": "python",
# META   "language_group": "synapse_pyspark"
# META }

# MARKDOWN ********************

# ## The rows: of a version and time, and of rows with one id the last

# CELL ********************

source = read_delta(table)
TYPES = {field.name: field.dataType for field in source.schema.fields}
for needed in (timestamp_column, id_column, prediction_column, version_column):
    if needed not in TYPES:
        raise RuntimeError(f"{table}: no column {needed}")


def numeric(name):
    """A column as a double: flags are 0 and 1, a text counts where it can be read."""
    kind = TYPES.get(name)
    if isinstance(kind, T.BooleanType):
        return F.col(f"`{name}`").cast("int").cast("double")
    if isinstance(kind, T.StringType):
        return F.expr(f"try_cast(`{name}` AS double)")
    if isinstance(kind, T.NumericType):
        # -0.0 + 0.0 is 0.0: Spark tells the two apart where numbers do not
        return F.col(f"`{name}`").cast("double") + F.lit(0.0)
    return F.lit(None).cast("double")


def category(name):
    kind = TYPES.get(name)
    if kind is None:
        return F.lit(None).cast("string")
    text = F.col(f"`{name}`").cast("string")
    if isinstance(kind, (T.DoubleType, T.FloatType)):
        return F.when(~F.isnan(F.col(f"`{name}`")), text)
    return text


def odd(feature):
    kind = TYPES.get(COLUMN[feature])
    if kind is None:
        return "the column is not there"
    if KINDS[feature] == "numeric" and not isinstance(kind, (T.NumericType, T.BooleanType)):
        return f"the column holds {kind.simpleString()}, not numbers"
    return None


time = F.col(f"`{timestamp_column}`").cast("timestamp")
begin, stop = (F.lit(datetime.fromisoformat(text)).cast("timestamp") for text in (start, end))
values = [
    (numeric if KINDS[name] == "numeric" else category)(COLUMN[name]).alias(PLACE[name])
    for name in KINDS
]
found = source.where(
    (time >= begin) & (time < stop) & (F.col(f"`{version_column}`").cast("string") == version)
).select(
    time.alias("t"),
    F.col(f"`{id_column}`").cast("string").alias("k"),
    (F.date_format(time, "yyyy-MM-dd") if DAYS else F.lit("")).alias("day"),
    *values,
)
if DAYS:
    found = found.where(F.col("day").isin(DAYS))
kept = ["day", *PLACE.values()]
last = (
    found.where(F.col("k").isNotNull())
    .groupBy("k", "day")
    .agg(F.max_by(F.struct(*PLACE.values()), "t").alias("last"))
    .select("day", "last.*")
)
rows = found.where(F.col("k").isNull()).select(*kept).unionByName(last.select(*kept)).persist()

# METADATA ********************

# META {
# META   "language": "python",
# META   "language_group": "synapse_pyspark"
# META }

# MARKDOWN ********************

# ## Edges of a reference
#
# The same arithmetic as the app's `domain/drift/edges.py`, to the last bit: values at some ranks,
# and the distinct ones where they are few, make the edges. A test holds the two together.

# CELL ********************

def finite(column):
    return F.col(column).isNotNull() & ~F.isnan(column) & (F.abs(column) != math.inf)


def ranked(column):
    """The number of finite values, and a function that gives those at some ranks."""
    ordered = rows.where(finite(column)).select(F.col(column).alias("x")).sort("x")
    # an id is the partition's number in the high bits and the row's place in the low 33
    placed = ordered.withColumn("id", F.monotonically_increasing_id()).persist()
    part = F.shiftright("id", 33)
    sizes = dict(placed.groupBy(part).count().collect())
    starts, total = {}, 0
    for number in sorted(sizes):
        starts[number], total = total, total + sizes[number]

    def at(ranks):
        ids = {}
        for rank in np.unique(ranks).tolist():
            number = max(each for each in starts if starts[each] <= rank)
            ids[(number << 33) + rank - starts[number]] = rank
        picked = placed.where(F.col("id").isin(list(ids))).collect()
        value = {ids[row["id"]]: row["x"] for row in picked}
        return np.array([value[rank] for rank in ranks.tolist()])

    return placed, total, at


def distinct_values(placed, most):
    few = [row["x"] for row in placed.select("x").distinct().limit(most + 1).collect()]
    return np.unique(few) if len(few) <= most else None


def after(numbers):
    with np.errstate(over="ignore"):
        following = np.nextafter(numbers, np.inf)
    return following[np.isfinite(following)]


def atoms(numbers):
    return np.unique(np.concatenate([numbers, after(numbers)]))


def quantiles(total, at, shares):
    place = (total - 1) * shares
    lower = np.floor(place).astype(np.int64)
    weight = place - lower
    low, high = np.split(at(np.concatenate([lower, np.minimum(lower + 1, total - 1)])), 2)
    with np.errstate(over="ignore", invalid="ignore"):
        step = high - low
        inner = np.where(weight < 0.5, low + step * weight, high - step * (1 - weight))
    return np.where(np.isfinite(step), inner, low * (1 - weight) + high * weight)


def grid_cuts(total, at, most):
    grid = at(np.linspace(0, total - 1, most - 2).astype(np.int64))
    tied = np.unique(grid[1:][grid[1:] == grid[:-1]])
    return np.unique(np.concatenate([grid, after(tied), after(grid[-1:])]))


def edges(column):
    """Cuts, and which of them bound the PSI bins."""
    placed, total, at = ranked(column)
    if not total:
        return [], set()
    outer = np.unique(quantiles(total, at, np.linspace(0, 1, int(bins) + 1)))
    coarse = outer[1:-1] if len(outer) > 2 else atoms(outer)
    most = MAX_CUTS - len(coarse)
    few = distinct_values(placed, most // 2)
    fine = atoms(few) if few is not None else grid_cuts(total, at, most)
    cuts = np.unique(np.concatenate([fine, coarse])) + 0.0
    placed.unpersist()
    return cuts.tolist(), set(np.searchsorted(cuts, coarse).tolist())

# METADATA ********************

# META {
# META   "language": "python",
# META   "language_group": "synapse_pyspark"
# META }

# MARKDOWN ********************

# ## Counts

# CELL ********************

def numeric_rows(feature, cuts, centre):
    """Bucket i holds cuts[i-1] <= x < cuts[i]; what is no finite number is told apart first."""
    column = PLACE[feature]
    bounds = [-math.inf, *cuts, math.inf]
    counted = rows.withColumn(
        "x", F.when(finite(column), F.col(column)).otherwise(F.lit(None).cast("double"))
    )
    if cuts:
        split = Bucketizer(splits=bounds, inputCol="x", outputCol="at", handleInvalid="keep")
        counted = split.transform(counted)
    else:
        counted = counted.withColumn("at", F.lit(0.0))
    value = F.col(column)
    bucket = (
        F.when(value.isNull() | F.isnan(value), MISSING)
        .when(value == math.inf, ABOVE)
        .when(value == -math.inf, BELOW)
        .otherwise(F.col("at").cast("long"))
        .alias("bucket")
    )
    away = F.col("x") - centre
    return counted.groupBy("day", bucket).agg(
        F.count(F.lit(1)).alias("n"),
        F.sum("x").alias("s"),
        F.sum(away * away).alias("q"),
        F.min("x").alias("lo"),
        F.max("x").alias("hi"),
    )


def category_rows(feature, known):
    """Counts by category; where these are given, the others together, and a few by name."""
    counts = rows.groupBy("day", F.col(PLACE[feature]).alias("category")).agg(
        F.count(F.lit(1)).alias("n")
    )
    if known is None:
        bucket = F.when(F.col("category").isNull(), MISSING).otherwise(0)
        return counts.withColumn("bucket", bucket), None
    names = spark.createDataFrame([(name, True) for name in known], "category string, known boolean")
    joined = counts.join(F.broadcast(names), "category", "left")
    bucket = (
        F.when(F.col("category").isNull(), MISSING)
        .when(F.col("known"), 0)
        .otherwise(UNSEEN)
    )
    told = F.when(F.col("known"), F.col("category")).alias("category")
    strange = joined.where(F.col("category").isNotNull() & F.col("known").isNull())
    order = F.row_number().over(Window.partitionBy("day").orderBy("category"))
    examples = strange.withColumn("order", order).where(F.col("order") <= EXAMPLES)
    return joined.groupBy("day", bucket.alias("bucket"), told).agg(F.sum("n").alias("n")), examples


def mean(feature):
    found = rows.where(finite(PLACE[feature])).agg(F.avg(PLACE[feature])).first()[0]
    return found if found is not None and math.isfinite(found) else 0.0


EMPTY = dict.fromkeys(RESULT.names) | {
    "request_id": request_id,
    "attempt": ATTEMPT,
    "made_at": MADE_AT,
    "n": 0,
}
results = []


def add(feature, counted, **same):
    """Keep what was counted; a row of the missing is always there, and says what is odd."""
    cells = {(row["day"], row["bucket"], row.asDict().get("category")): row for row in counted}
    for day in DAYS or [""]:
        cells.setdefault((day, MISSING, None), None)
    for (day, bucket, name), row in cells.items():
        figures = {} if row is None else row.asDict()
        figures = {key: figures.get(key) for key in ("s", "q", "lo", "hi") if bucket >= 0}
        results.append(
            EMPTY
            | {"day": day, "feature": feature, "bucket": bucket, "category": name}
            | {"n": 0 if row is None else row["n"], **figures, **same}
            | ({"odd": odd(feature)} if bucket == MISSING else {})
        )


for feature, kind in KINDS.items():
    if kind == "numeric":
        cuts, coarse = (CUTS.get(feature, []), set()) if DAYS else edges(PLACE[feature])
        centre = (cuts[len(cuts) // 2] if cuts else 0.0) if DAYS else mean(feature)
        add(feature, numeric_rows(feature, cuts, centre).collect(), centre=centre)
        if not DAYS:
            # a reference brings its edges: every bucket has a row, and says where it begins
            there = {row["bucket"]: row for row in results if row["feature"] == feature}
            for bucket in range(len(cuts) + 1):
                if bucket not in there:
                    there[bucket] = EMPTY | {"day": "", "feature": feature, "bucket": bucket}
                    results.append(there[bucket] | {"s": 0.0, "q": 0.0, "centre": centre})
                    there[bucket] = results[-1]
                there[bucket]["cut"] = cuts[bucket - 1] if bucket else None
                there[bucket]["bin_edge"] = bucket - 1 in coarse
    else:
        counted, examples = category_rows(feature, CATEGORIES.get(feature, []) if DAYS else None)
        add(feature, counted.collect())
        for row in examples.collect() if examples is not None else ():
            named = {"day": row["day"], "feature": feature, "category": row["category"]}
            results.append(EMPTY | named | {"bucket": EXAMPLE})

append_delta(PROFILES, results)
rows.unpersist()
print(f"{len(results)} rows counted for {request_id}", flush=True)

# METADATA ********************

# META {
# META   "language": "python",
# META   "language_group": "synapse_pyspark"
# META }

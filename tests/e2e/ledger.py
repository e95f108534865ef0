"""The ledger of a wall-mode store: of each thread, every tick of its life is a sample,
the weight of one, or a loss with its reason. Reads the tables alone."""
from support import check, sql

SLOTS = """
  SELECT s.uuid AS session, s.start_ns, s.pid, t.tid, t.id AS thread, p.id AS part, p.tick_count,
         p.period_ns, coalesce(x.weight, 0) / p.period_ns AS stored,
         coalesce((SELECT sum(l.count) FROM loss l
                   WHERE l.part_id = p.id AND l.thread_id = t.id), 0) AS lost
  FROM part p JOIN session s ON s.id = p.session_id JOIN thread t ON t.session_id = s.id
  LEFT JOIN slot x ON x.part_id = p.id AND x.thread_id = t.id
  WHERE s.mode = 'wall' ORDER BY t.id, p.start_ns"""


def check_ledger(db, what, exact=("main",)):
    """Every thread: never more than the ticks there were. The first thread of a
    process lives as long as it does: exactly those. Returns ticks checked."""
    total = 0
    for row in sql(db, SLOTS):
        known = row["stored"] + row["lost"]
        total += known
        check(known <= row["tick_count"],
              f"{what}: thread {row['tid']}: {row['stored']} + {row['lost']} of {row['tick_count']}")
        if row["tid"] == row["pid"]:
            check(known == row["tick_count"],
                  f"{what}: first thread: {row['stored']} stored + {row['lost']} lost, "
                  f"not {row['tick_count']} ticks")
    twice = sql(db, """
        SELECT count(*) AS n FROM part a JOIN part b ON a.session_id = b.session_id
        AND a.id < b.id AND a.start_ns < b.end_ns AND b.start_ns < a.end_ns""")
    check(twice[0]["n"] == 0, f"{what}: {twice[0]['n']} parts overlap: counted twice")
    return total

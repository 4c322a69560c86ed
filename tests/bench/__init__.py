"""
How fast, with how much memory and how soon: figures, never pass or fail by a clock (`python -m tests.bench.path`).

    path     the worker against a bare loop on a backlog, then its latency: the table
    runs     one run of either, measured from outside
    stage    broker, topics, subscription and events to run on
    sink     the receiver that is never the bottleneck, in a process of its own
    loop     aiohttp and uvloop posting the same bodies, and nothing else
"""

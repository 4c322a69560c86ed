"""
How fast, with how much memory and how soon (`python -m tests.bench.path`), what a bad endpoint costs the others
(`python -m tests.bench.isolation`), how fast a history is made, and answers (`python -m tests.bench.history`). Only the
second has bounds, as ratios; the others never pass or fail by a clock.

    path       the worker against a bare loop on a backlog, then its latency: the table
    history    the results topic into a database, and questions to millions of attempts in it
    runs       one run of either, measured from outside
    isolation  19 healthy endpoints beside a bad one, and beside a healthy one: the table
    cases      who is bad, and how; whose events; what must hold
    figures    ratios, bounds and the lines of its table
    audit      what the results say of its events: none lost, none twice, how many deferred
    ledger     what ledger and settled map cost alone
    lanes      what lanes cost alone
    stage      broker, topics, subscriptions and events to run on
    children   the processes
    sink       the receiver that is never the bottleneck, in a process of its own
    loop       aiohttp and uvloop posting the same bodies, and nothing else
"""

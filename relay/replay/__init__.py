"""
Sent again, or sent to try: redeliveries, replays, requeued dead letters and test sends (DESIGN.md section 4).

Not a second path: all of it is delivery records on `relay.deliveries.now`, which workers send as they send everything.
A replay is a run: its state stands on the compacted topic `relay.runs`, written in the transaction of what it sends, so
that whoever goes on with it sends nothing twice.

    values        runs, what is asked of them, what is told                                   pure
    runs          a run <-> the bytes of its record, and what records make of what there was  pure
    ranges        from a time or offsets to the ends of a log: where a replay begins          pure
    choose        what is sent of an event or a dead letter, or why nothing                   pure
    hindsight     what a history knows of what was delivered                                  pure
    trial         the event of a test send, made by relay and made again from its result      pure
    shown         what a request held, from its result and its event                          pure
    letters       a record of the dead letters -> what is told of it                          pure
    lookup        records of a log by their coordinates                                       edge (aiokafka)
    board         runs and subscriptions, as their topics are                                 edge (aiokafka)
    outbox        delivery records and a run's new state, together                            edge (aiokafka)
    backlog       what workers have not yet taken                                             edge (aiokafka)
    scan          the records of a run, a batch at a time                                     edge (aiokafka)
    survey        where a replay would begin and end, and how much it would send              edge (aiokafka)
    carry         one run, carried on: read, chosen, sent                                     edge
    runner        which runs a process carries on, and how fast                               edge
    singly        what is asked for and answered one by one                                   edge
    dead_letters  the dead letters, newest first                                              edge (aiokafka)
    sent          what was sent, read again                                                   edge (aiokafka)
    service       all of that for whoever asks                                                edge
"""
